//! Replicas that DNS names.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use keyvault_appconfig::{LookupFailed, ServiceRecords};
use keyvault_test_support::log::Log;
use tokio::time::advance;

use super::*;

/// Records that a test sets, and the names that were looked up.
#[derive(Clone, Debug, Default)]
struct Records(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    targets: HashMap<String, Vec<String>>,
    fails: bool,
    asked: Vec<String>,
}

impl Records {
    /// Creates the records of `contoso` with these replicas.
    fn of(replicas: &[&str]) -> Self {
        let records = Self::default();
        records.set("_origin._tcp.contoso.azconfig.io", &["contoso.azconfig.io."]);
        records.set("_alt0._tcp.contoso.azconfig.io", replicas);
        records
    }

    fn set(&self, name: &str, targets: &[&str]) {
        let targets = targets.iter().map(|target| (*target).to_owned()).collect();
        self.0.lock().unwrap().targets.insert(name.to_owned(), targets);
    }

    fn fail(&self, fails: bool) {
        self.0.lock().unwrap().fails = fails;
    }

    /// Returns the number of look-ups since the last call.
    fn asked(&self) -> usize {
        std::mem::take(&mut self.0.lock().unwrap().asked).len()
    }
}

#[async_trait]
impl ServiceRecords for Records {
    async fn targets(&self, name: &str) -> Result<Vec<String>, LookupFailed> {
        let mut state = self.0.lock().unwrap();
        state.asked.push(name.to_owned());
        if state.fails { Err(LookupFailed) } else { Ok(state.targets.get(name).cloned().unwrap_or_default()) }
    }
}

async fn discovering(records: &Records) -> (Store, AppConfiguration) {
    let store = Store::new().await;
    for name in ["contoso", "contoso-west"] {
        store.handle(name).set("from", name);
    }
    let layer = builder(&store).discover_replicas_by(records.clone()).build().unwrap();
    (store, layer)
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_dns_names_answers_in_place_of_the_store() {
    let records = Records::of(&["contoso-west.azconfig.io.", "contoso.azconfig.io."]);
    let (store, layer) = discovering(&records).await;
    assert_eq!(read(&layer).await.unwrap(), ["from=contoso"]);
    assert_eq!(records.asked(), 0, "nothing is looked up while the store answers");
    store.fail("contoso ", 403);
    assert_eq!(read(&layer).await.unwrap(), ["from=contoso-west"]);
    assert_eq!(records.asked(), 3);
    store.recover();
    assert_eq!(read(&layer).await.unwrap(), ["from=contoso-west"], "the store rests");
    advance(Duration::from_secs(30)).await;
    assert_eq!(read(&layer).await.unwrap(), ["from=contoso"]);
    assert_eq!(records.asked(), 0);
}

#[tokio::test(start_paused = true)]
async fn no_answer_of_dns_leads_out_of_the_domain_of_the_store() {
    let forged = [
        "contoso.vault.azure.net",
        "contoso-west.azconfig.io.evil.example",
        "evil.example",
        "evilazconfig.io",
        "a.contoso.azconfig.io",
        "azconfig.io",
        "contoso.azconfig.azure.us",
        "contoso.azconfig.io@evil.example",
        "evil.example/.azconfig.io",
        "evil.example\\.azconfig.io",
        "evil.example?.azconfig.io",
        "contoso.azconfig.io:8443",
        "127.0.0.1",
        "\u{441}ontoso.azconfig.io",
        "",
        ".",
    ];
    let as_replica = Records::of(&forged);
    let as_origin = forged.map(|target| {
        let records = Records::default();
        records.set("_origin._tcp.contoso.azconfig.io", &[target]);
        records.set(&format!("_alt0._tcp.{target}"), &["contoso-west.azconfig.io"]);
        records
    });
    for records in [as_replica].iter().chain(&as_origin) {
        let (store, layer) = discovering(records).await;
        store.fail("", 403);
        assert_eq!(read(&layer).await.unwrap_err().kind(), keyvault::ErrorKind::Denied, "{records:?}");
        assert!(records.asked() > 0);
        let origins = store.origins();
        assert!(origins.iter().all(|origin| origin == "https://contoso.azconfig.io"), "{origins:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_number_of_replicas_and_of_look_ups_is_bounded() {
    let many: Vec<String> = (0..1_000).map(|number| format!("contoso-{number}.azconfig.io")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let records = Records::of(&many);
    (0..1_000).for_each(|number| records.set(&format!("_alt{number}._tcp.contoso.azconfig.io"), &many));
    let (store, layer) = discovering(&records).await;
    store.fail("", 403);
    read(&layer).await.unwrap_err();
    assert_eq!(records.asked(), 11);
    assert_eq!(store.requests().len(), 1 + 19, "the store, and 20 endpoints with it");
}

#[tokio::test(start_paused = true)]
async fn replicas_are_looked_up_again_after_an_hour_or_half_a_minute_after_a_failure() {
    let records = Records::of(&["contoso-west.azconfig.io"]);
    let (store, layer) = discovering(&records).await;
    let log = Log::begin();
    store.fail("contoso ", 403);
    records.fail(true);
    for (pause, looks_up) in [(0, true), (29, false), (1, true)] {
        advance(Duration::from_secs(pause)).await;
        assert_eq!(read(&layer).await.unwrap_err().kind(), keyvault::ErrorKind::Denied, "{pause}");
        assert_eq!(records.asked() > 0, looks_up, "{pause}");
    }
    assert!(log.text().contains("replicas could not be looked up"), "{}", log.text());
    records.fail(false);
    advance(Duration::from_secs(30)).await;
    assert_eq!(read(&layer).await.unwrap(), ["from=contoso-west"]);
    records.asked();
    for (pause, looks_up) in [(3_599, false), (1, true), (3_599, false)] {
        advance(Duration::from_secs(pause)).await;
        assert_eq!(read(&layer).await.unwrap(), ["from=contoso-west"], "{pause}");
        assert_eq!(records.asked() > 0, looks_up, "{pause}");
    }
    records.fail(true);
    advance(Duration::from_secs(3_600)).await;
    assert_eq!(read(&layer).await.unwrap(), ["from=contoso-west"], "those of the last look-up stay");
    records.fail(false);
    records.set("_alt0._tcp.contoso.azconfig.io", &[]);
    advance(Duration::from_secs(3_600)).await;
    assert!(read(&layer).await.is_err(), "the replica was removed");
}

#[tokio::test]
async fn an_endpoint_under_no_known_domain_has_no_replicas() {
    let records = Records::default();
    records.set("_origin._tcp.contoso.example", &["contoso.azconfig.io"]);
    let store = Store::new().await;
    let client = store.client().with_endpoint("https://contoso.example").unwrap();
    let layer = AppConfiguration::builder(client).discover_replicas_by(records.clone()).build().unwrap();
    store.fail("", 403);
    read(&layer).await.unwrap_err();
    assert_eq!(records.asked(), 0);
}
