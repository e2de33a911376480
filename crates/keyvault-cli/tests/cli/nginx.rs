//! nginx follows renewals that `keyvault certs` writes, under load, without a refused handshake.

use std::fs;
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustls::client::Resumption;
use rustls::pki_types::ServerName;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::authority::Authority;
use crate::fixture::{Fixture, eventually, send_signal, wait};

const RENEWALS: usize = 50;
const CLIENTS: usize = 4;
const INTERVAL: Duration = Duration::from_secs(1);
/// The time for a request to the vault, the writes, and a reload of nginx, during which old workers accept connections
/// too, on a machine that runs other tests.
const ALLOWANCE: Duration = Duration::from_secs(5);

/// A server on a free loopback port. Drop stops it. It ends together with the thread that starts it.
struct Nginx {
    directory: PathBuf,
    port: u16,
    server: Child,
}

impl Nginx {
    /// Finds nginx, or prints that the test is skipped.
    ///
    /// # Panics
    ///
    /// In CI if nginx is not installed: CI skips no test.
    fn find() -> Option<PathBuf> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut folders = std::env::split_paths(&path).chain(["/usr/sbin".into()]);
        let program = folders.find_map(|folder| Some(folder.join("nginx")).filter(|program| program.is_file()));
        if program.is_none() {
            const NOT_INSTALLED: &str = "nginx is not installed (Debian: apt-get install nginx-light)";
            assert!(std::env::var_os("CI").is_none(), "{NOT_INSTALLED}");
            eprintln!("SKIPPED: {NOT_INSTALLED}");
        }
        program
    }

    fn start(program: PathBuf, directory: &Path, certificate: &str) -> io::Result<Self> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let user = if fs::metadata("/proc/self").is_ok_and(|it| std::os::unix::fs::MetadataExt::uid(&it) == 0) {
            "user root;"
        } else {
            ""
        };
        let paths: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path temporary;"))
            .concat();
        let config = format!(
            "{user} daemon off; pid nginx.pid; error_log nginx.log; worker_processes 2;
             events {{ worker_connections 512; }}
             http {{
               access_log off; {paths}
               server {{
                 listen 127.0.0.1:{port} ssl;
                 ssl_certificate {certificate}; ssl_certificate_key {certificate};
                 ssl_session_tickets off; ssl_session_cache off;
                 location / {{ return 200 ok; }}
               }}
             }}"
        );
        fs::write(directory.join("nginx.conf"), config)?;
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "QUIT", "--"]).arg(&program).arg("-p").arg(directory).args(["-c", "nginx.conf"]);
        let server = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        Ok(Self { directory: directory.to_owned(), port, server })
    }

    /// Returns a script that reloads the server, if it runs.
    fn reload(program: &Path, directory: &Path) -> String {
        let (program, directory) = (program.display(), directory.display());
        format!("test ! -s {directory}/nginx.pid || {program} -p {directory} -c nginx.conf -s reload")
    }

    fn log(&self) -> String {
        fs::read_to_string(self.directory.join("nginx.log")).unwrap_or_default()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // SIGTERM stops the workers too.
        _ = Command::new("kill").arg(self.server.id().to_string()).status();
        _ = self.server.wait();
    }
}

/// One request on a connection of its own: when it began, and the certificate of the server or the failure.
type Outcome = (Instant, Result<Vec<u8>, String>);

/// Clients that connect again and again.
struct Load {
    connector: TlsConnector,
    port: u16,
    is_over: AtomicBool,
    outcomes: Mutex<Vec<Outcome>>,
}

impl Load {
    fn new(authority: &Authority, port: u16) -> Arc<Self> {
        let mut roots = RootCertStore::empty();
        let root =
            rustls::pki_types::CertificateDer::from_pem_slice(authority.pem().as_bytes()).expect("a certificate");
        roots.add(root).expect("a root");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let mut config = config.expect("versions").with_root_certificates(roots).with_no_client_auth();
        config.resumption = Resumption::disabled();
        let connector = TlsConnector::from(Arc::new(config));
        Arc::new(Self { connector, port, is_over: AtomicBool::new(false), outcomes: Mutex::default() })
    }

    async fn run(self: Arc<Self>) {
        while !self.is_over.load(Ordering::Relaxed) {
            let began = Instant::now();
            let outcome = timeout(Duration::from_secs(60), self.request()).await;
            let outcome = outcome.unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()));
            let outcome = outcome.map_err(|error| error.to_string());
            self.outcomes.lock().expect("no panic").push((began, outcome));
        }
    }

    /// Returns the certificate of the server in DER.
    async fn request(&self) -> io::Result<Vec<u8>> {
        let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).await?;
        let name = ServerName::try_from("shop.example").expect("a name");
        let mut stream = self.connector.connect(name, socket).await?;
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await?;
        let mut response = Vec::new();
        stream.read_to_end(&mut response).await?;
        if !response.starts_with(b"HTTP/1.1 200 ") {
            return Err(io::Error::other("another response"));
        }
        let certificates = stream.get_ref().1.peer_certificates().unwrap_or_default();
        Ok(certificates.first().map(|certificate| certificate.to_vec()).unwrap_or_default())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fifty_renewals_under_load_refuse_no_handshake_and_none_is_stale() {
    let Some(program) = Nginx::find() else { return };
    let fixture = Fixture::start().await;
    let authority = Authority::new();
    let first = authority.issue("shop.example");
    fixture.emulator.set_secret("tls", first.managed());
    let reload = Nginx::reload(&program, fixture.directory());
    let mut command = fixture.command("certs");
    command.args(["--certificate", "tls", "--out", "certs", "--watch", "--interval", "1s", "--then", &reload]);
    let certs = command.spawn().expect("the command starts");
    let file = fixture.path(&format!("certs/{}.tls", fixture.vault()));
    eventually("the first file", || Path::new(&file).exists()).await;
    let nginx = Nginx::start(program, fixture.directory(), &file).expect("nginx starts");
    let load = Load::new(&authority, nginx.port);
    // nginx writes this file once it listens.
    eventually("nginx listens", || fs::metadata(fixture.path("nginx.pid")).is_ok_and(|file| file.len() > 0)).await;
    load.request().await.unwrap_or_else(|error| panic!("nginx does not answer: {error}\n{}", nginx.log()));

    let clients: Vec<_> = (0..CLIENTS).map(|_| tokio::spawn(Arc::clone(&load).run())).collect();
    // The certificates with the time at which the vault had each.
    let mut renewals = vec![(Instant::now(), first.der)];
    let mut slowest = Duration::ZERO;
    for _ in 0..RENEWALS {
        let issued = authority.issue("shop.example");
        fixture.emulator.set_secret("tls", issued.managed());
        renewals.push((Instant::now(), issued.der.clone()));
        let is_served = || {
            let outcomes = load.outcomes.lock().expect("no panic");
            outcomes.last().is_some_and(|(_, outcome)| outcome.as_ref().is_ok_and(|der| *der == issued.der))
        };
        eventually("the renewed certificate is served", is_served).await;
        slowest = slowest.max(renewals.last().expect("a renewal").0.elapsed());
    }
    load.is_over.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.expect("no panic");
    }
    send_signal(&certs, "-TERM");
    let output = wait(certs).await;
    output.assert_code(0);

    let outcomes = load.outcomes.lock().expect("no panic");
    let failures: Vec<_> = outcomes.iter().filter_map(|(_, outcome)| outcome.as_ref().err()).collect();
    assert!(failures.is_empty(), "{} of {}: {failures:?}\n{}", failures.len(), outcomes.len(), nginx.log());
    let mut most_stale = Duration::ZERO;
    for (began, served) in outcomes.iter() {
        let served = renewals.iter().position(|(_, der)| Ok(der) == served.as_ref()).expect("a known certificate");
        if let Some((replaced, _)) = renewals.get(served + 1) {
            most_stale = most_stale.max(began.saturating_duration_since(*replaced));
        }
    }
    println!(
        "{} handshakes, {RENEWALS} renewals, served after at most {slowest:?}, stale for at most {most_stale:?}",
        outcomes.len()
    );
    assert!(outcomes.len() > RENEWALS * CLIENTS, "{} handshakes are no load", outcomes.len());
    assert!(most_stale < INTERVAL + ALLOWANCE, "a certificate was served {most_stale:?} after its renewal");
    assert!(!output.err.contains("did not write") && !output.err.contains("failed"), "{}", output.err);
}
