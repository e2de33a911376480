//! Behaviour across crates, one module per promise.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops where it stands, helpers included")]

mod adapters;
mod architecture;
mod client;
mod derive;
mod hostile;
mod live;
mod names;
mod network;
mod operations;
mod push;
mod sealed;
mod supply;
