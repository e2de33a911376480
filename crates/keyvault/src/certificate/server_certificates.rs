//! The certificates of a server.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::certificate::Certificate;
use super::problem::Problem;
use crate::error::{Error, Result};

/// The certificates of a server, of which each handshake takes the one for the name that the client asks for (SNI).
///
/// [`Live::derive`](crate::Live::derive) keeps them current. Connections in progress keep the certificate of their
/// handshake, and new ones get the new one. A renewal that cannot be used leaves the current certificates in place;
/// [`Derived::health`](crate::Derived::health) reports it.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
///
/// use keyvault::Live;
/// use keyvault::certificate::{Certificate, ServerCertificates};
/// use rustls::ServerConfig;
///
/// struct Settings {
///     tls: Certificate,
/// }
///
/// # async fn example(live: Live<Settings>) -> keyvault::Result<()> {
/// let certificates =
///     live.derive(["tls"], async |it: Arc<Settings>| Ok(ServerCertificates::new([it.tls.clone()])?)).await?;
/// let config = ServerConfig::builder().with_no_client_auth().with_cert_resolver(Arc::new(certificates));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct ServerCertificates(Vec<Certificate>);

impl ServerCertificates {
    /// Creates the certificates of a server. The first one is for clients that ask for no name, or for an unknown one.
    ///
    /// # Errors
    ///
    /// [`InvalidSettings`](crate::ErrorKind::InvalidSettings) if there is no certificate, if one is not valid yet, or
    /// if all have expired. A derived resource tries again, so a certificate that is not valid yet is used as soon as
    /// it is.
    ///
    /// An expired certificate beside valid ones is taken, because otherwise it would hold up their renewals. Clients
    /// get it only if no valid one is for the name that they ask for.
    pub fn new(certificates: impl IntoIterator<Item = Certificate>) -> Result<Self> {
        let certificates: Vec<_> = certificates.into_iter().collect();
        if certificates.is_empty() {
            return Err(Problem::NoCertificates.into());
        }
        let now = SystemTime::now();
        let is_any_valid = certificates.iter().any(|certificate| certificate.check_dates(now).is_ok());
        for certificate in &certificates {
            if !is_any_valid || now < certificate.not_before() {
                certificate.check_dates(now).map_err(|error| naming(certificate, &error))?;
            }
        }
        Ok(Self(certificates))
    }

    /// Returns the certificates, the default one first.
    pub fn certificates(&self) -> &[Certificate] {
        &self.0
    }

    /// Returns when the first of the certificates expires.
    pub fn expires(&self) -> SystemTime {
        self.0.iter().map(Certificate::expires).min().unwrap_or(SystemTime::UNIX_EPOCH)
    }

    /// Returns the key for a client that asks for `name` and knows `schemes`.
    ///
    /// Of several certificates for one name, such as RSA and P-256, it is one that the client can verify, and then one
    /// that is valid now. A name alone wins over a wildcard, and then the certificate that expires last.
    fn key_for(&self, name: Option<&str>, schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let is_known = |it: &Certificate| it.certified_key().key.choose_scheme(schemes).is_some();
        let named = name
            .into_iter()
            .flat_map(|name| self.0.iter().filter(move |it| it.is_for(name)).map(move |it| (it, it.is_named(name))));
        let now = SystemTime::now();
        let rank = |it: &Certificate, is_named| (is_known(it), it.check_dates(now).is_ok(), is_named, it.expires());
        let best = named.max_by_key(|(it, is_named)| rank(it, *is_named)).map(|(it, _)| it);
        best.or(self.0.first()).map(Certificate::certified_key)
    }
}

/// Adds which of several certificates an error is about. The thumbprint is public.
fn naming(certificate: &Certificate, error: &Error) -> Error {
    let clause = error.heading();
    let named = format!("{clause}: thumbprint {}", certificate.thumbprint());
    Error::from_clause(error.kind(), clause, named).with_help_of(error)
}

impl ResolvesServerCert for ServerCertificates {
    fn resolve(&self, client: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.key_for(client.server_name(), client.signature_schemes())
    }
}

/// Presents the certificate to every server that asks for one.
impl ResolvesClientCert for Certificate {
    fn resolve(&self, _: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let key = self.certified_key();
        key.key.choose_scheme(schemes).is_some().then_some(key)
    }

    fn has_certs(&self) -> bool {
        true
    }
}

impl fmt::Debug for ServerCertificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ServerCertificates").field(&self.0).finish()
    }
}
