//! Azure App Configuration as a live layer of settings beside Azure Key Vault.
//!
//! App Configuration keeps the settings that are no secrets, and refers to Key Vault for those that are. This crate reads
//! a store, turns its key-values into settings, and makes them a layer of the same live settings that follow Key Vault.
//! It depends on `keyvault` and knows no configuration framework.

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub mod client;
mod endpoint;
mod filter;
mod key_value;
mod layer;
mod mapping;
mod next_link;
mod sync_token;

pub use self::client::AppConfigurationClient;
pub use self::endpoint::{AccessKey, ConnectionString, Endpoint};
pub use self::filter::{NO_LABEL, Selector, escaped};
pub use self::key_value::{FEATURE_FLAG_PREFIX, KeyValue};
pub use self::layer::{AppConfiguration, AppConfigurationBuilder};
