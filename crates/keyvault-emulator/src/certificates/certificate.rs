//! A certificate behind a secret: its key and its chain.

use std::error::Error;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{CertificateParams, DnType, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use time::{Duration, OffsetDateTime};
use yasna::{ASN1Error, ASN1ErrorKind, BERReader, Tag};

use super::pkcs12;

/// A private key and its certificate chain, stored as a secret the way the vault stores its certificates.
///
/// The vault stores it as PKCS#12 with an empty password, or as PEM; see
/// [about certificates](https://learn.microsoft.com/azure/key-vault/certificates/about-certificates).
///
/// ```
/// use keyvault_emulator::{Certificate, SetSecret};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let secret = SetSecret::certificate(Certificate::self_signed("app.example")?);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use]
pub struct Certificate {
    /// The key, then the chain, in the order of the service.
    pub(crate) pem: String,
    pub(crate) value: String,
    pub(crate) content_type: &'static str,
    pub(crate) not_before: i64,
    pub(crate) expires: i64,
}

impl Certificate {
    /// Creates a key and a self-signed certificate for a host name, valid for one year.
    ///
    /// # Errors
    ///
    /// The name is not a valid host name.
    pub fn self_signed(name: &str) -> Result<Self, CertificateError> {
        let mut params = CertificateParams::new([name.to_owned()]).map_err(|_| CertificateError::Name)?;
        params.distinguished_name.push(DnType::CommonName, name);
        params.not_before = OffsetDateTime::now_utc() - Duration::minutes(10);
        params.not_after = params.not_before + Duration::days(365);
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(|_| CertificateError::Key)?;
        let certificate = params.self_signed(&key).map_err(|_| CertificateError::Name)?;
        Self::from_pem(&format!("{}{}", key.serialize_pem(), certificate.pem()))
    }

    /// Reads a key in PKCS#8 (`BEGIN PRIVATE KEY`) and at least one certificate, the key's own first.
    ///
    /// # Errors
    ///
    /// The key or the certificate is missing or cannot be parsed. The error never quotes the input.
    pub fn from_pem(pem: &str) -> Result<Self, CertificateError> {
        let key = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| CertificateError::Key)?;
        let chain = CertificateDer::pem_slice_iter(pem.as_bytes());
        let chain: Vec<Vec<u8>> = chain
            .map(|certificate| certificate.map(|der| der.to_vec()))
            .collect::<Result<_, _>>()
            .map_err(|_| CertificateError::Certificate)?;
        let own = chain.first().ok_or(CertificateError::Certificate)?;
        let (not_before, expires) = validity(own).map_err(|_| CertificateError::Certificate)?;

        let mut pem = pem_block("PRIVATE KEY", key.secret_pkcs8_der());
        for certificate in &chain {
            pem.push_str(&pem_block("CERTIFICATE", certificate));
        }
        let value = STANDARD.encode(pkcs12::encode(key.secret_pkcs8_der(), &chain));
        Ok(Self { pem, value, content_type: PKCS12, not_before, expires })
    }

    /// Stores the certificate as PEM. Default: PKCS#12.
    pub fn as_pem(mut self) -> Self {
        self.value.clone_from(&self.pem);
        self.content_type = PEM;
        self
    }
}

/// Shows the content type and never the key.
impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate").field("content_type", &self.content_type).finish_non_exhaustive()
    }
}

/// The reason why a [`Certificate`] cannot be created.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum CertificateError {
    /// The name is not a valid host name.
    Name,
    /// The private key in PKCS#8 is missing or cannot be parsed.
    Key,
    /// The certificate is missing or cannot be parsed.
    Certificate,
}

impl fmt::Display for CertificateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Name => "the name is not a valid host name",
            Self::Key => "the private key in PKCS#8 (BEGIN PRIVATE KEY) is missing or cannot be parsed",
            Self::Certificate => "the certificate (BEGIN CERTIFICATE) is missing or cannot be parsed",
        })
    }
}

impl Error for CertificateError {}

/// Returns the start and end of a certificate's validity, in seconds since 1970.
fn validity(certificate: &[u8]) -> Result<(i64, i64), ASN1Error> {
    yasna::parse_der(certificate, |reader| {
        reader.read_sequence(|certificate| {
            let validity = certificate.next().read_sequence(|tbs| {
                tbs.read_optional(|version| version.read_tagged(Tag::context(0), |number| number.read_u8()))?;
                // Serial number, algorithm, issuer.
                for _ in 0..3 {
                    tbs.next().read_der()?;
                }
                let validity =
                    tbs.next().read_sequence(|times| Ok((timestamp(times.next())?, timestamp(times.next())?)))?;
                while tbs.read_optional(|rest| rest.read_der())?.is_some() {}
                Ok(validity)
            })?;
            // Algorithm and signature.
            for _ in 0..2 {
                certificate.next().read_der()?;
            }
            Ok(validity)
        })
    })
}

fn timestamp(reader: BERReader<'_, '_>) -> Result<i64, ASN1Error> {
    match reader.lookahead_tag()? {
        yasna::tags::TAG_UTCTIME => Ok(reader.read_utctime()?.datetime().unix_timestamp()),
        yasna::tags::TAG_GENERALIZEDTIME => Ok(reader.read_generalized_time()?.datetime().unix_timestamp()),
        _ => Err(ASN1Error::new(ASN1ErrorKind::Invalid)),
    }
}

fn pem_block(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut pem = format!("-----BEGIN {label}-----\n");
    // Base64 is ASCII, so every index is a character boundary.
    for start in (0..text.len()).step_by(64) {
        pem.push_str(&text[start..text.len().min(start + 64)]);
        pem.push('\n');
    }
    pem.push_str(&format!("-----END {label}-----\n"));
    pem
}

/// The content type of a PKCS#12 value, which is base64.
pub(crate) const PKCS12: &str = "application/x-pkcs12";
/// The content type of a PEM value.
pub(crate) const PEM: &str = "application/x-pem-file";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn validity_is_read_from_the_certificate() {
        let certificate = Certificate::self_signed("app.example").unwrap();
        let now = OffsetDateTime::now_utc().unix_timestamp();
        assert!((now - 700..=now).contains(&certificate.not_before), "{certificate:?}");
        assert_eq!(certificate.expires - certificate.not_before, 365 * 86_400);
    }

    #[test]
    fn pem_output_starts_with_the_key_in_any_input_order() {
        let original = Certificate::self_signed("app.example").unwrap().as_pem();
        let (key, certificate) = original.pem.split_at(original.pem.find("-----BEGIN CERTIFICATE").unwrap());
        let reordered = Certificate::from_pem(&format!("{certificate}{key}")).unwrap().as_pem();
        assert_eq!(reordered.value, original.value);
        assert_eq!(Certificate::from_pem(key).unwrap_err(), CertificateError::Certificate);
        assert_eq!(Certificate::from_pem(certificate).unwrap_err(), CertificateError::Key);
        assert!(!format!("{original:?}").contains("BEGIN"));
    }
}
