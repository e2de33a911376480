//! A client for the secrets of one vault, over the
//! [Key Vault REST API](https://learn.microsoft.com/rest/api/keyvault/secrets/operation-groups).
//!
//! [`SecretClient`] has a method for each operation; [`SecretClientBuilder`] configures it. Lists are streams
//! ([`SecretList`], [`SecretPages`]), and operations that the vault completes later can be awaited
//! ([`Poller`]).

// Requests take the pipeline of `http`, which this room tells what is Key Vault's own. It reads best in this order:
//
// 1. `secret_client` checks names and builds requests; `builder` configures it. The other operations:
//    `version_properties` (set and update), `pages`, `deleted_secret` (which waits with `poller`), `backup`.
// 2. `operation` is what each operation costs, risks and needs; `vault_service` how a vault differs from other
//    services, with the `challenge` that names the token it accepts.
// 3. `service_error` classifies a refusal, `bundle` is the secret in a response.

mod backup;
mod builder;
mod bundle;
mod challenge;
mod deleted_secret;
mod operation;
mod pages;
mod poller;
mod secret_client;
mod service_error;
mod vault_service;
mod version_properties;

pub use self::backup::SecretBackup;
pub use self::builder::SecretClientBuilder;
pub(crate) use self::bundle::ListItem;
#[cfg(feature = "identity")]
pub(crate) use self::challenge::cloud_scope;
pub use self::deleted_secret::DeletedSecret;
pub use self::pages::{PageToken, SecretList, SecretPage, SecretPages};
pub(crate) use self::poller::Polled;
pub use self::poller::Poller;
pub use self::secret_client::SecretClient;
pub use self::version_properties::VersionProperties;
pub use crate::http::ClientStats;
