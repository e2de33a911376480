//! The behaviour tests of the adapters, with `keyvault-figment2` in the place of `keyvault-figment`.

#![allow(clippy::unwrap_used, reason = "a test that cannot continue panics at once, and so do its helpers")]

#[path = "../adapters/mod.rs"]
mod adapters;
#[path = "../names/mod.rs"]
mod names;
