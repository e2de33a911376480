//! A client for the secrets of one vault, over the
//! [Key Vault REST API](https://learn.microsoft.com/rest/api/keyvault/secrets/operation-groups).
//!
//! [`SecretClient`] has a method for each operation; [`SecretClientBuilder`] configures it. Lists are streams
//! ([`SecretList`], [`SecretPages`]), and operations that the vault completes later can be awaited
//! ([`Poller`]).

// One request passes these files, and they read best in this order:
//
// 1. `secret_client` checks names and builds requests; `builder` configures it. The other operations:
//    `version_properties` (set and update), `pages`, `deleted_secret` (which waits with `poller`), `backup`.
// 2. `request` is what is sent, `operation` what each operation costs, risks and needs.
// 3. `pipeline` sends it: token (`authorizer`, `challenge`), rate limit (`rate_limit`), deadline and retries
//    (`retry`), counters (`stats`).
// 4. `transport` holds the connections: `tls`, one before a burst (`connection_gate`, `connector`), and no foreign text
//    in logs and errors (`sanitize`). `transport_failure` classifies what fails without a response.
// 5. `response` bounds and reads the response, `service_error` classifies it, `bundle` is the secret in it.

mod authorizer;
mod backup;
mod builder;
mod bundle;
mod challenge;
mod connection_gate;
mod connector;
mod deleted_secret;
mod operation;
mod pages;
mod pipeline;
mod poller;
mod rate_limit;
mod request;
mod response;
mod retry;
mod sanitize;
mod secret_client;
mod service_error;
mod stats;
pub(crate) mod tls;
pub(crate) mod transport;
mod transport_failure;
mod version_properties;

#[cfg(feature = "identity")]
pub(crate) use self::authorizer::{BypassTokenCache, credential_error};
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
pub use self::stats::ClientStats;
#[cfg(feature = "storage-queue")]
pub(crate) use self::transport::http_client;
pub use self::version_properties::VersionProperties;
