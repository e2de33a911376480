//! TLS: which library does the arithmetic, and whose certificates are trusted.

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

/// Makes the configuration that a client and its copies for other vaults share.
pub(super) fn config(certificate_authorities: &[String], http1_only: bool) -> Result<ClientConfig> {
    let verifier = EitherVerifier::new(parsed(certificate_authorities)?, provider()?)?;
    if verifier.named.is_none() {
        verifier.platform.begin();
    }
    let protocols: &[&[u8]] = if http1_only { &[HTTP_1] } else { &[HTTP_2, HTTP_1] };
    configured(verifier, protocols)
}

/// Makes the configuration for whatever gives tokens: few requests, and most of them without TLS.
#[cfg(feature = "identity")]
pub(crate) fn config_for_tokens() -> Result<ClientConfig> {
    configured(EitherVerifier::new(Vec::new(), provider()?)?, &[HTTP_1])
}

fn parsed(certificate_authorities: &[String]) -> Result<Vec<CertificateDer<'static>>> {
    let mut authorities = Vec::new();
    for pem in certificate_authorities {
        let before = authorities.len();
        for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            authorities.push(certificate.map_err(|_| Error::invalid("certificate authority is not PEM"))?);
        }
        if authorities.len() == before {
            return Err(Error::invalid("certificate authority is not PEM"));
        }
    }
    Ok(authorities)
}

fn configured(verifier: EitherVerifier, protocols: &[&[u8]]) -> Result<ClientConfig> {
    let mut config = ClientConfig::builder_with_provider(Arc::clone(&verifier.platform.provider))
        .with_safe_default_protocol_versions()
        .map_err(|_| Error::invalid("TLS could not be set up"))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    Ok(config)
}

/// Gives the provider that the program installed for the whole process, or one of ours.
///
/// `ring` is the usual one. aws-lc-rs, which has post-quantum key exchange, gathers entropy before its first handshake, for
/// 25 ms of the processor's time that nothing else can be done in: who wants it says so.
fn provider() -> Result<Arc<CryptoProvider>> {
    let provider = CryptoProvider::get_default().cloned().or_else(ours);
    provider.ok_or_else(|| Error::invalid("program has no provider of cryptography for TLS"))
}

#[cfg(feature = "aws-lc-rs")]
fn ours() -> Option<Arc<CryptoProvider>> {
    Some(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
}

#[cfg(all(feature = "ring", not(feature = "aws-lc-rs")))]
fn ours() -> Option<Arc<CryptoProvider>> {
    Some(Arc::new(rustls::crypto::ring::default_provider()))
}

#[cfg(not(any(feature = "ring", feature = "aws-lc-rs")))]
fn ours() -> Option<Arc<CryptoProvider>> {
    None
}

const HTTP_1: &[u8] = b"http/1.1";
const HTTP_2: &[u8] = b"h2";

/// Trusts the certificate authorities that the program named, and those of the platform.
///
/// The platform's are asked second, and read when they are needed, which takes some milliseconds: a thread begins with it
/// while the connection is being made, unless what the program named may well do. Nothing is decided here: one of
/// two verifiers has to be content.
struct EitherVerifier {
    named: Option<Arc<WebPkiServerVerifier>>,
    platform: Arc<Platform>,
}

/// The platform's verifier, once somebody needs it.
struct Platform {
    provider: Arc<CryptoProvider>,
    verifier: OnceLock<std::result::Result<Verifier, rustls::Error>>,
}

impl Platform {
    fn verifier(&self) -> std::result::Result<&Verifier, rustls::Error> {
        let made = self.verifier.get_or_init(|| Verifier::new(Arc::clone(&self.provider)));
        made.as_ref().map_err(Clone::clone)
    }

    /// Makes it in a thread; where none can be had, the first handshake does it.
    fn begin(self: &Arc<Self>) {
        let platform = Arc::clone(self);
        _ = thread::Builder::new().name("keyvault-roots".into()).spawn(move || _ = platform.verifier());
    }
}

impl EitherVerifier {
    fn new(authorities: Vec<CertificateDer<'static>>, provider: Arc<CryptoProvider>) -> Result<Self> {
        let platform = Arc::new(Platform { provider: Arc::clone(&provider), verifier: OnceLock::new() });
        if authorities.is_empty() {
            return Ok(Self { named: None, platform });
        }
        let mut roots = RootCertStore::empty();
        for authority in authorities {
            roots.add(authority).map_err(|_| Error::invalid("certificate authority is no certificate"))?;
        }
        let named = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
        Ok(Self { named: Some(named.map_err(|_| Error::invalid("TLS could not be set up"))?), platform })
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
        if let Some(named) = &self.named
            && let Ok(verified) = named.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
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
