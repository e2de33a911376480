//! What is behind a secret that a certificate made: its key and its chain.

use std::error::Error;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{CertificateParams, DnType, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use time::{Duration, OffsetDateTime};
use yasna::{ASN1Error, ASN1ErrorKind, BERReader, Tag};

use crate::pkcs12;

/// A key and its certificates, to back a secret as a certificate of the vault does.
///
/// The vault keeps it as PKCS#12 with an empty password, or as PEM; see
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
    /// Key first, then the chain, as the service writes it.
    pub(crate) pem: String,
    pub(crate) value: String,
    pub(crate) content_type: &'static str,
    pub(crate) not_before: i64,
    pub(crate) expires: i64,
}

impl Certificate {
    /// Makes a key and a certificate for a host name, good for a year from now.
    ///
    /// # Errors
    ///
    /// The name cannot stand in a certificate.
    pub fn self_signed(name: &str) -> Result<Self, CertificateError> {
        let mut params = CertificateParams::new([name.to_owned()]).map_err(|_| CertificateError::Name)?;
        params.distinguished_name.push(DnType::CommonName, name);
        params.not_before = OffsetDateTime::now_utc() - Duration::minutes(10);
        params.not_after = params.not_before + Duration::days(365);
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(|_| CertificateError::Key)?;
        let certificate = params.self_signed(&key).map_err(|_| CertificateError::Name)?;
        Self::from_pem(&format!("{}{}", key.serialize_pem(), certificate.pem()))
    }

    /// Takes a key in PKCS#8 (`BEGIN PRIVATE KEY`) and at least one certificate, the key's own first.
    ///
    /// # Errors
    ///
    /// One of the two is missing or cannot be read; what was read is not quoted.
    pub fn from_pem(pem: &str) -> Result<Self, CertificateError> {
        let key = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| CertificateError::Key)?;
        let chain = CertificateDer::pem_slice_iter(pem.as_bytes());
        let chain: Vec<Vec<u8>> = chain
            .map(|certificate| certificate.map(|der| der.to_vec()))
            .collect::<Result<_, _>>()
            .map_err(|_| CertificateError::Certificate)?;
        let own = chain.first().ok_or(CertificateError::Certificate)?;
        let (not_before, expires) = validity(own).map_err(|_| CertificateError::Certificate)?;

        let mut pem = block("PRIVATE KEY", key.secret_pkcs8_der());
        for certificate in &chain {
            pem.push_str(&block("CERTIFICATE", certificate));
        }
        let value = STANDARD.encode(pkcs12::write(key.secret_pkcs8_der(), &chain));
        Ok(Self { pem, value, content_type: PKCS12, not_before, expires })
    }

    /// Lets the vault keep it as PEM. Default: PKCS#12.
    pub fn as_pem(mut self) -> Self {
        self.value.clone_from(&self.pem);
        self.content_type = PEM;
        self
    }
}

/// Shows how it is kept, and no key.
impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate").field("content_type", &self.content_type).finish_non_exhaustive()
    }
}

/// Why a [`Certificate`] cannot be made.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum CertificateError {
    /// The name cannot stand in a certificate.
    Name,
    /// There is no private key in PKCS#8.
    Key,
    /// There is no certificate, or one that cannot be read.
    Certificate,
}

impl fmt::Display for CertificateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Name => "the name cannot stand in a certificate",
            Self::Key => "no private key in PKCS#8 (BEGIN PRIVATE KEY) was found",
            Self::Certificate => "no certificate (BEGIN CERTIFICATE) that can be read was found",
        })
    }
}

impl Error for CertificateError {}

/// Reads from when and until when a certificate is good, in seconds since 1970.
fn validity(certificate: &[u8]) -> Result<(i64, i64), ASN1Error> {
    yasna::parse_der(certificate, |reader| {
        reader.read_sequence(|certificate| {
            let found = certificate.next().read_sequence(|tbs| {
                tbs.read_optional(|version| version.read_tagged(Tag::context(0), |number| number.read_u8()))?;
                // Serial number, algorithm, issuer.
                for _ in 0..3 {
                    tbs.next().read_der()?;
                }
                let found = tbs.next().read_sequence(|times| Ok((moment(times.next())?, moment(times.next())?)))?;
                while tbs.read_optional(|rest| rest.read_der())?.is_some() {}
                Ok(found)
            })?;
            // Algorithm and signature.
            for _ in 0..2 {
                certificate.next().read_der()?;
            }
            Ok(found)
        })
    })
}

fn moment(reader: BERReader<'_, '_>) -> Result<i64, ASN1Error> {
    match reader.lookahead_tag()? {
        yasna::tags::TAG_UTCTIME => Ok(reader.read_utctime()?.datetime().unix_timestamp()),
        yasna::tags::TAG_GENERALIZEDTIME => Ok(reader.read_generalized_time()?.datetime().unix_timestamp()),
        _ => Err(ASN1Error::new(ASN1ErrorKind::Invalid)),
    }
}

fn block(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut pem = format!("-----BEGIN {label}-----\n");
    // Base64 is ASCII: every index is a boundary.
    for start in (0..text.len()).step_by(64) {
        pem.push_str(&text[start..text.len().min(start + 64)]);
        pem.push('\n');
    }
    pem.push_str(&format!("-----END {label}-----\n"));
    pem
}

/// The content type of PKCS#12, in base64.
pub(crate) const PKCS12: &str = "application/x-pkcs12";
/// The content type of PEM.
pub(crate) const PEM: &str = "application/x-pem-file";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_from_the_certificate() {
        let certificate = Certificate::self_signed("app.example").unwrap();
        let now = OffsetDateTime::now_utc().unix_timestamp();
        assert!((now - 700..=now).contains(&certificate.not_before), "{certificate:?}");
        assert_eq!(certificate.expires - certificate.not_before, 365 * 86_400);
    }

    #[test]
    fn a_pem_is_written_key_first_whatever_came_first() {
        let made = Certificate::self_signed("app.example").unwrap().as_pem();
        let (key, certificate) = made.pem.split_at(made.pem.find("-----BEGIN CERTIFICATE").unwrap());
        let turned = Certificate::from_pem(&format!("{certificate}{key}")).unwrap().as_pem();
        assert_eq!(turned.value, made.value);
        assert_eq!(Certificate::from_pem(key).unwrap_err(), CertificateError::Certificate);
        assert_eq!(Certificate::from_pem(certificate).unwrap_err(), CertificateError::Key);
        assert!(!format!("{made:?}").contains("BEGIN"));
    }
}
