//! Follows a rotation at once: Event Grid posts to the service, which checks the sender and fetches the secret.
//!
//! ```sh
//! cargo run --example webhook
//! ```
//!
//! A service copies [`Receiver`] and [`Bearer`]. The vault, Entra and Event Grid are simulated in this process, so that
//! the example runs anywhere. It fails if the receiver accepts another sender than Event Grid, or if the settings do
//! not follow.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use figment::Figment;
use figment::providers::{Format, Toml};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use keyvault::Live;
use keyvault::push::{self, Webhook};
use keyvault_emulator::Emulator;
use keyvault_examples_support::{Result, client, ensure, print_heading};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Mutex;

// ── For your service ──

/// The endpoint that receives events from Event Grid and refuses every other sender.
#[derive(Clone)]
struct Receiver {
    webhook: Webhook,
    bearer: Arc<Bearer>,
}

impl Receiver {
    fn router(self) -> Router {
        Router::new().route("/events", any(Self::receive)).with_state(self)
    }

    async fn receive(State(this): State<Self>, request: Request) -> Response {
        let (parts, body) = request.into_parts();
        // The handshake of CloudEvents has neither a body nor a token.
        if parts.method != Method::OPTIONS
            && let Err(reason) = this.bearer.check(&parts.headers).await
        {
            // The reason is for the service's log alone. In the response it would help a forger.
            println!("    refused: {reason}");
            return StatusCode::UNAUTHORIZED.into_response();
        }
        let header = |name| parts.headers.get(name)?.to_str().ok();
        let answer = this.webhook.answer(parts.method.as_str(), header, body.into_data_stream()).await;
        let mut response = Response::new(Body::from(answer.body().to_owned()));
        *response.status_mut() = StatusCode::from_u16(answer.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        for (name, value) in answer.headers() {
            if let Ok(value) = HeaderValue::from_str(value) {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }
}

/// A check of the tokens that Entra issues to Event Grid for this service, in a
/// [protected delivery](https://learn.microsoft.com/azure/event-grid/secure-webhook-delivery).
struct Bearer {
    /// `https://login.microsoftonline.com/<tenant>/discovery/v2.0/keys`
    keys_url: String,
    http: reqwest::Client,
    validation: Validation,
    keys: Mutex<Keys>,
}

#[derive(Default)]
struct Keys {
    set: Option<JwkSet>,
    requested: Option<Instant>,
}

/// The claims that `jsonwebtoken` does not check: the application that Entra issued the token to, in version 1
/// (`appid`) and version 2 (`azp`) of the tokens.
#[derive(Deserialize)]
struct Claims {
    appid: Option<String>,
    azp: Option<String>,
}

impl Bearer {
    /// Creates the check.
    ///
    /// `issuer` is `https://sts.windows.net/<tenant>/` in version 1 of the tokens and
    /// `https://login.microsoftonline.com/<tenant>/v2.0` in version 2. `audience` is the application that is registered
    /// for the webhook.
    fn new(keys_url: String, issuer: &str, audience: &str) -> reqwest::Result<Self> {
        // The service chooses the algorithm, not the token.
        let mut validation = Validation::new(Algorithm::RS256);
        validation.set_issuer(&[issuer]);
        validation.set_audience(&[audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        validation.validate_nbf = true;
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_secs(10))
            .build()?;
        Ok(Self { keys_url, http, validation, keys: Mutex::default() })
    }

    /// Checks the token of a request, and returns the reason if it is refused.
    async fn check(&self, headers: &HeaderMap) -> Result<(), &'static str> {
        let header = headers.get(AUTHORIZATION).ok_or("no token")?;
        let token =
            header.to_str().ok().and_then(|header| header.strip_prefix("Bearer ")).ok_or("not a bearer token")?;
        let kid = jsonwebtoken::decode_header(token).ok().and_then(|header| header.kid).ok_or("no key ID")?;
        let key = self.key(&kid).await.ok_or("unknown key")?;
        let token = jsonwebtoken::decode::<Claims>(token, &key, &self.validation).map_err(|error| {
            use jsonwebtoken::errors::ErrorKind;
            match error.kind() {
                ErrorKind::ExpiredSignature => "expired",
                ErrorKind::InvalidAudience => "wrong audience",
                ErrorKind::InvalidIssuer => "wrong issuer",
                ErrorKind::InvalidSignature => "invalid signature",
                _ => "invalid",
            }
        })?;
        match token.claims.azp.or(token.claims.appid) {
            Some(caller) if caller == EVENT_GRID => Ok(()),
            _ => Err("issued to another application than Event Grid"),
        }
    }

    /// Returns the key with this ID. Fetches the keys of Entra if the ID is unknown, at most once a minute.
    async fn key(&self, kid: &str) -> Option<DecodingKey> {
        let mut keys = self.keys.lock().await;
        let known = keys.set.as_ref().is_some_and(|set| set.find(kid).is_some());
        if !known && keys.requested.is_none_or(|requested| requested.elapsed() > Duration::from_secs(60)) {
            keys.requested = Some(Instant::now());
            let answer = self.http.get(&self.keys_url).send().await.ok()?;
            keys.set = Some(answer.error_for_status().ok()?.json().await.ok()?);
        }
        DecodingKey::from_jwk(keys.set.as_ref()?.find(kid)?).ok()
    }
}

/// The application ID of Event Grid in the public cloud.
const EVENT_GRID: &str = "4962773b-9cdb-44cf-a8bf-237846a00ab7";

#[derive(Deserialize)]
struct Settings {
    password: SecretString,
}

// ── The demonstration ──

async fn run() -> Result {
    // Each rotation advances the clock of the vault, so that no two are in the same second.
    let emulator = Emulator::builder()
        .clock(|| SystemTime::now() + Duration::from_secs(10) * ROTATIONS.load(Ordering::Relaxed))
        .start()
        .await?;
    emulator.set("db-password", "correct horse battery staple");

    let (webhook, events) = push::webhook();
    let live: Live<Settings> = keyvault_figment::layered(client(&emulator)?, || {
        Figment::new().merge(Toml::string("password = '@KeyVault(SecretName=db-password)'"))
    })
    .references_only()
    .refresh_every(Duration::from_secs(3_600))
    .events(events)
    // Keep the default of half a minute in a fleet, so that its instances do not refresh all at once.
    .event_spread(Duration::ZERO)
    .start()
    .await?;

    let entra = Entra::new()?;
    let keys_url = format!("http://{}/keys", serve(entra.router()).await?);
    let bearer = Arc::new(Bearer::new(keys_url, ISSUER, AUDIENCE)?);
    let url = format!("http://{}/events", serve(Receiver { webhook, bearer }.router()).await?);
    let grid = EventGrid { url, http: reqwest::Client::new() };

    handshakes(&grid, &entra).await?;
    refusals(&grid, &entra, &emulator).await?;
    rotations(&grid, &entra, &emulator, &live).await?;
    live.shutdown().await;
    Ok(())
}

async fn handshakes(grid: &EventGrid, entra: &Entra) -> Result {
    print_heading("Handshakes");
    let validation = json!([{
        "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent",
        "data": { "validationCode": "512d38b6", "validationUrl": "https://unused.example" }
    }]);
    let (status, body) = grid.post(Some(&entra.token(entra.claims())?), &validation).await?;
    println!("Event Grid schema: {status} {body}");
    ensure(status == 200 && body == r#"{"validationResponse":"512d38b6"}"#, "the handshake was not answered")?;
    let allowed = grid.request_permission("eventgrid.azure.net").await?;
    println!("CloudEvents: deliveries from {allowed:?} are allowed");
    ensure(allowed.as_deref() == Some("eventgrid.azure.net"), "the CloudEvents handshake was not answered")
}

async fn refusals(grid: &EventGrid, entra: &Entra, emulator: &Emulator) -> Result {
    print_heading("Refused senders");
    let requests = emulator.requests().total;
    let version = rotate(emulator, "rotated without a valid event");
    let event = grid.event(emulator, &version);
    let mut expired = entra.claims();
    expired["exp"] = json!(seconds() - 3_600);
    let mut early = entra.claims();
    early["nbf"] = json!(seconds() + 3_600);
    let with = |claim: &str, value: &str| {
        let mut claims = entra.claims();
        claims[claim] = json!(value);
        claims
    };
    let forger = Entra::new()?;
    for (sender, token) in [
        ("no token", None),
        ("a token without a signature", Some(unsigned(&entra.claims()))),
        ("a token signed with another key", Some(forger.token(forger.claims())?)),
        ("a token for another service", Some(entra.token(with("aud", "api://another"))?)),
        ("a token from another tenant", Some(entra.token(with("iss", "https://sts.windows.net/another/"))?)),
        ("an expired token", Some(entra.token(expired)?)),
        ("a token that is not yet valid", Some(entra.token(early)?)),
        ("a token of another application", Some(entra.token(with("appid", "another"))?)),
    ] {
        println!("{sender}");
        let (status, _) = grid.post(token.as_deref(), &event).await?;
        ensure(status == 401, "another sender was accepted")?;
    }
    ensure(emulator.requests().total == requests, "a refused event caused a request to the vault")
}

/// Rotates a secret in a vault with the latency of one in Azure, and measures the time from the event to the settings.
async fn rotations(grid: &EventGrid, entra: &Entra, emulator: &Emulator, live: &Live<Settings>) -> Result {
    print_heading("Rotation");
    let token = entra.token(entra.claims())?;
    let mut watcher = live.watch();
    emulator.set_latency(ROUND_TRIP);
    let requests = emulator.requests().total;
    let mut times = Vec::new();
    for round in 0..20 {
        let password = format!("password {round}");
        let version = rotate(emulator, &password);
        let posted = Instant::now();
        let (status, _) = grid.post(Some(&token), &grid.event(emulator, &version)).await?;
        ensure(status == 200, "an event of Event Grid was refused")?;
        let change = tokio::time::timeout(Duration::from_secs(10), watcher.changed()).await?;
        times.push(posted.elapsed());
        ensure(change.is_some(), "the refresh ended")?;
        ensure(live.current().password.expose_secret() == password, "the settings are not new")?;
    }
    times.sort();
    let (median, slowest) = (times[times.len() / 2], times[times.len() - 1]);
    println!(
        "A request to the vault takes {ROUND_TRIP:?}. From the event to the settings, in {} rotations:",
        times.len()
    );
    println!(
        "median {median:.1?} ({:.1?} more than the request), slowest {slowest:.1?}.",
        median.saturating_sub(ROUND_TRIP)
    );
    ensure(emulator.requests().total - requests == times.len() as u64, "an event costs more than one request")?;
    // The slowest depends on the machine: the vault and Event Grid run in this process, too.
    ensure(median <= ROUND_TRIP + Duration::from_millis(50), "new settings took too long")
}

const ROUND_TRIP: Duration = Duration::from_millis(40);

fn rotate(emulator: &Emulator, password: &str) -> String {
    ROTATIONS.fetch_add(1, Ordering::Relaxed);
    emulator.set("db-password", password)
}

static ROTATIONS: AtomicU32 = AtomicU32::new(0);

// ── The simulation of Azure ──

/// An issuer of tokens that publishes its public key.
struct Entra {
    key: EncodingKey,
    keys: Value,
}

impl Entra {
    fn new() -> Result<Self> {
        let pair = KeyPair::generate(KeySize::Rsa2048)?;
        let base64 = azure_core::base64::encode(pair.as_der()?.as_ref());
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{base64}\n-----END PRIVATE KEY-----\n");
        let part = azure_core::base64::encode_url_safe::<&[u8]>;
        let public = pair.public_key();
        let n = part(public.modulus().big_endian_without_leading_zero());
        let e = part(public.exponent().big_endian_without_leading_zero());
        let keys = json!({ "keys": [{ "kty": "RSA", "use": "sig", "kid": KID, "n": n, "e": e }] });
        Ok(Self { key: EncodingKey::from_rsa_pem(pem.as_bytes())?, keys })
    }

    fn router(&self) -> Router {
        let keys = self.keys.to_string();
        Router::new().route("/keys", get(|| async { keys }))
    }

    fn claims(&self) -> Value {
        let now = seconds();
        json!({ "iss": ISSUER, "aud": AUDIENCE, "appid": EVENT_GRID, "iat": now, "nbf": now, "exp": now + 3_600 })
    }

    fn token(&self, claims: Value) -> jsonwebtoken::errors::Result<String> {
        let header = Header { kid: Some(KID.into()), ..Header::new(Algorithm::RS256) };
        jsonwebtoken::encode(&header, &claims, &self.key)
    }
}

const ISSUER: &str = "https://sts.windows.net/2f4a9838-26b7-47ee-be60-ccc1fdec5953/";
const AUDIENCE: &str = "api://shop-events";
const KID: &str = "the only key";

fn unsigned(claims: &Value) -> String {
    let part = azure_core::base64::encode_url_safe::<String>;
    let header = json!({ "alg": "none", "kid": KID });
    format!("{}.{}.", part(header.to_string()), part(claims.to_string()))
}

fn seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// A sender of events.
struct EventGrid {
    url: String,
    http: reqwest::Client,
}

impl EventGrid {
    fn event(&self, emulator: &Emulator, version: &str) -> Value {
        json!([{
            "id": "00eccf70-95a7-4e7c-8299-2eb17ee9ad64",
            "subject": "db-password",
            "eventType": "Microsoft.KeyVault.SecretNewVersionCreated",
            "data": { "Id": format!("{}/secrets/db-password/{version}", emulator.vault_url().trim_end_matches('/')) }
        }])
    }

    async fn post(&self, token: Option<&str>, events: &Value) -> reqwest::Result<(u16, String)> {
        let mut request = self.http.post(&self.url).json(events);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let response = request.send().await?;
        Ok((response.status().as_u16(), response.text().await?))
    }

    async fn request_permission(&self, origin: &str) -> reqwest::Result<Option<String>> {
        let request = self.http.request(reqwest::Method::OPTIONS, &self.url);
        let response = request.header("WebHook-Request-Origin", origin).send().await?;
        let allowed = response.headers().get("WebHook-Allowed-Origin");
        Ok(allowed.and_then(|allowed| allowed.to_str().ok()).map(ToOwned::to_owned))
    }
}

/// Serves on loopback and returns the address.
async fn serve(router: Router) -> std::io::Result<std::net::SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(address)
}

#[tokio::main]
async fn main() -> Result {
    // `reqwest` without a TLS provider of its own uses that of the process.
    _ = rustls::crypto::ring::default_provider().install_default();
    run().await
}
