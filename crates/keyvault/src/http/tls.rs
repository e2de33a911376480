//! TLS: the trusted certificates and the protocols.

use std::sync::{Arc, LazyLock};
use std::thread;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_platform_verifier::Verifier;

use crate::cryptography;
use crate::error::{Error, Result};

/// Creates the configuration that a client shares with its copies for other vaults.
pub(super) fn config(certificate_authorities: &[String], http1_only: bool) -> Result<ClientConfig> {
    let provider = provider()?;
    let verifier = EitherVerifier::new(parse(certificate_authorities)?, &provider)?;
    if verifier.custom.is_none() {
        let platform = Arc::clone(&verifier.platform);
        // If no thread can be started, the first handshake creates the verifier.
        _ = thread::Builder::new().name("keyvault-roots".into()).spawn(move || _ = LazyLock::force(&platform));
    }
    let protocols: &[&[u8]] = if http1_only { &[HTTP_1] } else { &[HTTP_2, HTTP_1] };
    client_config(provider, verifier, protocols)
}

/// Creates the configuration for credentials, which send few requests, most of them without TLS.
#[cfg(feature = "identity")]
pub(crate) fn config_for_tokens() -> Result<ClientConfig> {
    let provider = provider()?;
    let verifier = EitherVerifier::new(Vec::new(), &provider)?;
    client_config(provider, verifier, &[HTTP_1])
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

fn client_config(provider: Arc<CryptoProvider>, verifier: EitherVerifier, protocols: &[&[u8]]) -> Result<ClientConfig> {
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| Error::invalid("TLS cannot be set up"))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    Ok(config)
}

fn provider() -> Result<Arc<CryptoProvider>> {
    cryptography::provider().ok_or_else(|| Error::invalid("no cryptography provider for TLS is installed"))
}

const HTTP_1: &[u8] = b"http/1.1";
const HTTP_2: &[u8] = b"h2";

/// A verifier that trusts the certificate authorities that the program added, and those of the platform.
///
/// It accepts a certificate if one of two verifiers does, and decides nothing itself. The platform's comes second.
/// Loading its certificates takes some milliseconds, so a thread does it while the connection opens, unless the program
/// added certificate authorities that may suffice.
#[derive(Debug)]
struct EitherVerifier {
    custom: Option<Arc<WebPkiServerVerifier>>,
    platform: Arc<PlatformVerifier>,
    algorithms: WebPkiSupportedAlgorithms,
}

/// The platform's verifier, created when it is first used.
type PlatformVerifier = LazyLock<Verified<Verifier>, Box<dyn FnOnce() -> Verified<Verifier> + Send>>;

type Verified<T> = std::result::Result<T, rustls::Error>;

impl EitherVerifier {
    fn new(authorities: Vec<CertificateDer<'static>>, provider: &Arc<CryptoProvider>) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        for authority in authorities {
            roots.add(authority).map_err(|_| Error::invalid("CA certificate cannot be parsed"))?;
        }
        let custom = if roots.is_empty() {
            None
        } else {
            let custom = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider)).build();
            Some(custom.map_err(|_| Error::invalid("TLS cannot be set up"))?)
        };
        let algorithms = provider.signature_verification_algorithms;
        let provider = Arc::clone(provider);
        let platform = Arc::new(PlatformVerifier::new(Box::new(move || Verifier::new(provider))));
        Ok(Self { custom, platform, algorithms })
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
    ) -> Verified<ServerCertVerified> {
        if let Some(custom) = &self.custom
            && let Ok(verified) = custom.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
        {
            return Ok(verified);
        }
        let platform = self.platform.as_ref().as_ref().map_err(Clone::clone)?;
        platform.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Verified<HandshakeSignatureValid> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Verified<HandshakeSignatureValid> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
