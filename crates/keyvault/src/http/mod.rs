//! The requests to the data plane of an Azure service: what a client of Key Vault and one of App Configuration share.
//!
//! Not part of the public API: it is visible only to the other crates of this workspace, and changes without notice.

// One request passes these files, and they read best in this order:
//
// 1. `service` and `operation` are what a client implements: how its service differs from others, and what each of its
//    operations costs and risks.
// 2. `request` is what is sent: operation, URL, headers, body, and the secret or setting it is about.
// 3. `pipeline` sends it by its `pipeline_settings`, to one `origin`: token (`authorizer`) or signature, rate limit
//    (`rate_limit`), deadline and retries (`retry`), counters (`stats`). It is the one place that retries.
//    `api_version` is part of each URL.
// 4. `transport` holds the connections: `tls`, one before a burst (`connection_gate`, `connector`), and no foreign text
//    in logs and errors (`sanitize`). `transport_failure` classifies what fails without a response.
// 5. `response` bounds and reads the response, `refusal` sorts out those that are not a success.
//
// Error texts have a place for the word that `Service::noun` gives: `vault`, `store`. Their headings in the guide say
// "vault": one section is about the error of both.

mod api_version;
mod authorizer;
mod connection_gate;
mod connector;
mod operation;
mod origin;
mod pipeline;
mod pipeline_settings;
mod rate_limit;
mod refusal;
mod request;
mod response;
mod retry;
mod sanitize;
mod service;
mod stats;
#[cfg(test)]
mod testing;
mod tls;
mod transport;
mod transport_failure;

pub use self::authorizer::Authorizer;
#[cfg(feature = "identity")]
pub(crate) use self::authorizer::{BypassTokenCache, credential_error};
pub use self::operation::{Idempotency, Operation};
pub use self::pipeline::Pipeline;
pub use self::pipeline_settings::PipelineSettings;
pub use self::request::{Request, Subject};
pub use self::response::Response;
pub use self::service::Service;
pub use self::stats::ClientStats;
#[cfg(feature = "storage-queue")]
pub(crate) use self::transport::http_client;
#[cfg(feature = "identity")]
pub(crate) use self::transport::{local_client, transport_for_tokens};
