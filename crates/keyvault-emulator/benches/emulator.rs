//! The start time, throughput and memory of the emulator. Prints figures and asserts none of them.
//!
//! Run it with `cargo bench -p keyvault-emulator`. Client and server share the machine. The client is a TLS stream that
//! repeats the same bytes, so the server uses most of the time.

#![allow(clippy::unwrap_used, reason = "a failed step fails the benchmark")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use keyvault_emulator::Emulator;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

const CONNECTIONS: usize = 16;
const DURATION: Duration = Duration::from_secs(3);
const SECRETS: usize = 10_000;

#[tokio::main]
async fn main() {
    // `cargo test --benches` only checks that it runs.
    let duration = if std::env::args().any(|argument| argument == "--bench") { DURATION } else { Duration::ZERO };

    let begun = Instant::now();
    let emulator = Emulator::start().await.unwrap();
    let started = begun.elapsed();
    // Excludes the time in which the client prepares.
    let connector = connector(&emulator);
    emulator.set("s00000", "hunter2");
    let request = request(&emulator, "/secrets/s00000");
    let connecting = Instant::now();
    let mut stream = connect(&emulator, &connector).await;
    send(&mut stream, &request).await;
    println!("start                {:>10.1} ms", millis(started));
    println!("start to first GET   {:>10.1} ms", millis(started + connecting.elapsed()));
    println!("resident, idle       {:>10.1} MB", resident());

    for n in 1..SECRETS {
        emulator.set(&format!("s{n:05}"), "hunter2 hunter2 hunter2 hunter2");
    }
    println!("resident, {SECRETS}     {:>10.1} MB", resident());
    println!("GET                  {:>10.0} /s", rate(&emulator, &connector, request, duration).await);
    let list = self::request(&emulator, "/secrets");
    println!("list, 25 a page      {:>10.0} /s", rate(&emulator, &connector, list, duration).await);
}

/// Returns the number of responses per second over persistent connections.
async fn rate(emulator: &Emulator, connector: &TlsConnector, request: Vec<u8>, duration: Duration) -> f64 {
    let request = Arc::new(request);
    let mut streams = Vec::new();
    for _ in 0..CONNECTIONS {
        streams.push(connect(emulator, connector).await);
    }
    let begun = Instant::now();
    let tasks: Vec<_> = streams
        .into_iter()
        .map(|mut stream| {
            let request = Arc::clone(&request);
            tokio::spawn(async move {
                let mut count = 0_u32;
                while count == 0 || begun.elapsed() < duration {
                    send(&mut stream, &request).await;
                    count += 1;
                }
                count
            })
        })
        .collect();
    let mut count = 0.0;
    for task in tasks {
        count += f64::from(task.await.unwrap());
    }
    count / begun.elapsed().as_secs_f64()
}

fn connector(emulator: &Emulator) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(emulator.ca_pem().as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    TlsConnector::from(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
}

async fn connect(emulator: &Emulator, connector: &TlsConnector) -> TlsStream<TcpStream> {
    let tcp = TcpStream::connect(emulator.vault_url().strip_prefix("https://").unwrap()).await.unwrap();
    tcp.set_nodelay(true).unwrap();
    connector.connect(ServerName::try_from("localhost").unwrap(), tcp).await.unwrap()
}

fn request(emulator: &Emulator, path: &str) -> Vec<u8> {
    let token = emulator.token();
    format!("GET {path}?api-version=2025-07-01 HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n\r\n")
        .into_bytes()
}

/// Sends a request and reads its whole response.
async fn send(stream: &mut TlsStream<TcpStream>, request: &[u8]) {
    stream.write_all(request).await.unwrap();
    stream.flush().await.unwrap();
    let mut response = Vec::with_capacity(16 * 1024);
    loop {
        assert_ne!(stream.read_buf(&mut response).await.unwrap(), 0, "the server closed the connection");
        let Some(end) = response.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = std::str::from_utf8(&response[..end]).unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        if response.len() == end + 4 + length.parse::<usize>().unwrap() {
            return;
        }
    }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Returns the resident memory of this process, in megabytes. 0 if the system does not report it.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok());
    kilobytes.unwrap_or_default() / 1024.0
}
