//! An API key rotates under load, and no request is refused: with `reqwest`.
//!
//! ```sh
//! cargo run --example api_key
//! ```
//!
//! Whoever issued the key accepts the old one beside the new one for a while. That is all the time there is: a client that
//! has the key in its headers must be replaced within it.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use figment::Figment;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use keyvault::ValidationError;
use keyvault_emulator::Emulator;
use keyvault_examples::{Load, Outcome, client, new_password};
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

/// Makes a client that has the key in each of its requests, and does not show it.
fn client_with(key: &SecretString) -> Result<reqwest::Client, ValidationError> {
    let unfit = ValidationError::because("the key cannot stand in a header");
    let mut key = HeaderValue::from_str(key.expose_secret()).map_err(unfit)?;
    key.set_sensitive(true);
    let headers = HeaderMap::from_iter([(API_KEY, key)]);
    let client = reqwest::Client::builder().default_headers(headers).no_proxy().timeout(Duration::from_secs(10));
    client.build().map_err(ValidationError::because("the HTTP client cannot be set up"))
}

const API_KEY: http::HeaderName = http::HeaderName::from_static("x-api-key");

/// Tells the story.
async fn run(rotations: usize) -> Outcome {
    let emulator = Emulator::start().await?;
    let key = new_password();
    emulator.set(SECRET, &key);
    let server = Server::start(key).await?;

    let interval = Duration::from_secs(1);
    let live =
        keyvault_figment::layered(client(&emulator)?, Figment::new).refresh_every(interval).start::<Settings>().await?;
    let weather =
        live.derive(["weather"], async |settings: Arc<Settings>| client_with(&settings.weather.api_key)).await?;

    let (url, asking) = (format!("http://{}/", server.address), weather.clone());
    let load = Load::begin(8, Duration::from_millis(5), move || {
        let (client, url) = (asking.current(), url.clone());
        async move {
            client.get(url).send().await?.error_for_status()?;
            Ok(())
        }
    });
    let mut watcher = weather.watch();
    for n in 1..=rotations {
        let begun = Instant::now();
        let key = new_password();
        server.accept(key.clone());
        emulator.set(SECRET, &key);
        timeout(OVERLAP, watcher.replaced()).await?.ok_or("the client does not follow")?;
        println!("{n:>3} new client after {} ms", begun.elapsed().as_millis());
        sleep(OVERLAP.saturating_sub(begun.elapsed())).await;
        server.refuse_all_but_the_newest();
    }
    // Still under load, with nothing but the last key.
    sleep(interval).await;
    let counts = load.end().await;
    weather.shutdown().await;
    live.shutdown().await;
    counts.all_served()
}

const SECRET: &str = "Weather--Api-Key";
/// How long the server accepts the old key.
const OVERLAP: Duration = Duration::from_secs(4);

/// A server that answers those who have a key.
struct Server {
    address: SocketAddr,
    keys: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn start(key: String) -> Outcome<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let this = Self { address: listener.local_addr()?, keys: Arc::new(Mutex::new(vec![key])) };
        let keys = Arc::clone(&this.keys);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let keys = Arc::clone(&keys);
                let answer = service_fn(move |request: Request<Incoming>| {
                    let key = request.headers().get(API_KEY).and_then(|key| key.to_str().ok()).unwrap_or_default();
                    let known = keys.lock().is_ok_and(|keys| keys.iter().any(|known| known == key));
                    let mut response = Response::new(String::new());
                    *response.status_mut() = if known { StatusCode::OK } else { StatusCode::UNAUTHORIZED };
                    std::future::ready(Ok::<_, std::convert::Infallible>(response))
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(socket), answer));
            }
        });
        Ok(this)
    }

    fn accept(&self, key: String) {
        if let Ok(mut keys) = self.keys.lock() {
            keys.push(key);
        }
    }

    fn refuse_all_but_the_newest(&self) {
        if let Ok(mut keys) = self.keys.lock() {
            let old = keys.len().saturating_sub(1);
            keys.drain(..old);
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    run(3).await
}
