//! Replaces the certificate of a TLS server under load without a refused connection, with `rustls`.
//!
//! ```sh
//! cargo run --example tls_certificate
//! ```
//!
//! Each certificate in a vault has a secret of the same name with its key and chain. The form is the one chosen at the
//! creation of the certificate: PKCS#12 without a password in base64, or PEM.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use figment::Figment;
use keyvault::derive::{DerivedNotice, DerivedWatcher};
use keyvault::{Derived, ValidationError};
use keyvault_emulator::{Certificate, Emulator, SetSecret};
use keyvault_examples_support::{Load, Result, client, ensure};
use p12_keystore::{KeyStore, Pkcs12ImportPolicy};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::{TlsAcceptor, TlsConnector};

#[derive(Deserialize)]
struct Settings {
    tls: Tls,
}

#[derive(Deserialize)]
struct Tls {
    certificate: SecretString,
}

/// Builds the configuration of the server from the secret.
fn server_config(secret: &str) -> Result<ServerConfig, ValidationError> {
    let (key, chain) = if secret.starts_with("-----BEGIN ") { from_pem(secret) } else { from_pkcs12(secret) }?;
    // Checks that the key belongs to the certificate.
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key);
    config.map_err(ValidationError::because("the key does not belong to the certificate"))
}

type Identity = (PrivateKeyDer<'static>, Vec<CertificateDer<'static>>);

fn from_pem(secret: &str) -> Result<Identity, ValidationError> {
    let key = PrivateKeyDer::from_pem_slice(secret.as_bytes())
        .map_err(ValidationError::because("there is no private key"))?;
    let chain = CertificateDer::pem_slice_iter(secret.as_bytes()).collect::<Result<_, _>>();
    Ok((key, chain.map_err(ValidationError::because("a certificate cannot be parsed"))?))
}

fn from_pkcs12(secret: &str) -> Result<Identity, ValidationError> {
    let der =
        STANDARD.decode(secret).map_err(ValidationError::because("the secret is neither PEM nor PKCS#12 in base64"))?;
    let store = KeyStore::from_pkcs12(&der, "", Pkcs12ImportPolicy::Relaxed);
    let store = store.map_err(ValidationError::because("the PKCS#12 cannot be parsed"))?;
    let (_, identity) = store.private_key_chain().ok_or(ValidationError::new("there is no private key"))?;
    let chain = identity.certs().iter().map(|certificate| CertificateDer::from(certificate.as_der().to_vec()));
    Ok((PrivatePkcs8KeyDer::from(identity.key().as_der().to_vec()).into(), chain.collect()))
}

/// Accepts connections, each with the current certificate.
async fn serve(listener: TcpListener, tls: Derived<ServerConfig>) {
    while let Ok((socket, _)) = listener.accept().await {
        let acceptor = TlsAcceptor::from(tls.current());
        tokio::spawn(async move {
            let mut stream = acceptor.accept(socket).await?;
            stream.write_all(b"hello").await?;
            stream.shutdown().await
        });
    }
}

/// Replaces the certificate under load and fails unless every connection succeeds.
async fn run() -> Result {
    let emulator = Emulator::start().await?;
    let authority = Authority::new()?;
    emulator.set_secret(SECRET, SetSecret::certificate(authority.certificate()?));
    let live = keyvault_figment::layered(client(&emulator)?, || Figment::from(("tls.certificate", REFERENCE)))
        .references_only()
        .refresh_every(Duration::from_secs(1))
        .start::<Settings>()
        .await?;
    let build = async |settings: Arc<Settings>| server_config(settings.tls.certificate.expose_secret());
    let tls = live.derive(["tls.certificate"], build).await?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let probe = Probe::new(&authority, listener.local_addr()?)?;
    let server = tokio::spawn(serve(listener, tls.clone()));
    probe.clone().connect().await?;

    let repeated = probe.clone();
    let load = Load::start(4, Duration::from_millis(10), move || repeated.clone().connect());
    let mut watcher = tls.watch();
    for (form, is_pem) in [("PEM", true), ("PKCS#12", false), ("PEM", true)] {
        let certificate = authority.certificate()?;
        let certificate = if is_pem { certificate.as_pem() } else { certificate };
        replace(&emulator, certificate, form, &mut watcher, &probe).await?;
    }
    emulator.set(SECRET, "not a certificate");
    let Some(DerivedNotice::Failed(error)) = timeout(TIMEOUT, watcher.next()).await? else {
        return Err("an invalid certificate was not refused".into());
    };
    probe.clone().connect().await?;
    println!("an invalid certificate is refused ({error}); the last certificate stays in use");

    let counts = load.stop().await;
    server.abort();
    tls.shutdown().await;
    live.shutdown().await;
    counts.check()
}

/// Sets a new certificate in the vault and checks that the next handshake has it.
async fn replace(
    emulator: &Emulator,
    certificate: Certificate,
    form: &str,
    watcher: &mut DerivedWatcher,
    probe: &Probe,
) -> Result {
    let (seen, started) = (probe.certificates(), Instant::now());
    emulator.set_secret(SECRET, SetSecret::certificate(certificate));
    timeout(TIMEOUT, watcher.replaced()).await?.ok_or("the configuration was not replaced")?;
    probe.clone().connect().await?;
    println!("new certificate as {form}, in handshakes after {} ms", started.elapsed().as_millis());
    ensure(probe.certificates() == seen + 1, "the next handshake did not have the new certificate")
}

const SECRET: &str = "shop-certificate";
const REFERENCE: &str = "@Microsoft.KeyVault(SecretName=shop-certificate)";
const TIMEOUT: Duration = Duration::from_secs(30);

/// A certificate authority.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Result<Self> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Ok(Self(CertifiedIssuer::self_signed(params, KeyPair::generate()?)?))
    }

    /// Issues a certificate with a new key.
    fn certificate(&self) -> Result<Certificate> {
        let key = KeyPair::generate()?;
        let certificate = CertificateParams::new([NAME.to_owned()])?.signed_by(&key, &self.0)?;
        Ok(Certificate::from_pem(&format!("{}{}", key.serialize_pem(), certificate.pem()))?)
    }
}

const NAME: &str = "shop.example";

/// A client that records the certificates of the server.
#[derive(Clone)]
struct Probe {
    connector: TlsConnector,
    server: SocketAddr,
    seen: Arc<Mutex<BTreeSet<Vec<u8>>>>,
}

impl Probe {
    fn new(authority: &Authority, server: SocketAddr) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(authority.0.der().clone())?;
        let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        // Makes each connection a full handshake.
        config.resumption = rustls::client::Resumption::disabled();
        Ok(Self { connector: TlsConnector::from(Arc::new(config)), server, seen: Arc::default() })
    }

    async fn connect(self) -> Result {
        let socket = TcpStream::connect(self.server).await?;
        let mut stream = self.connector.connect(ServerName::try_from(NAME)?, socket).await?;
        let mut greeting = String::new();
        stream.read_to_string(&mut greeting).await?;
        let (_, session) = stream.get_ref();
        if let Some([certificate, ..]) = session.peer_certificates()
            && let Ok(mut seen) = self.seen.lock()
        {
            seen.insert(certificate.to_vec());
        }
        if greeting == "hello" { Ok(()) } else { Err("the server sent an unexpected greeting".into()) }
    }

    /// Returns the number of different certificates seen so far.
    fn certificates(&self) -> usize {
        self.seen.lock().map_or(0, |seen| seen.len())
    }
}

#[tokio::main]
async fn main() -> Result {
    // The builders of `rustls` use the provider of the process.
    _ = rustls::crypto::ring::default_provider().install_default();
    run().await
}
