//! What a vault shows of a stored certificate.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::certificate_error::CertificateError;
use super::x509::X509;

/// The first certificate of a PEM text, in the encodings of the service.
#[derive(Debug)]
pub(crate) struct CertificateSummary {
    /// The certificate, in base64.
    pub(crate) cer: String,
    /// The SHA-1 of the certificate, in base64 for URLs.
    pub(crate) thumbprint: String,
    pub(crate) subject: String,
    pub(crate) dns_names: Vec<String>,
    /// The validity, in seconds since 1970.
    pub(crate) not_before: i64,
    pub(crate) expires: i64,
}

impl CertificateSummary {
    /// Reads the first certificate.
    pub(crate) fn of(pem: &str) -> Result<Self, CertificateError> {
        let der = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|_| CertificateError::Certificate)?;
        let X509 { subject, dns_names, not_before, expires, .. } = X509::parse(&der)?;
        let thumbprint = URL_SAFE_NO_PAD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, &der));
        Ok(Self { cer: STANDARD.encode(&der), thumbprint, subject, dns_names, not_before, expires })
    }
}
