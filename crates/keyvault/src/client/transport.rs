//! The connection to a vault: TLS, no redirects, nothing unpacked.

use std::sync::Arc;
use std::time::Duration;

use azure_core::http::Transport;
use reqwest::{Client, ClientBuilder};
use rustls::ClientConfig;

use super::opening::{OneAhead, Opening};
#[cfg(any(feature = "identity", feature = "storage-queue"))]
use super::tls;
use crate::error::{Error, Result};

/// Makes the transport of one vault that a client uses unless it is given one.
pub(super) fn transport(tls: &ClientConfig, opening: Arc<Opening>) -> Result<Transport> {
    let builder = careful(tls.clone())
        .connector_layer(OneAhead(opening))
        .pool_max_idle_per_host(64)
        .pool_idle_timeout(LONGEST_IDLE)
        // A connection on which nothing comes back is asked for a sign of life; then the next attempt opens another.
        .http2_keep_alive_interval(SIGN_OF_LIFE)
        .http2_keep_alive_timeout(SIGN_OF_LIFE);
    Ok(Transport::new(Arc::new(built(builder)?)))
}

/// Makes a client of HTTP for other services of Azure.
#[cfg(feature = "storage-queue")]
pub(crate) fn http_client(certificate_authorities: &[String]) -> Result<Client> {
    built(careful(tls::config(certificate_authorities, false)?))
}

/// Makes a transport for whatever gives tokens. The SDK's own takes its cryptography from who knows where, and panics if
/// there is none.
#[cfg(feature = "identity")]
pub(crate) fn transport_for_tokens() -> Result<Transport> {
    let builder = Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .tls_backend_preconfigured(tls::config_for_tokens()?);
    Ok(Transport::new(Arc::new(built(builder)?)))
}

fn careful(tls: ClientConfig) -> ClientBuilder {
    Client::builder()
        .https_only(true)
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        // One layer retries, and it is ours.
        .retry(reqwest::retry::never())
        // A small compressed body can unpack to a large one, and other crates may have switched these on.
        .no_gzip()
        .no_deflate()
        .no_brotli()
        .no_zstd()
        .connect_timeout(CONNECT_TIMEOUT)
        .tls_backend_preconfigured(tls)
}

fn built(builder: ClientBuilder) -> Result<Client> {
    builder.build().map_err(|_| Error::invalid("TLS could not be set up"))
}

/// Long enough for a lost packet or two, short enough for a second try within the timeout of an operation.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(8);

/// Azure's load balancers [forget a connection](https://learn.microsoft.com/azure/load-balancer/load-balancer-tcp-reset) after
/// four minutes without telling.
const LONGEST_IDLE: Duration = Duration::from_secs(210);

/// Asked for when an answer takes that long, and waited for as long: together less than a request waits for its answer.
const SIGN_OF_LIFE: Duration = Duration::from_secs(4);
