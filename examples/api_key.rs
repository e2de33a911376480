//! Rotates an API key under load without a refused request, with `reqwest`.
//!
//! ```sh
//! cargo run --example api_key
//! ```
//!
//! The issuer accepts the old key beside the new one for a while. Within that time, the service must replace the client
//! that has the key in its headers.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use figment::Figment;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use keyvault::{Derived, ValidationError};
use keyvault_emulator::Emulator;
use keyvault_examples_support::{Load, Result, client, new_password};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::time::{sleep, timeout};

#[derive(Deserialize)]
struct Settings {
    weather: Weather,
}

#[derive(Deserialize)]
struct Weather {
    api_key: SecretString,
}

/// Creates a client that sends the key with each request. Its `Debug` output does not contain the key.
fn client_with(key: &SecretString) -> Result<reqwest::Client, ValidationError> {
    let invalid = ValidationError::because("the key is not a valid header value");
    let mut key = HeaderValue::from_str(key.expose_secret()).map_err(invalid)?;
    key.set_sensitive(true);
    let headers = HeaderMap::from_iter([(API_KEY, key)]);
    let client = reqwest::Client::builder().default_headers(headers).no_proxy().timeout(Duration::from_secs(10));
    client.build().map_err(ValidationError::because("the HTTP client cannot be created"))
}

const API_KEY: http::HeaderName = http::HeaderName::from_static("x-api-key");

/// Rotates the key and fails unless every request succeeds.
async fn run(rotations: usize) -> Result {
    let emulator = Emulator::start().await?;
    let key = new_password();
    emulator.set(SECRET, &key);
    let server = Server::start(key).await?;

    let interval = Duration::from_secs(1);
    let live =
        keyvault_figment::layered(client(&emulator)?, Figment::new).refresh_every(interval).start::<Settings>().await?;
    let weather =
        live.derive(["weather"], async |settings: Arc<Settings>| client_with(&settings.weather.api_key)).await?;

    let (url, clients) = (format!("http://{}/", server.address), weather.clone());
    let load = Load::start(8, Duration::from_millis(5), move || {
        let (client, url) = (clients.current(), url.clone());
        async move {
            client.get(url).send().await?.error_for_status()?;
            Ok(())
        }
    });
    rotate(rotations, &emulator, &server, &weather).await?;
    // Keeps up the load with the last key alone.
    sleep(interval).await;
    let counts = load.stop().await;
    weather.shutdown().await;
    live.shutdown().await;
    counts.check()
}

/// Rotates the key while the server accepts the old one for a while.
async fn rotate(rotations: usize, emulator: &Emulator, server: &Server, weather: &Derived<reqwest::Client>) -> Result {
    let mut watcher = weather.watch();
    for n in 1..=rotations {
        let rotated = Instant::now();
        let key = new_password();
        server.accept(key.clone());
        emulator.set(SECRET, &key);
        timeout(OVERLAP, watcher.replaced()).await?.ok_or("the client was not replaced")?;
        println!("{n:>3} new client after {} ms", rotated.elapsed().as_millis());
        sleep(OVERLAP.saturating_sub(rotated.elapsed())).await;
        server.revoke_old_keys();
    }
    Ok(())
}

const SECRET: &str = "Weather--Api-Key";
/// The time for which the server accepts the old key.
const OVERLAP: Duration = Duration::from_secs(4);

/// A server that answers requests with an accepted key.
struct Server {
    address: SocketAddr,
    keys: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn start(key: String) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let this = Self { address: listener.local_addr()?, keys: Arc::new(Mutex::new(vec![key])) };
        let keys = Arc::clone(&this.keys);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let keys = Arc::clone(&keys);
                let service = service_fn(move |request: Request<Incoming>| {
                    let key = request.headers().get(API_KEY).and_then(|key| key.to_str().ok()).unwrap_or_default();
                    let accepted = keys.lock().is_ok_and(|keys| keys.iter().any(|accepted| accepted == key));
                    let mut response = Response::new(String::new());
                    *response.status_mut() = if accepted { StatusCode::OK } else { StatusCode::UNAUTHORIZED };
                    std::future::ready(Ok::<_, std::convert::Infallible>(response))
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(socket), service));
            }
        });
        Ok(this)
    }

    /// Accepts one more key.
    fn accept(&self, key: String) {
        if let Ok(mut keys) = self.keys.lock() {
            keys.push(key);
        }
    }

    /// Revokes every key except the newest.
    fn revoke_old_keys(&self) {
        if let Ok(mut keys) = self.keys.lock() {
            let old = keys.len().saturating_sub(1);
            keys.drain(..old);
        }
    }
}

#[tokio::main]
async fn main() -> Result {
    // `reqwest` without a TLS provider of its own uses that of the process.
    _ = rustls::crypto::ring::default_provider().install_default();
    run(3).await
}
