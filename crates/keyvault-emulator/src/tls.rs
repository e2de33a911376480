//! The certificate authority, made anew for each emulator, and the TLS configuration it vouches for.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, SanType,
};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use time::{Duration, OffsetDateTime};

use crate::service::VAULT_SUFFIXES;

/// A certificate authority that nobody trusts until told to.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
    der: CertificateDer<'static>,
    /// One key for all leaves: making keys is what takes the time.
    leaf_key: KeyPair,
}

impl Authority {
    /// Makes an authority with a key of its own.
    pub(crate) fn new() -> io::Result<Self> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(io::Error::other)?;
        let certificate = Self::params().self_signed(&key).map_err(io::Error::other)?;
        Self::with(key, certificate.pem())
    }

    /// Takes up an authority that was made before.
    pub(crate) fn from_pem(certificate: &str, key: &str) -> io::Result<Self> {
        Self::with(KeyPair::from_pem(key).map_err(io::Error::other)?, certificate.to_owned())
    }

    fn with(key: KeyPair, pem: String) -> io::Result<Self> {
        let der = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(io::Error::other)?;
        let leaf_key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(io::Error::other)?;
        Ok(Self { issuer: Issuer::new(Self::params(), key), pem, der, leaf_key })
    }

    /// The authority is the same whenever it is made: name and use never change, only the key does.
    fn params() -> CertificateParams {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "keyvault-emulator CA");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        limit(&mut params, CA_DAYS);
        params
    }

    /// Returns the authority's certificate, for a client to trust.
    pub(crate) fn pem(&self) -> &str {
        &self.pem
    }

    /// Returns the authority's key, to be taken up another time.
    pub(crate) fn key_pem(&self) -> String {
        self.issuer.key().serialize_pem()
    }

    /// Signs a certificate for some names.
    fn sign(&self, names: Vec<SanType>) -> Result<CertifiedKey, io::Error> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "keyvault-emulator");
        params.subject_alt_names = names;
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        limit(&mut params, LEAF_DAYS);
        let certificate = params.signed_by(&self.leaf_key, &self.issuer).map_err(io::Error::other)?;
        let key = PrivateKeyDer::try_from(self.leaf_key.serialize_der()).map_err(io::Error::other)?;
        let key = aws_lc_rs::sign::any_ecdsa_type(&key).map_err(io::Error::other)?;
        // The authority stands in the chain too: some clients show it when they refuse.
        Ok(CertifiedKey::new(vec![certificate.der().clone(), self.der.clone()], key))
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").finish_non_exhaustive()
    }
}

/// Makes the configuration of the TLS listener: HTTP/2, unless it is not wanted, and HTTP/1.1.
pub(crate) fn server_config(authority: Authority, http1_only: bool) -> io::Result<ServerConfig> {
    let resolver = Leaves::new(authority)?;
    // Named, not taken from the process: where two providers are compiled in, there is no default.
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(resolver));
    let protocols: &[&[u8]] = if http1_only { &[b"http/1.1"] } else { &[b"h2", b"http/1.1"] };
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    Ok(config)
}

/// The certificates of the server: one for the names everybody uses, and one for each other name that a client asks
/// for. A wildcard cannot do for the latter: verifiers refuse `*.localhost`.
#[derive(Debug)]
struct Leaves {
    authority: Authority,
    usual: Arc<CertifiedKey>,
    others: Mutex<HashMap<String, Arc<CertifiedKey>>>,
}

impl Leaves {
    fn new(authority: Authority) -> io::Result<Self> {
        let mut names = vec![
            dns("localhost")?,
            SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            SanType::IpAddress(IpAddr::V6(Ipv6Addr::LOCALHOST)),
        ];
        for suffix in VAULT_SUFFIXES {
            names.push(dns(&format!("*{suffix}"))?);
        }
        let usual = Arc::new(authority.sign(names)?);
        Ok(Self { authority, usual, others: Mutex::default() })
    }

    fn other(&self, name: &str) -> Option<Arc<CertifiedKey>> {
        let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(leaf) = others.get(name) {
            return Some(Arc::clone(leaf));
        }
        // Names come from outside; the cache must not grow with them.
        if others.len() >= MOST_OTHERS {
            others.clear();
        }
        let leaf = Arc::new(self.authority.sign(vec![dns(name).ok()?]).ok()?);
        others.insert(name.to_owned(), Arc::clone(&leaf));
        Some(leaf)
    }
}

impl ResolvesServerCert for Leaves {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        match hello.server_name() {
            Some(name) if !is_usual(name) => self.other(&name.to_ascii_lowercase()),
            _ => Some(Arc::clone(&self.usual)),
        }
    }
}

/// Tells whether the usual certificate is good for a name in every client's eyes.
fn is_usual(name: &str) -> bool {
    let is_vault = |suffix: &str| name.strip_suffix(suffix).is_some_and(|vault| !vault.contains('.'));
    name == "localhost" || VAULT_SUFFIXES.iter().any(|suffix| *suffix != ".localhost" && is_vault(suffix))
}

fn dns(name: &str) -> io::Result<SanType> {
    Ok(SanType::DnsName(name.try_into().map_err(io::Error::other)?))
}

/// Makes a certificate valid from a day ago, for clocks differ, and for some days.
fn limit(params: &mut CertificateParams, days: i64) {
    let now = OffsetDateTime::now_utc();
    params.not_before = now - Duration::days(1);
    params.not_after = now + Duration::days(days);
}

/// Some TLS stacks refuse a leaf that is good for more than 825 days, some for more than 398.
const LEAF_DAYS: i64 = 396;
const CA_DAYS: i64 = 3650;
const MOST_OTHERS: usize = 64;
