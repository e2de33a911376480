//! The TLS configuration, with a certificate for every name that a client asks for.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use rcgen::SanType;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::certificates::CertificateAuthority;
use crate::protocol::uri::LOCAL_SUFFIX;
use crate::vaults::host::VAULT_SUFFIXES;

/// Creates the configuration of the TLS listener, for HTTP/1.1 and, unless `http1_only`, HTTP/2.
pub(crate) fn server_config(authority: Arc<CertificateAuthority>, http1_only: bool) -> io::Result<ServerConfig> {
    let resolver = LeafResolver::new(authority)?;
    // An explicit provider, because a program with two providers has no default.
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(resolver));
    let protocols: &[&[u8]] = if http1_only { &[b"http/1.1"] } else { &[b"h2", b"http/1.1"] };
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    Ok(config)
}

/// The certificates of the server: one for the usual names, and one for each other name that a client asks for. A
/// wildcard does not cover the other names, because verifiers reject `*.localhost`.
#[derive(Debug)]
struct LeafResolver {
    authority: Arc<CertificateAuthority>,
    default: Arc<CertifiedKey>,
    by_name: Mutex<HashMap<String, Arc<CertifiedKey>>>,
}

impl LeafResolver {
    fn new(authority: Arc<CertificateAuthority>) -> io::Result<Self> {
        let mut names = vec![
            dns("localhost")?,
            SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            SanType::IpAddress(IpAddr::V6(Ipv6Addr::LOCALHOST)),
        ];
        for suffix in VAULT_SUFFIXES {
            names.push(dns(&format!("*{suffix}"))?);
        }
        let default = Arc::new(authority.sign(names)?);
        Ok(Self { authority, default, by_name: Mutex::default() })
    }

    /// Returns the certificate for one name, created on first use.
    fn named(&self, name: &str) -> Option<Arc<CertifiedKey>> {
        let mut by_name = self.by_name.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(leaf) = by_name.get(name) {
            return Some(Arc::clone(leaf));
        }
        // Clients choose the names, so the cache has a limit.
        if by_name.len() >= MAX_NAMED {
            by_name.clear();
        }
        let leaf = Arc::new(self.authority.sign(vec![dns(name).ok()?]).ok()?);
        by_name.insert(name.to_owned(), Arc::clone(&leaf));
        Some(leaf)
    }
}

impl ResolvesServerCert for LeafResolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        match hello.server_name() {
            Some(name) if !is_default(name) => self.named(&name.to_ascii_lowercase()),
            _ => Some(Arc::clone(&self.default)),
        }
    }
}

/// Returns whether every client accepts the default certificate for a name.
fn is_default(name: &str) -> bool {
    let is_vault = |suffix: &str| name.strip_suffix(suffix).is_some_and(|vault| !vault.contains('.'));
    name == "localhost" || VAULT_SUFFIXES.iter().any(|suffix| *suffix != LOCAL_SUFFIX && is_vault(suffix))
}

fn dns(name: &str) -> io::Result<SanType> {
    Ok(SanType::DnsName(name.try_into().map_err(io::Error::other)?))
}

/// The maximum number of cached certificates by name.
const MAX_NAMED: usize = 64;
