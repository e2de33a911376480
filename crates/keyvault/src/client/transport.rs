//! The HTTP clients: TLS only, no redirects, no decompression, no retries.

use std::sync::Arc;
use std::time::Duration;

use azure_core::http::Transport;
use reqwest::{Client, ClientBuilder};
use rustls::ClientConfig;

use super::connector::{OnConnect, Protocol};
#[cfg(any(feature = "identity", feature = "storage-queue"))]
use super::tls;
use crate::error::{Error, Result};

/// Creates the transport of one vault. It calls `on_connect` for each connection that it opens.
pub(super) fn new(
    tls: &ClientConfig,
    on_connect: impl Fn(Protocol) + Clone + Send + Sync + 'static,
) -> Result<Transport> {
    let builder = client_builder(tls.clone())
        .connector_layer(OnConnect(on_connect))
        .pool_max_idle_per_host(64)
        .pool_idle_timeout(POOL_IDLE_TIMEOUT)
        // A connection that stays silent is pinged and closed if it does not respond; the next attempt opens another.
        .http2_keep_alive_interval(PING_INTERVAL)
        .http2_keep_alive_timeout(PING_INTERVAL);
    Ok(Transport::new(Arc::new(build(builder)?)))
}

/// Creates an HTTP client for other services of Azure.
#[cfg(feature = "storage-queue")]
pub(crate) fn http_client(certificate_authorities: &[String]) -> Result<Client> {
    build(client_builder(tls::config(certificate_authorities, false)?))
}

/// Creates the transport of credentials. The SDK's own transport panics if the program has installed no cryptography
/// provider.
#[cfg(feature = "identity")]
pub(crate) fn transport_for_tokens() -> Result<Transport> {
    let builder = Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .tls_backend_preconfigured(tls::config_for_tokens()?);
    Ok(Transport::new(Arc::new(build(builder)?)))
}

fn client_builder(tls: ClientConfig) -> ClientBuilder {
    Client::builder()
        .https_only(true)
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        // Only the pipeline retries.
        .retry(reqwest::retry::never())
        // A small compressed body can expand to a large one, and other crates can turn these features on.
        .no_gzip()
        .no_deflate()
        .no_brotli()
        .no_zstd()
        .connect_timeout(CONNECT_TIMEOUT)
        .tls_backend_preconfigured(tls)
}

fn build(builder: ClientBuilder) -> Result<Client> {
    builder.build().map_err(|_| Error::invalid("TLS cannot be set up"))
}

/// Long enough for a lost packet or two, short enough for a second attempt within the timeout of an operation.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(8);

/// Azure's load balancers [drop an idle
/// connection](https://learn.microsoft.com/azure/load-balancer/load-balancer-tcp-reset) silently after four minutes.
pub(super) const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(210);

/// The silence before a ping, and the time to wait for its response: together less than the time limit of an attempt.
const PING_INTERVAL: Duration = Duration::from_secs(4);
