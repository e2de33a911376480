//! Serves health as a readiness endpoint: 200 with details in JSON while the settings are healthy, otherwise 503.
//!
//! ```sh
//! cargo run --example readiness
//! ```
//!
//! The vault is an emulator in this process; for a vault in Azure, build the client from its URL and
//! `keyvault::default_credential()`. The example makes the vault fail for a while. The endpoint answers 503 when the
//! settings exceed their maximum staleness, and 200 again after the vault recovers.

use std::net::SocketAddr;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use figment::Figment;
use keyvault::{Health, Live};
use keyvault_emulator::{Emulator, Fault};
use keyvault_examples_support::{Result, client};
use secrecy::SecretString;
use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

/// The settings of the service.
#[derive(Deserialize)]
struct Settings {
    #[allow(dead_code, reason = "a real service reads it")]
    password: SecretString,
}

/// Answers a readiness probe.
async fn ready(State(live): State<Live<Settings>>) -> (StatusCode, Json<Health>) {
    let health = live.health();
    let status = if health.is_healthy() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(health))
}

#[tokio::main]
async fn main() -> Result {
    let emulator = Emulator::start().await?;
    emulator.set("password", "correct horse battery staple");
    let live: Live<Settings> = keyvault_figment::layered(client(&emulator)?, Figment::new)
        .refresh_every(Duration::from_secs(1))
        .max_staleness(Duration::from_secs(3))
        .start()
        .await?;

    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
    let address = listener.local_addr()?;
    let router = Router::new().route("/ready", get(ready)).with_state(live.clone());
    let server = tokio::spawn(async { axum::serve(listener, router).await });

    println!("The vault answers:\n{}\n", probe_until(address, "200").await?);
    emulator.fault(Fault::status(503));
    println!("The vault fails and the settings are older than 3 seconds:\n{}\n", probe_until(address, "503").await?);
    emulator.clear_faults();
    println!("The vault answers again:\n{}", probe_until(address, "200").await?);

    server.abort();
    live.shutdown().await;
    Ok(())
}

/// Probes the endpoint until it answers with `status`, and returns that answer.
async fn probe_until(address: SocketAddr, status: &str) -> Result<String> {
    let probing = async {
        loop {
            let answer = probe(address).await?;
            if answer.starts_with(&format!("HTTP/1.1 {status}")) {
                return Ok(answer);
            }
            sleep(Duration::from_millis(100)).await;
        }
    };
    timeout(Duration::from_secs(40), probing).await?
}

/// Sends one probe, like a load balancer does.
async fn probe(address: SocketAddr) -> Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(b"GET /ready HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("the answer has no body")?;
    Ok(format!("{}\n{body}", head.lines().next().unwrap_or_default()))
}
