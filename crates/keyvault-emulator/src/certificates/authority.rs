//! The certificate authority that signs the certificates of the TLS listener, and those of a vault by policy.

use std::fmt;
use std::io;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, SanType,
};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use time::{Duration, OffsetDateTime};

/// A certificate authority that a client trusts only if it is configured to.
pub(crate) struct CertificateAuthority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
    der: CertificateDer<'static>,
    /// One key for all leaves, because generating keys is the slow part.
    leaf_key: KeyPair,
}

impl CertificateAuthority {
    /// Creates an authority with a new key.
    pub(crate) fn new() -> io::Result<Self> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(io::Error::other)?;
        let certificate = Self::params().self_signed(&key).map_err(io::Error::other)?;
        Self::with_key(key, certificate.pem())
    }

    /// Creates an authority from the certificate and key of an earlier one.
    pub(crate) fn from_pem(certificate: &str, key: &str) -> io::Result<Self> {
        Self::with_key(KeyPair::from_pem(key).map_err(io::Error::other)?, certificate.to_owned())
    }

    fn with_key(key: KeyPair, pem: String) -> io::Result<Self> {
        let der = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(io::Error::other)?;
        let leaf_key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(io::Error::other)?;
        Ok(Self { issuer: Issuer::new(Self::params(), key), pem, der, leaf_key })
    }

    /// Returns the name and usage of the authority, which are the same for every key.
    fn params() -> CertificateParams {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "keyvault-emulator CA");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        set_validity(&mut params, CA_DAYS);
        params
    }

    /// Returns the authority's certificate, for a client to trust.
    pub(crate) fn pem(&self) -> &str {
        &self.pem
    }

    /// Returns the authority's key, for [`from_pem`](Self::from_pem).
    pub(crate) fn key_pem(&self) -> String {
        self.issuer.key().serialize_pem()
    }

    /// Signs the certificate of a key. Returns it and that of the authority.
    pub(super) fn issue(&self, mut params: CertificateParams, key: &KeyPair) -> Option<Vec<Vec<u8>>> {
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(key, &self.issuer).ok()?;
        Some(vec![certificate.der().to_vec(), self.der.to_vec()])
    }

    /// Signs a server certificate for some names.
    pub(crate) fn sign(&self, names: Vec<SanType>) -> io::Result<CertifiedKey> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "keyvault-emulator");
        params.subject_alt_names = names;
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        set_validity(&mut params, LEAF_DAYS);
        let certificate = params.signed_by(&self.leaf_key, &self.issuer).map_err(io::Error::other)?;
        let key = PrivateKeyDer::try_from(self.leaf_key.serialize_der()).map_err(io::Error::other)?;
        let key = ring::sign::any_ecdsa_type(&key).map_err(io::Error::other)?;
        // The chain includes the authority, because some clients print the chain when they reject it.
        Ok(CertifiedKey::new(vec![certificate.der().clone(), self.der.clone()], key))
    }
}

impl fmt::Debug for CertificateAuthority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertificateAuthority").finish_non_exhaustive()
    }
}

/// Makes a certificate valid for a number of days, from a day ago to allow for clocks that differ.
fn set_validity(params: &mut CertificateParams, days: i64) {
    let now = OffsetDateTime::now_utc();
    params.not_before = now - Duration::days(1);
    params.not_after = now + Duration::days(days);
}

/// Some TLS stacks reject a leaf that is valid for more than 825 days, others for more than 398.
const LEAF_DAYS: i64 = 396;
const CA_DAYS: i64 = 3650;
