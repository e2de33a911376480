//! TLS: the cryptography provider and the trusted certificates.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::thread;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_platform_verifier::Verifier;

use crate::error::{Error, Result};

/// Creates the configuration that a client shares with its copies for other vaults.
pub(super) fn config(certificate_authorities: &[String], http1_only: bool) -> Result<ClientConfig> {
    let verifier = EitherVerifier::new(parse(certificate_authorities)?, provider()?)?;
    if verifier.custom.is_none() {
        verifier.platform.load_in_background();
    }
    let protocols: &[&[u8]] = if http1_only { &[HTTP_1] } else { &[HTTP_2, HTTP_1] };
    client_config(verifier, protocols)
}

/// Creates the configuration for credentials, which send few requests, most of them without TLS.
#[cfg(feature = "identity")]
pub(crate) fn config_for_tokens() -> Result<ClientConfig> {
    client_config(EitherVerifier::new(Vec::new(), provider()?)?, &[HTTP_1])
}

fn parse(certificate_authorities: &[String]) -> Result<Vec<CertificateDer<'static>>> {
    let mut authorities = Vec::new();
    for pem in certificate_authorities {
        let before = authorities.len();
        for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            authorities.push(certificate.map_err(|_| Error::invalid("CA certificate is not PEM"))?);
        }
        if authorities.len() == before {
            return Err(Error::invalid("CA certificate is not PEM"));
        }
    }
    Ok(authorities)
}

fn client_config(verifier: EitherVerifier, protocols: &[&[u8]]) -> Result<ClientConfig> {
    let mut config = ClientConfig::builder_with_provider(Arc::clone(&verifier.platform.provider))
        .with_safe_default_protocol_versions()
        .map_err(|_| Error::invalid("TLS cannot be set up"))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    Ok(config)
}

/// Returns the provider that the program installed for the whole process, or the one that the features choose.
///
/// The default is `ring`. `aws-lc-rs`, which has post-quantum key exchange, gathers entropy before its first handshake,
/// which blocks a thread for 25 ms.
fn provider() -> Result<Arc<CryptoProvider>> {
    let provider = CryptoProvider::get_default().cloned().or_else(built_in_provider);
    provider.ok_or_else(|| Error::invalid("no cryptography provider for TLS is installed"))
}

#[cfg(feature = "aws-lc-rs")]
fn built_in_provider() -> Option<Arc<CryptoProvider>> {
    Some(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
}

#[cfg(all(feature = "ring", not(feature = "aws-lc-rs")))]
fn built_in_provider() -> Option<Arc<CryptoProvider>> {
    Some(Arc::new(rustls::crypto::ring::default_provider()))
}

#[cfg(not(any(feature = "ring", feature = "aws-lc-rs")))]
fn built_in_provider() -> Option<Arc<CryptoProvider>> {
    None
}

const HTTP_1: &[u8] = b"http/1.1";
const HTTP_2: &[u8] = b"h2";

/// A verifier that trusts the certificate authorities that the program added, and those of the platform.
///
/// It accepts a certificate if one of two verifiers does, and decides nothing itself. The platform's comes second.
/// Loading its certificates takes some milliseconds, so a thread does it while the connection opens, unless the program
/// added certificate authorities that may suffice.
struct EitherVerifier {
    custom: Option<Arc<WebPkiServerVerifier>>,
    platform: Arc<PlatformVerifier>,
}

/// The platform's verifier, created when it is first used.
struct PlatformVerifier {
    provider: Arc<CryptoProvider>,
    verifier: OnceLock<std::result::Result<Verifier, rustls::Error>>,
}

impl PlatformVerifier {
    fn verifier(&self) -> std::result::Result<&Verifier, rustls::Error> {
        let created = self.verifier.get_or_init(|| Verifier::new(Arc::clone(&self.provider)));
        created.as_ref().map_err(Clone::clone)
    }

    /// Creates the verifier on a thread. If no thread can be started, the first handshake creates it.
    fn load_in_background(self: &Arc<Self>) {
        let platform = Arc::clone(self);
        _ = thread::Builder::new().name("keyvault-roots".into()).spawn(move || _ = platform.verifier());
    }
}

impl EitherVerifier {
    fn new(authorities: Vec<CertificateDer<'static>>, provider: Arc<CryptoProvider>) -> Result<Self> {
        let platform = Arc::new(PlatformVerifier { provider: Arc::clone(&provider), verifier: OnceLock::new() });
        if authorities.is_empty() {
            return Ok(Self { custom: None, platform });
        }
        let mut roots = RootCertStore::empty();
        for authority in authorities {
            roots.add(authority).map_err(|_| Error::invalid("CA certificate cannot be parsed"))?;
        }
        let custom = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
        Ok(Self { custom: Some(custom.map_err(|_| Error::invalid("TLS cannot be set up"))?), platform })
    }

    fn algorithms(&self) -> &WebPkiSupportedAlgorithms {
        &self.platform.provider.signature_verification_algorithms
    }
}

impl ServerCertVerifier for EitherVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        if let Some(custom) = &self.custom
            && let Ok(verified) = custom.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
        {
            return Ok(verified);
        }
        self.platform.verifier()?.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, self.algorithms())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, self.algorithms())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms().supported_schemes()
    }
}

impl fmt::Debug for EitherVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EitherVerifier").finish_non_exhaustive()
    }
}
