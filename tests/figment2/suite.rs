//! The behaviour tests of the adapters, with `keyvault-figment2` in the place of `keyvault-figment`.

#![allow(clippy::unwrap_used, reason = "a test that cannot continue panics at once, and so do its helpers")]

use std::path::Path;

use figment::providers::{Data, Format, Toml};

#[path = "../adapters/mod.rs"]
mod adapters;
#[path = "../names/mod.rs"]
mod names;

/// Returns a file that must exist.
fn required_file(path: &Path) -> Data<Toml> {
    Toml::file(path).required(true)
}
