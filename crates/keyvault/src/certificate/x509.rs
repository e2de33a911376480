//! One X.509 certificate, parsed.

use std::net::IpAddr;
use std::time::SystemTime;

use der::asn1::AnyRef;
use der::{Decode, Encode};
use rustls::crypto::WebPkiSupportedAlgorithms;
use x509_cert::certificate::{CertificateInner, Raw, TbsCertificateInner};
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{AuthorityKeyIdentifier, SubjectAltName, SubjectKeyIdentifier};

use super::der_reader::{encoded, sequence};
use super::problem::Problem;

/// The parts of a certificate that this crate uses. It holds nothing secret.
pub(super) struct X509 {
    pub(super) der: Vec<u8>,
    pub(super) subject: Name,
    issuer: Name,
    pub(super) not_before: SystemTime,
    pub(super) expires: SystemTime,
    pub(super) dns_names: Vec<String>,
    pub(super) ip_addresses: Vec<IpAddr>,
    pub(super) public_key: PublicKey,
    subject_key: Option<Vec<u8>>,
    authority_key: Option<Vec<u8>>,
}

/// A public key.
pub(super) struct PublicKey {
    /// The `AlgorithmIdentifier`, in DER.
    pub(super) algorithm: Vec<u8>,
    pub(super) bits: Vec<u8>,
}

impl PublicKey {
    /// Returns whether this public key of a certificate is that of a private key. Some tools leave out the parameters
    /// of RSA, which are always NULL.
    pub(super) fn is(&self, key: &Self) -> bool {
        let is_of_algorithm = self.algorithm == key.algorithm
            || self.algorithm == RSA_WITHOUT_PARAMETERS && key.algorithm.ends_with(&RSA_WITH_NULL);
        self.bits == key.bits && is_of_algorithm
    }
}

/// `rsaEncryption` alone in a sequence, and with NULL.
const RSA_WITHOUT_PARAMETERS: [u8; 13] = *b"\x30\x0b\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01";
const RSA_WITH_NULL: [u8; 13] = *b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00";

/// The name of a certificate's subject or issuer.
pub(super) struct Name {
    der: Vec<u8>,
    /// As [RFC 4514](https://www.rfc-editor.org/rfc/rfc4514) writes it: `CN=app.example,O=Contoso`.
    pub(super) text: String,
    pub(super) common_name: Option<String>,
}

impl X509 {
    pub(super) fn parse(der: &[u8]) -> Result<Self, Problem> {
        Self::read(der).map_err(|_| Problem::Unparsable)
    }

    fn read(der: &[u8]) -> der::Result<Self> {
        // The profile `Raw` takes the serial numbers that old authorities issued.
        let certificate = CertificateInner::<Raw>::from_der(der)?;
        let certificate = certificate.tbs_certificate();
        let key = certificate.subject_public_key_info();
        let (mut dns_names, mut ip_addresses) = (Vec::new(), Vec::new());
        for name in extension::<SubjectAltName>(certificate).map(|names| names.0).unwrap_or_default() {
            match name {
                GeneralName::DnsName(name) => dns_names.push(name.as_str().to_owned()),
                GeneralName::IpAddress(address) => ip_addresses.extend(ip_address(address.as_bytes())),
                _ => {}
            }
        }
        let authority_key = extension::<AuthorityKeyIdentifier>(certificate).and_then(|key| key.key_identifier);
        Ok(Self {
            subject: Name::of(certificate.subject())?,
            issuer: Name::of(certificate.issuer())?,
            not_before: certificate.validity().not_before.to_system_time(),
            expires: certificate.validity().not_after.to_system_time(),
            dns_names,
            ip_addresses,
            public_key: PublicKey {
                algorithm: key.algorithm.to_der()?,
                bits: key.subject_public_key.raw_bytes().to_vec(),
            },
            subject_key: extension::<SubjectKeyIdentifier>(certificate).map(|key| key.0.as_bytes().to_vec()),
            authority_key: authority_key.map(|key| key.as_bytes().to_vec()),
            der: der.to_vec(),
        })
    }

    /// Returns whether `issuer` may have issued this certificate, by its name and its key identifier.
    pub(super) fn may_be_issued_by(&self, issuer: &Self) -> bool {
        let same_key = match (&self.authority_key, &issuer.subject_key) {
            (Some(authority), Some(key)) => authority == key,
            _ => true,
        };
        self.issuer.der == issuer.subject.der && same_key
    }

    /// Returns whether `issuer` may have issued this certificate although its name or its key identifier differs: some
    /// authorities encode their name in two ways, or have a wrong identifier.
    pub(super) fn resembles_subject_of(&self, issuer: &Self) -> bool {
        let same_key = self.authority_key.is_some() && self.authority_key == issuer.subject_key;
        self.issuer.text == issuer.subject.text || same_key
    }

    /// Returns whether the key of `issuer` made the signature of this certificate. `false` if none of `algorithms` can
    /// verify it.
    pub(super) fn is_signed_by(&self, issuer: &Self, algorithms: &WebPkiSupportedAlgorithms) -> bool {
        let Ok(fields) = sequence(&self.der) else { return false };
        let [content, algorithm, signature] = fields[..] else { return false };
        let (Ok(content), Ok(key_algorithm)) = (encoded(content), AnyRef::from_der(&issuer.public_key.algorithm))
        else {
            return false;
        };
        // The first byte of a bit string is the number of unused bits.
        let Some((_, signature)) = signature.value().split_first() else { return false };
        algorithms.all.iter().any(|it| {
            *it.signature_alg_id() == *algorithm.value()
                && *it.public_key_alg_id() == *key_algorithm.value()
                && it.verify_signature(&issuer.public_key.bits, &content, signature).is_ok()
        })
    }
}

impl Name {
    fn of(name: &x509_cert::name::Name) -> der::Result<Self> {
        let common_name = name.common_name().ok().flatten().map(|name| name.value().into_owned());
        Ok(Self { der: name.to_der()?, text: name.to_string(), common_name })
    }
}

/// Returns an extension; `None` if it is missing or malformed.
fn extension<'a, T>(certificate: &'a TbsCertificateInner<Raw>) -> Option<T>
where
    T: Decode<'a> + der::oid::AssociatedOid,
{
    certificate.get_extension::<T>().ok().flatten().map(|(_, extension)| extension)
}

fn ip_address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}
