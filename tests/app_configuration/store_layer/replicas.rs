//! Replicas of a store.

use std::time::Duration;

use keyvault::ErrorKind;
use keyvault_emulator::SetKeyValue;
use keyvault_test_support::log::Log;
use tokio::time::{Instant, advance, timeout};

use super::*;

/// A layer over a store and its replica, whose only setting says which of them was read.
async fn replicated() -> (Store, AppConfiguration) {
    let store = Store::new().await;
    for name in ["contoso", "contoso-west"] {
        store.handle(name).set("from", name);
    }
    let layer = builder(&store).replica("https://contoso-west.azconfig.io").build().unwrap();
    (store, layer)
}

fn asks_primary(requests: &[String]) -> bool {
    requests.iter().any(|request| request.starts_with("contoso "))
}

#[tokio::test(start_paused = true)]
async fn a_replica_answers_while_the_store_rests() {
    let (store, layer) = replicated().await;
    assert_eq!(read(&layer).await.unwrap(), ["from=contoso"]);
    store.fail("contoso ", 403);
    // The rests of a store that keeps failing, in seconds.
    for rest in [30, 60, 120, 240, 480, 600, 600] {
        store.requests();
        assert_eq!(read(&layer).await.unwrap(), ["from=contoso-west"]);
        assert!(asks_primary(&store.requests()), "the store is tried before it rests for {rest} s");
        advance(Duration::from_secs(rest - 1)).await;
        assert_eq!(read(&layer).await.unwrap(), ["from=contoso-west"]);
        assert!(!asks_primary(&store.requests()), "the store rests for {rest} s");
        advance(Duration::from_secs(1)).await;
    }
    store.recover();
    assert_eq!(read(&layer).await.unwrap(), ["from=contoso"]);
    store.fail("contoso ", 403);
    assert_eq!(read(&layer).await.unwrap(), ["from=contoso-west"]);
    advance(Duration::from_secs(30)).await;
    store.recover();
    assert_eq!(read(&layer).await.unwrap(), ["from=contoso"], "the rest begins at 30 s again");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_does_not_answer_rests_and_a_replica_is_asked() {
    let store = Store::new().await;
    store.handle("contoso-west").set("from", "contoso-west");
    // Each request may take longer than the whole read.
    let layer = builder(&store).replica("https://contoso-west.azconfig.io").timeout(Duration::from_secs(20));
    let layer = layer.build().unwrap();
    store.hang("contoso ");
    let began = Instant::now();
    assert_eq!(read(&layer).await.unwrap(), ["from=contoso-west"]);
    assert_eq!(began.elapsed(), Duration::from_secs(10), "each of the two has its share");
    store.requests();
    assert_eq!(read(&layer).await.unwrap(), ["from=contoso-west"]);
    assert!(!asks_primary(&store.requests()), "the store rests");
    store.hang("");
    let began = Instant::now();
    let error = read(&layer).await.unwrap_err();
    assert_eq!((began.elapsed(), error.is_transient()), (Duration::from_secs(20), true));
}

#[tokio::test(start_paused = true)]
async fn a_replica_is_asked_after_a_read_that_ended_before_the_share_of_the_store() {
    let (store, layer) = replicated().await;
    store.hang("contoso ");
    for (limit, expected) in [(4, None), (20, None), (20, Some("from=contoso-west"))] {
        let found = timeout(Duration::from_secs(limit), read(&layer)).await;
        assert_eq!(found.ok().map(|read| read.unwrap().remove(0)).as_deref(), expected, "{limit} s");
    }
    store.hang("contoso-west ");
    advance(Duration::from_secs(30)).await;
    assert_eq!(read(&layer).await.unwrap(), ["from=contoso"], "only the second read began a rest");
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_lags_behind_hides_no_failure_of_the_store() {
    let store = Store::new().await;
    store.set("from", "contoso");
    store.handle("contoso-west").page_size(3);
    let layer = builder(&store).replica("https://contoso-west.azconfig.io").build().unwrap();
    store.fail("contoso ", 503);
    for attempt in 0..3 {
        let error = read(&layer).await.unwrap_err();
        assert!(error.is_transient(), "{attempt} the replica has no key-value yet: {error}");
    }
    store.fail("contoso-west ", 503);
    assert_eq!(read(&layer).await.unwrap(), ["from=contoso"]);
    store.recover();
    store.delete("from");
    assert_eq!(read(&layer).await.unwrap_err().kind(), ErrorKind::NotFound, "the store itself is right");
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_rests_is_logged() {
    let log = Log::begin();
    let (store, layer) = replicated().await;
    read(&layer).await.unwrap();
    assert!(!log.text().contains("endpoint failed and rests"), "{}", log.text());
    store.fail("contoso ", 403);
    read(&layer).await.unwrap();
    let text = log.text();
    let line = text.lines().find(|line| line.contains("endpoint failed and rests")).expect("a warning");
    assert!(line.contains("WARN") && line.contains("https://contoso.azconfig.io"), "{line}");
}

#[tokio::test(start_paused = true)]
async fn only_a_failure_of_the_endpoint_leads_to_a_replica() {
    for (status, expected) in [
        (500, Some("from=contoso-west")),
        (503, Some("from=contoso-west")),
        (429, Some("from=contoso-west")),
        (401, Some("from=contoso-west")),
        (403, Some("from=contoso-west")),
        (400, None),
    ] {
        let (store, layer) = replicated().await;
        store.fail("contoso ", status);
        let found = read(&layer).await.ok().map(|mut settings| settings.remove(0));
        assert_eq!(found.as_deref(), expected, "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_read_fails_if_every_endpoint_does() {
    let (store, layer) = replicated().await;
    store.fail("", 403);
    assert_eq!(read(&layer).await.unwrap_err().kind(), ErrorKind::Denied);
    store.fail("contoso ", 403);
    assert_eq!(read(&layer).await.unwrap(), ["from=contoso-west"], "endpoints that rest are asked if no other is left");
    store.fail("", 503);
    assert!(read(&layer).await.unwrap_err().is_transient(), "another attempt can help");
}

#[tokio::test(start_paused = true)]
async fn a_read_is_of_one_endpoint() {
    let (store, layer) = replicated().await;
    for (name, i) in ["contoso", "contoso-west"].into_iter().flat_map(|name| (0..5).map(move |i| (name, i))) {
        store.handle(name).set_key_value(&format!("k{i}"), SetKeyValue::new(name));
    }
    store.fail("contoso list * next", 503);
    let found = read(&layer).await.unwrap();
    assert!(found.len() == 6 && found.iter().all(|setting| setting.ends_with("=contoso-west")), "{found:?}");
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_takes_over_changes_no_setting() {
    let store = Store::new().await;
    let flag = r#"{"id":"beta","telemetry":{"enabled":true,"metadata":{"ETag":"own"}}}"#;
    for name in ["contoso", "contoso-west"] {
        let flag = SetKeyValue::new(flag).content_type("application/vnd.microsoft.appconfig.ff+json").label("a b");
        store.handle(name).set_key_value(".appconfig.featureflag/beta", flag);
        store.handle(name).set("k", "1");
    }
    let layer = builder(&store).feature_flags("*", "a b").sentinel("version", "x");
    let layer = layer.replica("https://contoso-west.azconfig.io").build().unwrap();
    let document = async || {
        let settings = SettingStore::read(&layer).await.unwrap();
        let shown: Vec<String> = settings.iter().map(|(key, text)| format!("{key}={text}")).collect();
        (shown, settings.unmatched().to_vec())
    };
    let of_the_store = document().await;
    store.requests();
    store.fail("contoso ", 403);
    assert_eq!(document().await, of_the_store);
    assert!(store.requests().iter().any(|request| request.starts_with("contoso-west ")), "the replica was read");
}
