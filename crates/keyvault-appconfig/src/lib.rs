//! Azure App Configuration as a live layer of settings beside Azure Key Vault.
//!
//! App Configuration keeps the settings that are not secret, and refers to Key Vault for those that are. This crate
//! reads a store, turns its key-values into settings, and makes them a layer of the live settings of `keyvault`. A
//! change in the store and a rotation in a vault are published together. Of this workspace the crate depends on
//! `keyvault` alone, and it works with each of its adapters.
//!
//! ```no_run
//! use figment::Figment;
//! use figment::providers::{Env, Format, Toml};
//! use keyvault::{Live, SecretClient};
//! use keyvault_appconfig::{AppConfiguration, AppConfigurationClient, NO_LABEL};
//!
//! #[derive(serde::Deserialize)]
//! struct Settings {
//!     pool_size: u32,
//! }
//!
//! # async fn start(vault: SecretClient) -> keyvault::Result<Live<Settings>> {
//! let store = AppConfigurationClient::builder("https://contoso.azconfig.io")
//!     .credential(keyvault::default_credential()?)
//!     .build()?;
//! let app = AppConfiguration::builder(store)
//!     .select("shop:*", NO_LABEL)
//!     .select("shop:*", "prod")
//!     .trim_prefix("shop:")
//!     .build()?;
//! keyvault_figment::layered(vault, || Figment::new().merge(Toml::file("settings.toml")).merge(Env::prefixed("SHOP_")))
//!     .with_layer(app)
//!     .start()
//!     .await
//! # }
//! ```
//!
//! | to | use |
//! |---|---|
//! | make a store a layer of settings | [`AppConfiguration`] |
//! | select key-values, spell keys, follow changes | [`AppConfigurationBuilder`], [`Selector`] |
//! | call a store | [`AppConfigurationClient`], [`client`] |
//! | use an access key | [`ConnectionString`], [`AccessKey`] |
//! | follow changes at once | [`keyvault::push`] |
//!
//! # Features
//!
//! `discovery`, off by default, finds replicas of a store by DNS:
//! [`discover_replicas`](AppConfigurationBuilder#method.discover_replicas).
//!
//! # Modules
//!
//! The modules in the order of their dependencies: each uses only modules before it.
//!
//! 1. `endpoint`: [`Endpoint`], [`ConnectionString`] and the signature of a request. `sync_token`: with it a request
//!    sees earlier changes. `next_link`: the token of the next page.
//! 2. `key_value`: [`KeyValue`], its name and its content type. `filter`: [`Selector`].
//! 3. [`client`]: the client.
//! 4. `mapping`: from key-values to settings.
//! 5. `layer`: [`AppConfiguration`], which reads, keeps what it read, and asks for changes.
//!
//! # Promises
//!
//! * A token or a signature goes to the endpoints that the program named and, with `discover_replicas`, to stores in
//!   the same domain. It goes to no other host.
//! * No value is in an error, a log or a `Debug` of this crate, although App Configuration does not treat values as
//!   secret.
//! * A read of the layer is all or nothing. One that fails leaves the last good settings, and counts nothing as seen.
//! * Two key-values of one selection never replace each other silently, except those of a snapshot in the place of a
//!   reference.
//!
//! Not affiliated with Microsoft.

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
pub use self::key_value::{FEATURE_FLAG_PREFIX, KeyValue, parse_key_vault_reference};
pub use self::layer::{AppConfiguration, AppConfigurationBuilder};
#[cfg(feature = "discovery")]
#[doc(hidden)]
pub use self::layer::{LookupFailed, ServiceRecords};
