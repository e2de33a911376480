//! A server's certificate changes between two handshakes, and no connection is refused: with `rustls`.
//!
//! ```sh
//! cargo run --example tls_certificate
//! ```
//!
//! A certificate of a vault has a secret of the same name that holds its key and its chain: as PKCS#12 without a password,
//! in base64, or as PEM, whichever was chosen when it was made.

use std::collections::BTreeSet;
use std::error::Error;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use figment::Figment;
use keyvault::{Derived, DerivedNotice, ValidationError};
use keyvault_emulator::{Certificate, Emulator, SetSecret};
use keyvault_examples::{Load, Outcome, client};
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

/// Makes what a server needs for a handshake.
fn server_config(secret: &str) -> Result<ServerConfig, ValidationError> {
    let (key, chain) = if secret.starts_with("-----BEGIN ") { from_pem(secret) } else { from_pkcs12(secret) }?;
    // Refuses a key that is not the certificate's.
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key);
    config.map_err(ValidationError::because("key and certificate do not belong together"))
}

type Identity = (PrivateKeyDer<'static>, Vec<CertificateDer<'static>>);

fn from_pem(secret: &str) -> Result<Identity, ValidationError> {
    let key = PrivateKeyDer::from_pem_slice(secret.as_bytes()).map_err(ValidationError::because("there is no key"))?;
    let chain = CertificateDer::pem_slice_iter(secret.as_bytes()).collect::<Result<_, _>>();
    Ok((key, chain.map_err(ValidationError::because("a certificate cannot be read"))?))
}

fn from_pkcs12(secret: &str) -> Result<Identity, ValidationError> {
    let der =
        STANDARD.decode(secret).map_err(ValidationError::because("secret is neither PEM nor PKCS#12 in base64"))?;
    let store = KeyStore::from_pkcs12(&der, "", Pkcs12ImportPolicy::Relaxed);
    let store = store.map_err(ValidationError::because("PKCS#12 cannot be read"))?;
    let (_, identity) = store.private_key_chain().ok_or(ValidationError::new("there is no key"))?;
    let chain = identity.certs().iter().map(|certificate| CertificateDer::from(certificate.as_der().to_vec()));
    Ok((PrivatePkcs8KeyDer::from(identity.key().as_der().to_vec()).into(), chain.collect()))
}

/// Accepts connections, each with the certificate of its moment.
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

/// Tells the story.
async fn run() -> Outcome {
    // Where more than one is compiled in, rustls wants to be told which cryptography to use.
    _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let emulator = Emulator::start().await?;
    let authority = Authority::new()?;
    let first = authority.certificate()?;
    emulator.set_secret(SECRET, SetSecret::certificate(first));
    let interval = Duration::from_secs(1);
    let live = keyvault_figment::layered(client(&emulator)?, || Figment::from(("tls.certificate", REFERENCE)))
        .references_only()
        .refresh_every(interval)
        .start::<Settings>()
        .await?;
    let build = async |settings: Arc<Settings>| server_config(settings.tls.certificate.expose_secret());
    let tls = live.derive(["tls.certificate"], build).await?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let visitor = Visitor::new(&authority, listener.local_addr()?)?;
    let server = tokio::spawn(serve(listener, tls.clone()));

    let visiting = visitor.clone();
    let load = Load::begin(4, Duration::from_millis(10), move || visiting.clone().visit());
    let mut watcher = tls.watch();
    for (n, (form, is_pem)) in [("PEM", true), ("PKCS#12", false), ("PEM", true)].into_iter().enumerate() {
        let begun = Instant::now();
        let certificate = authority.certificate()?;
        let certificate = if is_pem { certificate.as_pem() } else { certificate };
        emulator.set_secret(SECRET, SetSecret::certificate(certificate));
        timeout(PATIENCE, watcher.replaced()).await?.ok_or("the configuration does not follow")?;
        visitor.clone().visit().await?;
        println!("new certificate, as {form}, in handshakes after {} ms", begun.elapsed().as_millis());
        let seen = visitor.seen();
        if seen != n + 2 {
            return Err(format!("{seen} certificates were seen after {} rotations", n + 1).into());
        }
    }
    emulator.set(SECRET, "something else altogether");
    let Some(DerivedNotice::Failed(error)) = timeout(PATIENCE, watcher.next()).await? else {
        return Err("what is no certificate was not refused".into());
    };
    visitor.clone().visit().await?;
    println!("what is no certificate is refused ({error}), and the last certificate stays");

    let counts = load.end().await;
    server.abort();
    tls.shutdown().await;
    live.shutdown().await;
    counts.all_served()
}

const SECRET: &str = "shop-certificate";
const REFERENCE: &str = "@Microsoft.KeyVault(SecretName=shop-certificate)";
const PATIENCE: Duration = Duration::from_secs(30);

/// Vouches for certificates.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Outcome<Self> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Ok(Self(CertifiedIssuer::self_signed(params, KeyPair::generate()?)?))
    }

    fn certificate(&self) -> Outcome<Certificate> {
        let key = KeyPair::generate()?;
        let certificate = CertificateParams::new([NAME.to_owned()])?.signed_by(&key, &self.0)?;
        Ok(Certificate::from_pem(&format!("{}{}", key.serialize_pem(), certificate.pem()))?)
    }
}

const NAME: &str = "shop.example";

/// Connects, and looks at the certificate.
#[derive(Clone)]
struct Visitor {
    connector: TlsConnector,
    server: SocketAddr,
    seen: Arc<Mutex<BTreeSet<Vec<u8>>>>,
}

impl Visitor {
    fn new(authority: &Authority, server: SocketAddr) -> Outcome<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(authority.0.der().clone())?;
        let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        // Each visit is a whole handshake.
        config.resumption = rustls::client::Resumption::disabled();
        Ok(Self { connector: TlsConnector::from(Arc::new(config)), server, seen: Arc::default() })
    }

    async fn visit(self) -> Outcome {
        let socket = TcpStream::connect(self.server).await?;
        let mut stream = self.connector.connect(ServerName::try_from(NAME)?, socket).await?;
        let mut said = String::new();
        stream.read_to_string(&mut said).await?;
        let (_, session) = stream.get_ref();
        if let Some([certificate, ..]) = session.peer_certificates()
            && let Ok(mut seen) = self.seen.lock()
        {
            seen.insert(certificate.to_vec());
        }
        if said == "hello" { Ok(()) } else { Err("the server said something else".into()) }
    }

    /// Tells how many certificates were seen.
    fn seen(&self) -> usize {
        self.seen.lock().map_or(0, |seen| seen.len())
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    run().await
}
