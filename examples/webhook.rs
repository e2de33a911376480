//! Settings that follow a rotation at once: Event Grid posts to the service, which checks who posts and asks the vault.
//!
//! ```sh
//! cargo run --example webhook
//! ```
//!
//! [`Receiver`] and [`Bearer`] are what a service takes over. The vault is an emulator in this process; what stands in for
//! Entra and Event Grid is there too, so that the example runs anywhere. It fails if anybody but Event Grid gets through,
//! or if the settings do not follow.

use std::error::Error;
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
use keyvault_examples::client;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Mutex;

// ── What a service takes over ──

/// Receives events, and nothing that is not from Event Grid.
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
        // The handshake of CloudEvents takes nothing in and has no token.
        if parts.method != Method::OPTIONS
            && let Err(reason) = this.bearer.check(&parts.headers).await
        {
            // For this service's own log: a stranger is not told what a better forgery needs.
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

/// Knows the tokens that Entra gives Event Grid for this service, as a
/// [protected delivery](https://learn.microsoft.com/azure/event-grid/secure-webhook-delivery) has them.
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
    asked: Option<Instant>,
}

/// What is in a token beside what `jsonwebtoken` checks: the application that it was given to, by the name that tokens of
/// version 1 or 2 have for it.
#[derive(Deserialize)]
struct Claims {
    appid: Option<String>,
    azp: Option<String>,
}

impl Bearer {
    /// `issuer` is `https://sts.windows.net/<tenant>/` or `https://login.microsoftonline.com/<tenant>/v2.0`, by the version
    /// of the tokens; `audience` is the application that was registered for the webhook.
    fn new(keys_url: String, issuer: &str, audience: &str) -> reqwest::Result<Self> {
        // One algorithm, chosen here and not by the token.
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

    async fn check(&self, headers: &HeaderMap) -> Result<(), &'static str> {
        let header = headers.get(AUTHORIZATION).ok_or("no token")?;
        let token =
            header.to_str().ok().and_then(|header| header.strip_prefix("Bearer ")).ok_or("not a bearer token")?;
        let kid = jsonwebtoken::decode_header(token).ok().and_then(|header| header.kid).ok_or("names no key")?;
        let key = self.key(&kid).await.ok_or("signed with a key that Entra does not have")?;
        let token = jsonwebtoken::decode::<Claims>(token, &key, &self.validation).map_err(|error| {
            use jsonwebtoken::errors::ErrorKind;
            match error.kind() {
                ErrorKind::ExpiredSignature => "expired",
                ErrorKind::InvalidAudience => "for another service",
                ErrorKind::InvalidIssuer => "of another issuer",
                ErrorKind::InvalidSignature => "signature is not valid",
                _ => "not valid",
            }
        })?;
        match token.claims.azp.or(token.claims.appid) {
            Some(caller) if caller == EVENT_GRID => Ok(()),
            _ => Err("given to another application than Event Grid"),
        }
    }

    /// Finds the key, and asks Entra for its keys if it has a new one, at most once in a minute.
    async fn key(&self, kid: &str) -> Option<DecodingKey> {
        let mut keys = self.keys.lock().await;
        let known = keys.set.as_ref().is_some_and(|set| set.find(kid).is_some());
        if !known && keys.asked.is_none_or(|asked| asked.elapsed() > Duration::from_secs(60)) {
            keys.asked = Some(Instant::now());
            let answer = self.http.get(&self.keys_url).send().await.ok()?;
            keys.set = Some(answer.error_for_status().ok()?.json().await.ok()?);
        }
        DecodingKey::from_jwk(keys.set.as_ref()?.find(kid)?).ok()
    }
}

/// The application id of Event Grid in the public cloud, the same for everybody.
const EVENT_GRID: &str = "4962773b-9cdb-44cf-a8bf-237846a00ab7";

#[derive(Deserialize)]
struct Settings {
    password: SecretString,
}

// ── The story ──

async fn run() -> Result<(), Box<dyn Error>> {
    // The vault's clock goes by rotations, of which no two are in one second.
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
    // A fleet would keep the default, half a minute, so that one rotation is not one herd.
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

async fn handshakes(grid: &EventGrid, entra: &Entra) -> Result<(), Box<dyn Error>> {
    heading("Handshakes");
    let validation = json!([{
        "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent",
        "data": { "validationCode": "512d38b6", "validationUrl": "https://nobody.asks.this.example" }
    }]);
    let (status, body) = grid.post(Some(&entra.token(entra.claims())?), &validation).await?;
    println!("Event Grid schema: {status} {body}");
    ensure(status == 200 && body == r#"{"validationResponse":"512d38b6"}"#, "the handshake was not answered")?;
    let allowed = grid.ask_to_deliver("eventgrid.azure.net").await?;
    println!("CloudEvents: deliveries from {allowed:?} are welcome");
    ensure(allowed.as_deref() == Some("eventgrid.azure.net"), "the handshake of CloudEvents was not answered")
}

async fn refusals(grid: &EventGrid, entra: &Entra, emulator: &Emulator) -> Result<(), Box<dyn Error>> {
    heading("Who gets through");
    let asked = emulator.requests().total;
    let version = rotate(emulator, "rotated, and nobody was told who may tell");
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
    for (who, token) in [
        ("nobody", None),
        ("a token without a signature", Some(unsigned(&entra.claims()))),
        ("a forger with a key of his own", Some(forger.token(forger.claims())?)),
        ("a token for another service", Some(entra.token(with("aud", "api://another"))?)),
        ("a token of another tenant", Some(entra.token(with("iss", "https://sts.windows.net/another/"))?)),
        ("a token that has expired", Some(entra.token(expired)?)),
        ("a token before its time", Some(entra.token(early)?)),
        ("another application of the tenant", Some(entra.token(with("appid", "another"))?)),
    ] {
        println!("{who}");
        let (status, _) = grid.post(token.as_deref(), &event).await?;
        ensure(status == 401, "somebody else got through")?;
    }
    ensure(emulator.requests().total == asked, "somebody else made this service ask the vault")
}

/// Rotates with a vault that is as far away as one in Azure, and measures from the post to the settings.
async fn rotations(
    grid: &EventGrid,
    entra: &Entra,
    emulator: &Emulator,
    live: &Live<Settings>,
) -> Result<(), Box<dyn Error>> {
    heading("Rotation");
    let token = entra.token(entra.claims())?;
    let mut watcher = live.watch();
    emulator.set_latency(ROUND_TRIP);
    let asked = emulator.requests().total;
    let mut times = Vec::new();
    for round in 0..20 {
        let password = format!("password {round}");
        let version = rotate(emulator, &password);
        let posted = Instant::now();
        let (status, _) = grid.post(Some(&token), &grid.event(emulator, &version)).await?;
        ensure(status == 200, "Event Grid did not get through")?;
        let change = tokio::time::timeout(Duration::from_secs(10), watcher.changed()).await?;
        times.push(posted.elapsed());
        ensure(change.is_some(), "the refresh has ended")?;
        ensure(live.current().password.expose_secret() == password, "the settings are not the new ones")?;
    }
    times.sort();
    let (median, worst) = (times[times.len() / 2], times[times.len() - 1]);
    println!("The vault is {ROUND_TRIP:?} away. From the event to the new settings, of {} rotations:", times.len());
    println!(
        "median {median:.1?}, worst {worst:.1?}: {:.1?} beside the round trip.",
        median.saturating_sub(ROUND_TRIP)
    );
    ensure(emulator.requests().total - asked == times.len() as u64, "an event costs more than one request")?;
    // The worst is the machine's: the vault is in this process, too, and so is Event Grid.
    ensure(median <= ROUND_TRIP + Duration::from_millis(50), "new settings took longer than promised")
}

const ROUND_TRIP: Duration = Duration::from_millis(40);

fn rotate(emulator: &Emulator, password: &str) -> String {
    ROTATIONS.fetch_add(1, Ordering::Relaxed);
    emulator.set("db-password", password)
}

static ROTATIONS: AtomicU32 = AtomicU32::new(0);

fn heading(text: &str) {
    println!("\n── {text} ──\n");
}

fn ensure(holds: bool, otherwise: &'static str) -> Result<(), Box<dyn Error>> {
    if holds { Ok(()) } else { Err(otherwise.into()) }
}

// ── What stands in for Azure ──

/// Signs tokens, and tells the key to check them with.
struct Entra {
    key: EncodingKey,
    keys: Value,
}

impl Entra {
    fn new() -> Result<Self, Box<dyn Error>> {
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

/// Posts events to the webhook.
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

    async fn ask_to_deliver(&self, origin: &str) -> reqwest::Result<Option<String>> {
        let request = self.http.request(reqwest::Method::OPTIONS, &self.url);
        let response = request.header("WebHook-Request-Origin", origin).send().await?;
        let allowed = response.headers().get("WebHook-Allowed-Origin");
        Ok(allowed.and_then(|allowed| allowed.to_str().ok()).map(ToOwned::to_owned))
    }
}

/// Serves on loopback and tells where.
async fn serve(router: Router) -> std::io::Result<std::net::SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(address)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    run().await
}
