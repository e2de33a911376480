//! Certificates that rustls takes from a derived resource.

use std::sync::Arc;

use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::derived::Derived;
use crate::certificate::{Certificate, ServerCertificates};

/// Chooses from the certificates that are current when the handshake begins.
impl ResolvesServerCert for Derived<ServerCertificates> {
    fn resolve(&self, client: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.current().resolve(client)
    }
}

/// Presents the certificate that is current when the handshake begins. A closure that checks the dates keeps the last
/// certificate until a renewal is valid.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use std::time::SystemTime;
///
/// use keyvault::Live;
/// use keyvault::certificate::Certificate;
/// use rustls::{ClientConfig, RootCertStore};
///
/// struct Settings {
///     client: Certificate,
/// }
///
/// # async fn example(live: Live<Settings>, roots: RootCertStore) -> keyvault::Result<()> {
/// let certificate = live
///     .derive(["client"], async |it: Arc<Settings>| {
///         it.client.check_dates(SystemTime::now())?;
///         Ok(it.client.clone())
///     })
///     .await?;
/// let config =
///     ClientConfig::builder().with_root_certificates(roots).with_client_cert_resolver(Arc::new(certificate));
/// # Ok(())
/// # }
/// ```
impl ResolvesClientCert for Derived<Certificate> {
    fn resolve(&self, hints: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.current().resolve(hints, schemes)
    }

    fn has_certs(&self) -> bool {
        true
    }
}
