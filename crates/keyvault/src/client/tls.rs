//! TLS: which library does the arithmetic, and whose certificates are trusted.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::thread;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use rustls_platform_verifier::Verifier;

use crate::error::{Error, Result};

/// Makes the configuration that a client and its copies for other vaults share.
pub(crate) fn config(certificate_authorities: &[String], http1_only: bool) -> Result<ClientConfig> {
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
    let provider = provider().ok_or_else(|| Error::invalid("program has no provider of cryptography for TLS"))?;
    let verifier = Arc::new(LazyVerifier::new(authorities, Arc::clone(&provider)));
    // Where no thread can be had, the first handshake does it.
    let early = Arc::clone(&verifier);
    _ = thread::Builder::new().name("keyvault-roots".into()).spawn(move || _ = early.verifier());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| Error::invalid("TLS could not be set up"))?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    let protocols: &[&[u8]] = if http1_only { &[b"http/1.1"] } else { &[b"h2", b"http/1.1"] };
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    Ok(config)
}

/// Gives the provider that the program installed for the whole process, or one of ours.
///
/// `ring` is the usual one. aws-lc-rs, which has post-quantum key exchange, gathers entropy before its first handshake, for
/// 25 ms of the processor's time that nothing else can be done in: who wants it says so.
fn provider() -> Option<Arc<CryptoProvider>> {
    CryptoProvider::get_default().cloned().or_else(ours)
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

/// The platform's verifier, which reads the certificates that it trusts while the connection is being made.
///
/// That takes some milliseconds, and no handshake needs it before the server has answered. It judges everything itself:
/// here nothing is decided.
struct LazyVerifier {
    authorities: Vec<CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
    verifier: OnceLock<std::result::Result<Verifier, rustls::Error>>,
}

impl LazyVerifier {
    fn new(authorities: Vec<CertificateDer<'static>>, provider: Arc<CryptoProvider>) -> Self {
        Self { authorities, provider, verifier: OnceLock::new() }
    }

    fn verifier(&self) -> std::result::Result<&Verifier, rustls::Error> {
        let made = self.verifier.get_or_init(|| {
            let (authorities, provider) = (self.authorities.clone(), Arc::clone(&self.provider));
            if authorities.is_empty() {
                Verifier::new(provider)
            } else {
                Verifier::new_with_extra_roots(authorities, provider)
            }
        });
        made.as_ref().map_err(Clone::clone)
    }
}

impl ServerCertVerifier for LazyVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        self.verifier()?.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier()?.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier()?.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

impl fmt::Debug for LazyVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LazyVerifier").finish_non_exhaustive()
    }
}
