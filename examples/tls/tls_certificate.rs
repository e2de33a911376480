//! Renews the certificates of a TLS server and of its clients under load without a failed handshake, with `rustls`.
//!
//! ```sh
//! cargo run --example tls_certificate
//! ```
//!
//! A certificate in a vault is a secret of the same name with its key and chain: PKCS#12 without a password in base64,
//! or PEM. `Certificate` reads both, and the forms that people store themselves.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use figment::Figment;
use keyvault::certificate::{Certificate, ServerCertificates};
use keyvault::{Derived, InMemory, Live};
use keyvault_examples_support::{Load, Result, ensure};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::ServerName;
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

#[derive(Deserialize)]
struct Settings {
    shop: Certificate,
    admin: Certificate,
    client: Certificate,
}

/// Derives the configuration of the server: the certificate for the name that the client asks for.
async fn server(
    live: &Live<Settings>,
    roots: Arc<RootCertStore>,
) -> Result<(Derived<ServerCertificates>, ServerConfig)> {
    let certificates = live
        .derive(["shop", "admin"], async |it: Arc<Settings>| {
            Ok(ServerCertificates::new([it.shop.clone(), it.admin.clone()])?)
        })
        .await?;
    let clients = WebPkiClientVerifier::builder(roots).build()?;
    let config = ServerConfig::builder().with_client_cert_verifier(clients);
    Ok((certificates.clone(), config.with_cert_resolver(Arc::new(certificates))))
}

/// Derives the configuration of a client with a certificate of its own.
async fn client(live: &Live<Settings>, roots: Arc<RootCertStore>) -> Result<(Derived<Certificate>, ClientConfig)> {
    let certificate = live
        .derive(["client"], async |it: Arc<Settings>| {
            it.client.check_dates(SystemTime::now())?;
            Ok(it.client.clone())
        })
        .await?;
    let config = ClientConfig::builder().with_root_certificates(roots);
    let mut config = config.with_client_cert_resolver(Arc::new(certificate.clone()));
    // Makes each connection a full handshake.
    config.resumption = rustls::client::Resumption::disabled();
    Ok((certificate, config))
}

/// Sends back each byte that arrives.
async fn serve(listener: TcpListener, config: ServerConfig) {
    let acceptor = TlsAcceptor::from(Arc::new(config));
    while let Ok((socket, _)) = listener.accept().await {
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            let (mut reader, mut writer) = tokio::io::split(acceptor.accept(socket).await?);
            tokio::io::copy(&mut reader, &mut writer).await
        });
    }
}

/// Renews every certificate under load, and fails unless every handshake succeeds.
async fn run() -> Result {
    let (vault, authority) = (InMemory::new("https://contoso.vault.azure.net".parse()?), Authority::new()?);
    for name in SECRETS {
        vault.set(name, authority.certificate(name)?)?;
    }
    let live = keyvault_figment::layered(vault.clone(), Figment::new).start::<Settings>().await?;
    let roots = authority.roots()?;
    let (certificates, server_config) = server(&live, Arc::clone(&roots)).await?;
    let (client_certificate, client_config) = client(&live, roots).await?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let probe = Probe::new(client_config, listener.local_addr()?);
    let server = tokio::spawn(serve(listener, server_config));

    let mut first = probe.connect("shop.example").await?;
    let repeated = probe.clone();
    let load = Load::start(4, Duration::from_millis(5), move || repeated.clone().handshakes());
    let (mut servers, mut clients) = (certificates.watch(), client_certificate.watch());
    for renewal in 0..RENEWALS {
        for name in SECRETS {
            let value = authority.certificate(name)?;
            // The forms of a vault in turn.
            let value = if renewal % 2 == 0 { value } else { pkcs12(&value)? };
            vault.set(name, value)?;
        }
        live.refresh_now().await?;
        timeout(TIMEOUT, servers.replaced()).await?.ok_or("the server's certificates were not replaced")?;
        timeout(TIMEOUT, clients.replaced()).await?.ok_or("the client's certificate was not replaced")?;
        let current = certificates.current();
        let presented = [probe.presented("shop.example").await?, probe.presented("admin.example").await?];
        let expected = current.certificates().iter().map(|it| it.rustls_chain()[0].to_vec());
        ensure(expected.eq(presented), "a new handshake had an old certificate")?;
    }
    println!("{RENEWALS} renewals of {} certificates; each next handshake had the new ones", SECRETS.len());

    vault.set("shop", "not a certificate")?;
    let Err(error) = live.refresh_now().await else { return Err("an invalid certificate was not refused".into()) };
    probe.clone().handshakes().await?;
    println!("an invalid certificate is refused ({error}); the last certificate stays in use");
    echo(&mut first).await?;
    println!("a connection from before the renewals is still in use");

    let counts = load.stop().await;
    server.abort();
    certificates.shutdown().await;
    client_certificate.shutdown().await;
    live.shutdown().await;
    counts.check()
}

const SECRETS: [&str; 3] = ["shop", "admin", "client"];
const RENEWALS: usize = 50;
const TIMEOUT: Duration = Duration::from_secs(30);

/// A certificate authority.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Result<Self> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Ok(Self(CertifiedIssuer::self_signed(params, KeyPair::generate()?)?))
    }

    /// Issues a certificate with a new key, as PEM.
    fn certificate(&self, name: &str) -> Result<String> {
        let key = KeyPair::generate()?;
        let certificate = CertificateParams::new([format!("{name}.example")])?.signed_by(&key, &self.0)?;
        Ok(key.serialize_pem() + &certificate.pem())
    }

    fn roots(&self) -> Result<Arc<RootCertStore>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone())?;
        Ok(Arc::new(roots))
    }
}

/// Converts PEM to the other form that a vault has.
fn pkcs12(pem: &str) -> Result<String> {
    Ok(STANDARD.encode(Certificate::from_bytes(pem)?.pfx()))
}

/// A client that connects to every name of the server.
#[derive(Clone)]
struct Probe {
    connector: TlsConnector,
    server: SocketAddr,
}

impl Probe {
    fn new(config: ClientConfig, server: SocketAddr) -> Self {
        Self { connector: TlsConnector::from(Arc::new(config)), server }
    }

    async fn connect(&self, name: &'static str) -> Result<TlsStream<TcpStream>> {
        let socket = TcpStream::connect(self.server).await?;
        let mut stream = self.connector.connect(ServerName::try_from(name)?, socket).await?;
        // The server refuses a client's certificate after the handshake of the client.
        echo(&mut stream).await?;
        Ok(stream)
    }

    /// Connects once to each name.
    async fn handshakes(self) -> Result {
        self.connect("shop.example").await?;
        self.connect("admin.example").await?;
        Ok(())
    }

    /// Returns the certificate that the server presents in a new handshake.
    async fn presented(&self, name: &'static str) -> Result<Vec<u8>> {
        let stream = self.connect(name).await?;
        let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
        Ok(chain.first().ok_or("the server presented no certificate")?.to_vec())
    }
}

/// Sends one byte and waits until it comes back.
async fn echo(stream: &mut TlsStream<TcpStream>) -> Result {
    stream.write_all(b"x").await?;
    stream.flush().await?;
    ensure(stream.read_u8().await? == b'x', "the server sent another byte")
}

#[tokio::main]
async fn main() -> Result {
    // The builders of `rustls` use the provider of the process.
    _ = rustls::crypto::ring::default_provider().install_default();
    run().await
}
