//! Behaviour across crates, one module per promise.

#![allow(clippy::unwrap_used, reason = "a test that cannot continue panics at once, and so do its helpers")]

mod adapters;
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
