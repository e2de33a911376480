//! A certificate behind a secret: its key and its chain.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{CertificateParams, DnType, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use time::{Duration, OffsetDateTime};

use super::certificate_error::CertificateError;
use super::hash_budget::{HashBudget, MAX_HASHES};
use super::private_key::PrivateKey;
use super::x509::X509;
use super::{pem_block, pkcs12, pkcs12_reader};

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
    key: PrivateKey,
    /// The certificates in DER, the key's own first.
    chain: Vec<Vec<u8>>,
    is_exportable: bool,
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
        Self::new(PrivateKey::from_der(key.serialize_der()), vec![certificate.der().to_vec()])
    }

    /// Reads a key in PKCS#8 (`BEGIN PRIVATE KEY`) and at least one certificate, the key's own first.
    ///
    /// # Errors
    ///
    /// The key or the certificate is missing or cannot be parsed. The error never quotes the input.
    pub fn from_pem(pem: &str) -> Result<Self, CertificateError> {
        let key = PrivateKey::from_pem(pem)?;
        Self::new(key, certificates_in(pem)?)
    }

    /// Reads what a client imports: like [`from_pem`](Self::from_pem) with the certificates in any order.
    pub(crate) fn import_pem(pem: &str) -> Result<Self, &'static str> {
        let key = PrivateKey::from_pem(pem).map_err(|_| DAMAGED_PEM)?;
        Self::import(key, certificates_in(pem).map_err(|_| DAMAGED_PEM)?)
    }

    /// Reads what a client imports: a PKCS#12 container.
    pub(crate) fn import_pkcs12(container: &[u8], password: &str) -> Result<Self, &'static str> {
        let contents = pkcs12_reader::read(container, password, HashBudget::of(MAX_HASHES)).ok_or(DAMAGED_PKCS12)?;
        let [key] = <[Vec<u8>; 1]>::try_from(contents.keys).map_err(|_| "The PKCS#12 content has no single key.")?;
        Self::import(PrivateKey::from_der(key), contents.certificates)
    }

    /// Creates a certificate from a key that can sign and its chain in any order.
    pub(crate) fn import(key: PrivateKey, mut chain: Vec<Vec<u8>>) -> Result<Self, &'static str> {
        key.kind().map_err(|_| UNSUPPORTED_KEY)?;
        let public_key = key.public_key().map_err(|_| UNSUPPORTED_KEY)?;
        let is_own = |der: &Vec<u8>| X509::parse(der).is_ok_and(|certificate| certificate.public_key == public_key);
        let own = chain.iter().position(is_own).ok_or("No certificate has the public key of the private key.")?;
        let own = chain.remove(own);
        chain.insert(0, own);
        Self::new(key, chain).map_err(|_| DAMAGED_PEM)
    }

    /// Creates a certificate from a key and its chain in DER, the key's own certificate first.
    pub(crate) fn new(key: PrivateKey, chain: Vec<Vec<u8>>) -> Result<Self, CertificateError> {
        let X509 { not_before, expires, .. } = X509::parse(chain.first().ok_or(CertificateError::Certificate)?)?;
        Ok(Self { key, chain, is_exportable: true, content_type: PKCS12, not_before, expires })
    }

    /// Stores the certificate as PEM. Default: PKCS#12.
    pub fn as_pem(mut self) -> Self {
        self.content_type = PEM;
        self
    }

    /// Stores the certificate as [`PKCS12`] or [`PEM`].
    pub(crate) fn stored_as(mut self, content_type: &'static str) -> Self {
        self.content_type = content_type;
        self
    }

    /// Leaves the key out of the secret.
    pub(crate) fn not_exportable(mut self) -> Self {
        self.is_exportable = false;
        self
    }

    /// Returns the key if the secret does not contain it.
    pub(crate) fn hidden_key(&self) -> Option<&PrivateKey> {
        (!self.is_exportable).then_some(&self.key)
    }

    /// Returns the key, unless it is not exportable, then the chain, in the order of the service.
    pub(crate) fn pem(&self) -> String {
        let key = self.is_exportable.then(|| self.key.pem());
        let chain = self.chain.iter().map(|certificate| pem_block::encode("CERTIFICATE", certificate));
        key.into_iter().chain(chain).collect()
    }

    /// Returns the value of the secret.
    pub(crate) fn value(&self) -> String {
        if self.content_type == PEM {
            return self.pem();
        }
        STANDARD.encode(pkcs12::encode(self.is_exportable.then(|| self.key.der()), &self.chain))
    }
}

/// Reads the certificates in PEM.
fn certificates_in(pem: &str) -> Result<Vec<Vec<u8>>, CertificateError> {
    let chain = CertificateDer::pem_slice_iter(pem.as_bytes());
    chain
        .map(|certificate| certificate.map(|der| der.to_vec()))
        .collect::<Result<_, _>>()
        .map_err(|_| CertificateError::Certificate)
}

/// Shows the content type and never the key.
impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate").field("content_type", &self.content_type).finish_non_exhaustive()
    }
}

/// The content type of a PKCS#12 value, which is base64.
pub(crate) const PKCS12: &str = "application/x-pkcs12";
/// The content type of a PEM value.
pub(crate) const PEM: &str = "application/x-pem-file";

const DAMAGED_PEM: &str = "The specified PEM X.509 certificate content is in an unexpected format. Please check if \
                           certificate is in valid PEM format.";
const DAMAGED_PKCS12: &str = "The specified PKCS#12 X.509 certificate content can not be read. Please check if \
                              certificate is in valid PKCS#12 format and the password is right.";
const UNSUPPORTED_KEY: &str = "The emulator supports keys of the kinds RSA, P-256 and P-384.";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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
        let pem = original.value();
        let (key, certificate) = pem.split_at(pem.find("-----BEGIN CERTIFICATE").unwrap());
        let reordered = Certificate::from_pem(&format!("{certificate}{key}")).unwrap().as_pem();
        assert_eq!(reordered.value(), pem);
        assert_eq!(Certificate::from_pem(key).unwrap_err(), CertificateError::Certificate);
        assert_eq!(Certificate::from_pem(certificate).unwrap_err(), CertificateError::Key);
        assert!(!format!("{original:?}").contains("BEGIN"));
    }

    proptest! {
        #[test]
        fn no_container_makes_the_reader_panic(
            prefix in prop::sample::select(vec![&[][..], &[0x30, 0x80, 2, 1, 3, 0x30, 0x80, 6, 9], &[0x30, 0x88]]),
            bytes in prop::collection::vec(any::<u8>(), 0..64),
        ) {
            let container = [prefix, &bytes].concat();
            let _ = pkcs12_reader::read(&container, "", HashBudget::of(MAX_HASHES));
            let _ = X509::parse(&container);
        }
    }
}
