//! A certificate with its private key.

use std::fmt;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::{CertifiedKey, SigningKey};
use serde::de::{Deserialize, Deserializer, Error as _, IgnoredAny, MapAccess, Unexpected, Visitor};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::chain::{Chains, Rank};
use super::key_proof::KeyProof;
use super::password::Budget;
use super::private_key::PrivateKey;
use super::problem::Problem;
use super::x509::X509;
use super::{form, pem, pkcs12_writer};
use crate::cryptography::provider;
use crate::error::Result;
use crate::secret::Secret;

/// A private key with its certificate and the chain of its issuers.
///
/// `Clone` is cheap. `Debug` shows the subject and the thumbprint. The private key belongs to the leaf, and rustls can
/// use it. An expired certificate is read like any other: see [`check_dates`](Certificate::check_dates).
///
/// As the type of a setting, it takes any [form](crate::certificate) that a vault has, by name and by reference.
///
/// # Examples
///
/// ```
/// use keyvault::certificate::Certificate;
///
/// #[derive(serde::Deserialize)]
/// struct Settings {
///     tls: Certificate,
/// }
/// ```
#[derive(Clone)]
pub struct Certificate(Arc<Inner>);

struct Inner {
    key: PrivateKey,
    /// The leaf, then its issuers, with the key for rustls.
    certified: Arc<CertifiedKey>,
    subject: String,
    common_name: Option<String>,
    dns_names: Vec<String>,
    ip_addresses: Vec<IpAddr>,
    not_before: SystemTime,
    expires: SystemTime,
    chain_expires: SystemTime,
    thumbprint: String,
    thumbprint_sha256: String,
}

impl Certificate {
    /// Reads the value of a secret, of a certificate in the vault or of any other.
    ///
    /// # Errors
    ///
    /// [`InvalidSettings`](crate::ErrorKind::InvalidSettings), about the secret: see
    /// [`from_bytes`](Certificate::from_bytes).
    pub fn from_secret(secret: &Secret) -> Result<Self> {
        Self::from_bytes(secret.expose_secret()).map_err(|error| error.about(secret.id()))
    }

    /// Reads a certificate in any [form](crate::certificate), without a password or with one beside it in JSON.
    ///
    /// # Errors
    ///
    /// [`InvalidSettings`](crate::ErrorKind::InvalidSettings) without any part of the input: it is no certificate, is
    /// damaged or larger than 1 MiB, has a password, has no private key or one that is not the certificate's, or the
    /// key's kind is not supported.
    pub fn from_bytes(bytes: impl AsRef<[u8]>) -> Result<Self> {
        Ok(Self::read(bytes.as_ref(), "", &Budget::new())?)
    }

    /// Reads a certificate that is encrypted with `password`.
    ///
    /// # Errors
    ///
    /// As [`from_bytes`](Certificate::from_bytes).
    pub fn from_bytes_with_password(bytes: impl AsRef<[u8]>, password: &str) -> Result<Self> {
        Ok(Self::read(bytes.as_ref(), password, &Budget::new())?)
    }

    /// Reads the value of a secret that may be no certificate, for one that costs little to read: a load does this for
    /// each of its secrets. `None` for all others.
    pub(crate) fn read_cheaply(secret: &Secret) -> Option<Self> {
        Self::read(secret.expose_secret().as_bytes(), "", &Budget::little()).ok()
    }

    fn read(bytes: &[u8], password: &str, budget: &Budget) -> Result<Self, Problem> {
        let contents = form::read(bytes, password, budget)?;
        let provider = provider().ok_or(Problem::NoProvider)?;
        let missing = match (contents.keys.is_empty(), contents.certificates.is_empty()) {
            (true, true) => Some(Problem::NotACertificate),
            (true, false) => Some(Problem::NoKey),
            (false, true) => Some(Problem::NoCertificate),
            (false, false) => None,
        };
        if let Some(missing) = missing {
            return Err(contents.problem.unwrap_or(missing));
        }
        let algorithms = &provider.signature_verification_algorithms;
        let chains = Chains::new(&contents.certificates, algorithms, budget);
        let mut problem = contents.problem.unwrap_or(Problem::ForeignKey);
        let mut best: Option<(Rank, usize, PrivateKey, Arc<dyn SigningKey>)> = None;
        for key in contents.keys {
            match key.loaded(&contents.certificates, &provider) {
                Ok((key, signing_key)) => {
                    let proof = KeyProof::of(&*signing_key, algorithms);
                    let is_own =
                        |public_key: &_| proof.as_ref().is_some_and(|it| it.is_of(public_key, algorithms, budget));
                    if let Some((rank, leaf)) = chains.leaf(is_own)
                        && best.as_ref().is_none_or(|(best, ..)| rank > *best)
                    {
                        best = Some((rank, leaf, key, signing_key));
                    }
                }
                Err(unusable) => problem = unusable,
            }
        }
        let (_, leaf, key, signing_key) = best.ok_or(problem)?;
        let (chain, is_complete) = chains.chain(leaf);
        // The damaged part may be an issuer, without which clients refuse the certificate.
        if contents.is_damaged && !is_complete {
            return Err(Problem::Unparsable);
        }
        Ok(Self(Arc::new(Inner::new(key, signing_key, &chain, is_complete))))
    }
}

impl Certificate {
    /// Returns the distinguished name of the subject: `CN=app.example,O=Contoso`.
    pub fn subject(&self) -> &str {
        &self.0.subject
    }

    /// Returns the common name of the subject; `None` if it has none.
    pub fn common_name(&self) -> Option<&str> {
        self.0.common_name.as_deref()
    }

    /// Returns the DNS names among the alternative names of the subject, with wildcards as they are:
    /// `*.app.example`.
    pub fn dns_names(&self) -> &[String] {
        &self.0.dns_names
    }

    /// Returns the IP addresses among the alternative names of the subject.
    pub fn ip_addresses(&self) -> &[IpAddr] {
        &self.0.ip_addresses
    }

    /// Returns the SHA-1 of the leaf as Azure prints it: 40 hexadecimal digits in capitals.
    pub fn thumbprint(&self) -> &str {
        &self.0.thumbprint
    }

    /// Returns the SHA-256 of the leaf: 64 hexadecimal digits in capitals.
    pub fn thumbprint_sha256(&self) -> &str {
        &self.0.thumbprint_sha256
    }

    /// Returns when the leaf becomes valid.
    pub fn not_before(&self) -> SystemTime {
        self.0.not_before
    }

    /// Returns when the leaf expires.
    pub fn expires(&self) -> SystemTime {
        self.0.expires
    }

    /// Returns when the first certificate that clients need expires: the leaf, or an issuer that is not the root.
    pub fn chain_expires(&self) -> SystemTime {
        self.0.chain_expires
    }

    /// Checks that the leaf is valid at `time`, such as `SystemTime::now()`.
    ///
    /// # Errors
    ///
    /// [`InvalidSettings`](crate::ErrorKind::InvalidSettings) if it is not valid yet, or has expired.
    pub fn check_dates(&self, time: SystemTime) -> Result<()> {
        if time < self.0.not_before {
            return Err(Problem::NotYetValid.into());
        }
        if time > self.0.expires {
            return Err(Problem::Expired.into());
        }
        Ok(())
    }

    /// Returns whether the leaf is for the host `name`, by its DNS names or, without any, by its common name. A
    /// wildcard stands for one label.
    pub fn is_for(&self, name: &str) -> bool {
        let name = &name.trim_end_matches('.').to_ascii_lowercase();
        let parent = name.split_once('.').map(|(_, parent)| parent).filter(|parent| parent.contains('.'));
        let is_in = |wildcard: &str| parent.is_some_and(|parent| wildcard.strip_prefix("*.") == Some(parent));
        self.is_named(name) || self.names().any(|known| is_in(&known.to_ascii_lowercase()))
    }

    /// Returns whether the leaf has `name` itself, and not only a wildcard for it.
    pub(super) fn is_named(&self, name: &str) -> bool {
        self.names().any(|known| known.eq_ignore_ascii_case(name))
    }

    /// Returns the DNS names, or else the common name.
    fn names(&self) -> impl Iterator<Item = &str> {
        let common_name = self.common_name().filter(|_| self.0.dns_names.is_empty());
        self.0.dns_names.iter().map(String::as_str).chain(common_name)
    }

    /// Returns the private key as PEM, in PKCS#8.
    pub fn key_pem(&self) -> Zeroizing<String> {
        pem::block("PRIVATE KEY", self.0.key.pkcs8())
    }

    /// Returns the leaf and its issuers as PEM, in this order.
    pub fn chain_pem(&self) -> String {
        self.rustls_chain().iter().map(|der| pem::block("CERTIFICATE", der).to_string()).collect()
    }

    /// Returns the private key and then the chain as PEM, for `reqwest::Identity::from_pem` and files.
    pub fn pem(&self) -> Zeroizing<String> {
        let (key, chain) = (self.key_pem(), self.chain_pem());
        let mut pem = Zeroizing::new(String::with_capacity(key.len() + chain.len()));
        pem.extend([key.as_str(), &chain]);
        pem
    }

    /// Returns the private key and the chain as PKCS#12 in DER, with an empty password, for tools that take no PEM:
    /// Java, .NET, Windows.
    ///
    /// The same certificate always has the same bytes.
    pub fn pfx(&self) -> Zeroizing<Vec<u8>> {
        let chain: Vec<&[u8]> = self.rustls_chain().iter().map(|der| der.as_ref()).collect();
        pkcs12_writer::encode(self.0.key.pkcs8(), &chain)
    }

    /// Returns the leaf and its issuers for rustls, in this order.
    pub fn rustls_chain(&self) -> &[CertificateDer<'static>] {
        &self.0.certified.cert
    }

    /// Returns a copy of the private key for rustls. rustls does not wipe it.
    pub fn rustls_key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.0.key.pkcs8().to_vec()))
    }

    /// Returns the key and the chain, ready for handshakes of rustls, with the provider that the program installed or
    /// the one of the features of this crate.
    pub fn certified_key(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.0.certified)
    }
}

impl Inner {
    /// Creates it from a chain, whose last certificate is the root if it is complete.
    fn new(key: PrivateKey, signing_key: Arc<dyn SigningKey>, chain: &[&X509], is_complete: bool) -> Self {
        let leaf = chain[0];
        // Clients have the root themselves, whatever its dates are.
        let needed = &chain[..chain.len() - usize::from(is_complete)];
        let ders: Vec<_> = chain.iter().map(|it| CertificateDer::from(it.der.clone())).collect();
        Self {
            key,
            certified: Arc::new(CertifiedKey::new(ders, signing_key)),
            subject: leaf.subject.text.clone(),
            common_name: leaf.subject.common_name.clone(),
            dns_names: leaf.dns_names.clone(),
            ip_addresses: leaf.ip_addresses.clone(),
            not_before: leaf.not_before,
            expires: leaf.expires,
            chain_expires: needed.iter().map(|it| it.expires).fold(leaf.expires, SystemTime::min),
            thumbprint: hex(&Sha1::digest(&leaf.der)),
            thumbprint_sha256: hex(&Sha256::digest(&leaf.der)),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string does not fail.
        _ = write!(text, "{byte:02X}");
        text
    })
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("subject", &self.0.subject)
            .field("thumbprint", &self.0.thumbprint)
            .finish_non_exhaustive()
    }
}

impl<'de> Deserialize<'de> for Certificate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(CertificateVisitor)
    }
}

/// Takes text in any form. A name map that opens JSON makes a table of the form with `data` and `password`.
struct CertificateVisitor;

impl<'de> Visitor<'de> for CertificateVisitor {
    type Value = Certificate;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Certificate, E> {
        read(text, "")
    }

    fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Certificate, E> {
        read(bytes, "")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Certificate, A::Error> {
        let (mut data, mut password) = (None, None);
        while let Some(name) = members.next_key::<String>()? {
            let text = match name.to_ascii_lowercase().as_str() {
                "data" => &mut data,
                "password" => &mut password,
                // Of any type: numbers, lists and tables too.
                _ => {
                    members.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            *text = Some(Zeroizing::new(members.next_value::<String>()?));
        }
        let data = data.ok_or_else(|| A::Error::missing_field("data"))?;
        read(data.as_str(), password.as_ref().map_or("", |password| password))
    }
}

/// Reads a certificate. The error names the problem as an expectation, because that is the part of an error of serde
/// that cannot contain a value.
fn read<E: serde::de::Error>(bytes: impl AsRef<[u8]>, password: &str) -> Result<Certificate, E> {
    let unusable = |problem: Problem| E::invalid_value(Unexpected::Other("value"), &problem);
    Certificate::read(bytes.as_ref(), password, &Budget::new()).map_err(unusable)
}
