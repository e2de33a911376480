//! Reads send the same requests as the official client, except for listed differences.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use azure_core::credentials::TokenCredential;
use azure_security_keyvault_secrets::models::SecretClientGetSecretOptions;
use azure_security_keyvault_secrets::{SecretClient as Official, SecretClientOptions};
use futures::TryStreamExt;
use keyvault::SecretClient;
use keyvault_emulator::{Emulator, Fault, SetSecret};
use keyvault_test_support::CONTOSO;
use keyvault_test_support::credential::FakeCredential;
use keyvault_test_support::emulator::transport_to;
use keyvault_test_support::transport::{FakeResponse, FakeTransport, SentRequest};

use crate::official_model::{Model, model_of_official};

/// Both clients, each with its own transport to the same vault.
struct Pair {
    emulator: Arc<Emulator>,
    official: Official,
    ours: SecretClient,
    wires: [Arc<FakeTransport>; 2],
}

impl Pair {
    async fn new() -> Self {
        let emulator = Arc::new(Emulator::start().await.unwrap());
        let wires = [transport_to(&emulator), transport_to(&emulator)];
        let credential = FakeCredential::fixed(emulator.token());
        let official = official(&wires[0], &credential);
        let ours = wires[1].client(&credential).build().unwrap();
        Self { emulator, official, ours, wires }
    }

    /// Returns the requests of both so far, without the unauthenticated requests of the official client.
    fn sent(&self) -> [Vec<Shape>; 2] {
        let shapes = |wire: &Arc<FakeTransport>| wire.sent().iter().filter_map(Shape::of).collect();
        [shapes(&self.wires[0]), shapes(&self.wires[1])]
    }
}

fn official(wire: &Arc<FakeTransport>, credential: &Arc<FakeCredential>) -> Official {
    let options = SecretClientOptions { client_options: wire.options(), ..SecretClientOptions::default() };
    Official::new(CONTOSO, Arc::clone(credential) as Arc<dyn TokenCredential>, Some(options)).unwrap()
}

/// A request without the parts that identify a client: the value of `api-version`, its identifiers, its user agent.
#[derive(Debug, Eq, PartialEq)]
struct Shape {
    method: &'static str,
    origin: String,
    path: String,
    queries: BTreeMap<String, String>,
    header_names: BTreeSet<String>,
    accept: Option<String>,
    scheme: String,
}

impl Shape {
    /// `None` for a request that only elicits a challenge.
    fn of(sent: &SentRequest) -> Option<Self> {
        let query = |(key, value): (_, _)| (String::from(key), String::from(value));
        let mut queries: BTreeMap<_, _> = sent.url.query_pairs().map(query).collect();
        queries.entry("api-version".to_owned()).and_modify(String::clear);
        Some(Self {
            method: sent.method.as_str(),
            origin: sent.origin(),
            path: sent.url.path().to_owned(),
            queries,
            header_names: sent.header_names(),
            accept: sent.header("accept").map(str::to_owned),
            scheme: sent.header("authorization")?.split(' ').next()?.to_owned(),
        })
    }
}

fn version_of(id: &str) -> String {
    id.rsplit('/').next().unwrap().to_owned()
}

#[tokio::test]
async fn both_clients_send_the_same_requests_and_return_the_same_result() {
    let pair = Pair::new().await;
    let vault = pair.emulator.vault("contoso");
    let later = SystemTime::now() + Duration::from_secs(1_000);
    let secret = SetSecret::new("a\0b\r\n\"\\ü🔑").content_type("text/plain").tag("k", "v").tag("ü", "");
    let old = version_of(&vault.set_secret("Db-Password", secret.expires(later).not_before(later)));
    vault.set("Db-Password", "");
    for n in 0..60 {
        vault.set_secret(&format!("s{n}"), SetSecret::new("x").enabled(n != 7).tag("n", n.to_string()));
    }

    for version in [None, Some(old)] {
        let options = SecretClientGetSecretOptions { secret_version: version.clone(), ..Default::default() };
        let official = pair.official.get_secret("Db-Password", Some(options)).await.unwrap().into_model().unwrap();
        let ours = match &version {
            Some(version) => pair.ours.get_version("Db-Password", version).await.unwrap(),
            None => pair.ours.get("Db-Password").await.unwrap(),
        };
        let ours = Model::of_ours(ours.properties(), Some(ours.expose_secret()));
        assert_eq!(ours, model_of_official!(official.clone(), official.value));
    }

    let official: Vec<_> = pair.official.list_secret_properties(None).unwrap().try_collect().await.unwrap();
    let ours: Vec<_> = pair.ours.list().try_collect().await.unwrap();
    assert_eq!(ours.len(), 61);
    let official: Vec<_> = official.into_iter().map(|item| model_of_official!(item, None)).collect();
    assert_eq!(ours.iter().map(|item| Model::of_ours(item, None)).collect::<Vec<_>>(), official);

    let official: Vec<_> =
        pair.official.list_secret_properties_versions("Db-Password", None).unwrap().try_collect().await.unwrap();
    let ours: Vec<_> = pair.ours.list_versions("Db-Password").try_collect().await.unwrap();
    assert_eq!(ours.len(), 2);
    let official: Vec<_> = official.into_iter().map(|item| model_of_official!(item, None)).collect();
    assert_eq!(ours.iter().map(|item| Model::of_ours(item, None)).collect::<Vec<_>>(), official);

    let [official, ours] = pair.sent();
    assert_eq!(ours.len(), 2 + 3 + 1);
    assert_eq!(ours, official);
}

#[tokio::test]
async fn both_clients_report_the_same_refusals() {
    let pair = Pair::new().await;
    let vault = pair.emulator.vault("contoso");
    vault.set_secret("off", SetSecret::new("x").enabled(false));
    vault.set("there", "x");
    for (name, fault) in [
        ("missing", None),
        ("off", None),
        ("there", Some(Fault::status(400))),
        ("there", Some(Fault::status(403))),
        ("there", Some(Fault::status(404))),
        ("there", Some(Fault::Redirect(CONTOSO.to_owned()))),
    ] {
        pair.emulator.clear_faults();
        if let Some(fault) = &fault {
            pair.emulator.fault(fault.clone());
        }
        let official = pair.official.get_secret(name, None).await.unwrap_err();
        let ours = pair.ours.get(name).await.unwrap_err();
        let status = official.http_status().map(u16::from);
        assert!(status.is_some(), "{name} {fault:?}");
        assert_eq!(ours.http_status(), status, "{name} {fault:?}");
    }
    // The first request of the official client carried no token when it was refused.
    let [official, ours] = pair.sent();
    assert_eq!(ours, official);
}

/// The intended differences: the topic, the official client, our client.
///
/// If the official column of a row no longer holds, the official client has changed.
const DIFFERENCES: [(&str, &str, &str); 6] = [
    ("the first request", "no token", "token"),
    ("requests of ten first reads", "20", "10"),
    ("tokens for ten first reads", "several", "1"),
    ("api-version", "2025-07-01", "2026-04-01"),
    ("a name with a path in it", "GET /keys/k/", "nothing"),
    ("a next page at another host", "followed, with the token", "nothing"),
];

#[tokio::test(start_paused = true)]
async fn every_difference_is_listed() {
    let mut found = Vec::new();
    let said = |sent: &SentRequest| format!("{} {}", sent.method.as_str(), sent.url.path());

    let pair = Pair::new().await;
    pair.emulator.vault("contoso").set("a", "x");
    pair.official.get_secret("a", None).await.unwrap();
    pair.ours.get("a").await.unwrap();
    let firsts = pair.wires.each_ref().map(|wire| wire.sent()[0].clone());
    let token = |sent: &SentRequest| if sent.header("authorization").is_some() { "token" } else { "no token" };
    found.push(firsts.each_ref().map(|sent| token(sent).to_owned()));

    let cold = Pair::new().await;
    cold.emulator.vault("contoso").set("a", "x");
    cold.emulator.set_latency(Duration::from_millis(10));
    let credentials = [0, 1].map(|_| FakeCredential::fresh(&cold.emulator));
    let their = official(&cold.wires[0], &credentials[0]);
    let our = cold.wires[1].client(&credentials[1]).build().unwrap();
    // Some requests of the official client may fail here. That is part of the difference.
    _ = futures::future::join_all((0..10).map(|_| their.get_secret("a", None))).await;
    for secret in futures::future::join_all((0..10).map(|_| our.get("a"))).await {
        secret.unwrap();
    }
    found.push(cold.wires.each_ref().map(|wire| wire.sent().len().to_string()));
    // The exact number depends on which request is first.
    let several = |requests: usize| if requests == 1 { "1" } else { "several" };
    found.push(credentials.each_ref().map(|credential| several(credential.requests()).to_owned()));

    found.push(firsts.map(|sent| sent.query("api-version").unwrap()));

    let pair = Pair::new().await;
    _ = pair.official.get_secret("../keys/k", None).await;
    _ = pair.ours.get("../keys/k").await;
    found.push(pair.wires.map(|wire| wire.sent().last().map_or("nothing".to_owned(), said)));

    let astray = || {
        FakeTransport::scripted(|sent| {
            Ok(match sent.header("authorization") {
                None => FakeResponse::new(401, "{}").header("www-authenticate", CHALLENGE),
                Some(_) if sent.origin() == CONTOSO => {
                    FakeResponse::new(200, r#"{"value":[],"nextLink":"https://evil.example/secrets"}"#)
                }
                Some(_) => FakeResponse::new(200, r#"{"value":[]}"#),
            })
        })
    };
    let wires = [astray(), astray()];
    let credential = FakeCredential::fixed("token");
    _ = official(&wires[0], &credential).list_secret_properties(None).unwrap().try_collect::<Vec<_>>().await;
    _ = wires[1].client(&credential).build().unwrap().list().try_collect::<Vec<_>>().await;
    let went_astray = |wire: &Arc<FakeTransport>| match wire.sent().iter().find(|sent| sent.origin() != CONTOSO) {
        Some(sent) if sent.header("authorization").is_some() => "followed, with the token",
        Some(_) => "followed, without a token",
        None => "nothing",
    };
    found.push(wires.each_ref().map(|wire| went_astray(wire).to_owned()));

    for ((what, official, ours), found) in DIFFERENCES.into_iter().zip(found) {
        assert_eq!(found, [official, ours], "{what}");
    }
}

const CHALLENGE: &str =
    r#"Bearer authorization="https://login.microsoftonline.com/t", resource="https://vault.azure.net""#;
