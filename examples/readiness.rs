//! Health as a readiness endpoint: 200 with the details in JSON while settings may be used, 503 when they may not.
//!
//! ```sh
//! cargo run --example readiness
//! ```
//!
//! The vault is an emulator in this process; with one in Azure the client would be made of its URL and
//! `keyvault::default_credential()`. It fails for a while, the endpoint turns red when the settings are older than
//! the service allows, and green again when the vault is back.

use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use figment::Figment;
use keyvault::{Health, Live};
use keyvault_emulator::{Emulator, Fault};
use keyvault_examples::client;
use secrecy::SecretString;
use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

/// What the service wants to know.
#[derive(Deserialize)]
struct Settings {
    #[allow(dead_code, reason = "the service would use it")]
    password: SecretString,
}

/// The whole endpoint.
async fn ready(State(live): State<Live<Settings>>) -> (StatusCode, Json<Health>) {
    let health = live.health();
    let status = if health.is_healthy() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(health))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
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

    println!("The vault answers:\n{}\n", until(address, "200").await?);
    emulator.fault(Fault::status(503));
    println!("The vault fails, and settings are older than 3 seconds:\n{}\n", until(address, "503").await?);
    emulator.clear_faults();
    println!("The vault is back:\n{}", until(address, "200").await?);

    server.abort();
    live.shutdown().await;
    Ok(())
}

/// Asks the endpoint until it answers with `status`, and gives that answer.
async fn until(address: SocketAddr, status: &str) -> Result<String, Box<dyn Error>> {
    let asking = async {
        loop {
            let answer = ask(address).await?;
            if answer.starts_with(&format!("HTTP/1.1 {status}")) {
                return Ok(answer);
            }
            sleep(Duration::from_millis(100)).await;
        }
    };
    timeout(Duration::from_secs(40), asking).await?
}

/// What a load balancer would do.
async fn ask(address: SocketAddr) -> Result<String, Box<dyn Error>> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(b"GET /ready HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("answer has no body")?;
    Ok(format!("{}\n{body}", head.lines().next().unwrap_or_default()))
}
