//! A private key, in PKCS#8 whatever form it had.

use std::sync::Arc;

use der::asn1::ObjectIdentifier;
use der::{Tag, Tagged};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::SigningKey;

use super::der_reader::{FIELD_0, FIELD_1, children, encoded, explicit, octets, oid_of, sequence};
use super::der_writer::{BIT_STRING, Bytes, INTEGER, NULL, OCTET_STRING, SEQUENCE, element, explicit as field, oid};
use super::problem::Problem;
use super::x509::X509;

/// A private key in PKCS#8, version 1, without attributes.
pub(super) struct PrivateKey(Bytes);

impl PrivateKey {
    /// Reads a `PrivateKeyInfo`.
    pub(super) fn from_pkcs8(bytes: &[u8]) -> Result<Self, Problem> {
        let fields = sequence(bytes)?;
        let [version, algorithm, key, ..] = fields[..] else { return Err(Problem::DamagedContainer) };
        let algorithm = children(algorithm, Tag::Sequence)?;
        let (Tag::Integer, [kind, parameters @ ..]) = (version.tag(), &algorithm[..]) else {
            return Err(Problem::DamagedContainer);
        };
        let (kind, key) = (oid_of(*kind)?, octets(key)?);
        let parameters = match parameters {
            // Some tools leave out the parameters, which are always null.
            _ if kind == RSA => element(NULL, &[]),
            [] => Bytes::default(),
            [parameters] => encoded(*parameters)?,
            _ => return Err(Problem::DamagedContainer),
        };
        Ok(Self::new(&kind, &parameters, key))
    }

    /// Reads the form that PEM calls `RSA PRIVATE KEY`.
    pub(super) fn from_pkcs1(bytes: &[u8]) -> Result<Self, Problem> {
        sequence(bytes)?;
        Ok(Self::new(&RSA, &element(NULL, &[]), bytes))
    }

    /// Reads the form that PEM calls `EC PRIVATE KEY`. Some tools leave out the curve, or write it in another block.
    pub(super) fn from_sec1(bytes: &[u8]) -> Result<Self, Problem> {
        let curve = sequence(bytes)?.into_iter().find(|any| any.tag() == FIELD_0);
        let curve = curve.map(|curve| encoded(explicit(curve)?)).transpose()?;
        Ok(Self::new(&EC, &curve.unwrap_or_default(), bytes))
    }

    fn new(kind: &ObjectIdentifier, parameters: &[u8], key: &[u8]) -> Self {
        let algorithm = element(SEQUENCE, &[&oid(kind), parameters]);
        Self(element(SEQUENCE, &[&element(INTEGER, &[&[0]]), &algorithm, &element(OCTET_STRING, &[key])]))
    }

    /// Returns the key in PKCS#8.
    pub(super) fn pkcs8(&self) -> &[u8] {
        &self.0
    }

    /// Returns the key with a form that signs, for the owner of one of `certificates`.
    pub(super) fn loaded(
        self,
        certificates: &[X509],
        provider: &CryptoProvider,
    ) -> Result<(Self, Arc<dyn SigningKey>), Problem> {
        let as_it_is = self.load(provider);
        // Providers differ in whether they read a compressed public key; programs that get the key differ too.
        if as_it_is.is_err() || self.has_compressed_public_key() {
            let candidates = certificates.iter().filter_map(|certificate| self.completed(certificate));
            let mut loaded = candidates.filter_map(|key| key.load(provider).ok().map(|loaded| (key, loaded)));
            if let Some(completed) = loaded.next() {
                return Ok(completed);
            }
        }
        Ok((self, as_it_is?))
    }

    fn has_compressed_public_key(&self) -> bool {
        let fields = || {
            let [_, _, key] = sequence(&self.0).ok()?[..] else { return None };
            sequence(octets(key).ok()?).ok()
        };
        let mut public_keys = fields().into_iter().flatten().filter_map(|field| children(field, FIELD_1).ok());
        // The number of unused bits, and the form of the point.
        public_keys.any(|key| key.iter().any(|key| matches!(key.value(), [0, 2 | 3, ..])))
    }

    fn load(&self, provider: &CryptoProvider) -> Result<Arc<dyn SigningKey>, Problem> {
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.0.to_vec()));
        provider.key_provider.load_private_key(key).map_err(|_| Problem::UnsupportedKey)
    }

    /// Returns a copy of a key of an elliptic curve as providers require it, with the curve and the public key of
    /// `certificate`. `None` for other keys.
    ///
    /// Java writes no public key, some tools no curve or a compressed public key, and some the secret number without
    /// its first zeros, or with one more. A provider refuses a public key that is not that of the number.
    fn completed(&self, certificate: &X509) -> Option<Self> {
        let [_, algorithm, key] = sequence(&self.0).ok()?[..] else { return None };
        let [kind, ..] = children(algorithm, Tag::Sequence).ok()?[..] else { return None };
        let [certificate_kind, curve] = sequence(&certificate.public_key.algorithm).ok()?[..] else { return None };
        if [oid_of(kind).ok()?, oid_of(certificate_kind).ok()?] != [EC; 2] {
            return None;
        }
        let fields = sequence(octets(key).ok()?).ok()?;
        let [version, number, ..] = fields[..] else { return None };
        let number = octets(number).ok()?;
        let number = &number[number.iter().take_while(|byte| **byte == 0).count()..];
        // The public key is a byte and two numbers.
        let zeros = vec![0; (certificate.public_key.bits.len() / 2).checked_sub(number.len())?];
        let number = element(OCTET_STRING, &[&zeros, number]);
        let public_key = element(field(1), &[&element(BIT_STRING, &[&[0], &certificate.public_key.bits])]);
        let key = element(SEQUENCE, &[&encoded(version).ok()?, &number, &public_key]);
        Some(Self::new(&EC, &encoded(curve).ok()?, &key))
    }
}

const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
