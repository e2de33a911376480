//! The connection to a vault: TLS, no redirects, nothing unpacked.

use std::sync::Arc;
use std::time::Duration;

use azure_core::http::Transport;
use reqwest::Certificate;

use crate::error::{Error, Result};

/// Makes the transport that a client uses unless it is given one.
pub(super) fn transport(certificate_authorities: &[String]) -> Result<Transport> {
    Ok(Transport::new(Arc::new(http_client(certificate_authorities)?)))
}

/// Makes the client of HTTP under it.
pub(crate) fn http_client(certificate_authorities: &[String]) -> Result<reqwest::Client> {
    let mut roots = Vec::new();
    for pem in certificate_authorities {
        let certificates = Certificate::from_pem_bundle(pem.as_bytes())
            .map_err(|_| Error::invalid("certificate authority is not PEM"))?;
        roots.extend(certificates);
    }
    reqwest::Client::builder()
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
        .pool_max_idle_per_host(64)
        .tls_certs_merge(roots)
        .build()
        .map_err(|_| Error::invalid("TLS could not be set up"))
}

/// Long enough for a lost packet or two, short enough for a second try within the timeout of an operation.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(8);
