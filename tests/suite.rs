//! Behaviour across crates, one module per promise.

#![allow(clippy::unwrap_used, reason = "a test that cannot continue panics at once, and so do its helpers")]

use std::path::Path;

use figment::providers::{Data, Format, Toml};

mod adapters;
mod app_configuration;
mod architecture;
mod client;
mod derive;
mod hostile;
mod live;
mod names;
mod network;
mod official_model;
mod operations;
mod package_metadata;
mod push;
mod sealed;
mod supply_chain;

/// Returns a file that must exist, as `tests/figment2` does in its own way.
fn required_file(path: &Path) -> Data<Toml> {
    Toml::file_exact(path)
}
