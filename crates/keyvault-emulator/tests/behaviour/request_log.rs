//! Counters, log, and the number of concurrent requests.

use std::time::Duration;

use futures::future::join_all;
use keyvault_emulator::{Emulator, Requests};

use crate::{call, get, with_version};

#[tokio::test]
async fn each_request_counts_once_in_the_total_and_once_by_operation() {
    let emulator = Emulator::start().await.unwrap();
    emulator.set("seed", "1");
    emulator.vault("contoso").set("a", "1");
    let backup = call(&emulator, "POST", &with_version("/secrets/a/backup"), "").await.text().to_owned();
    for (method, path, body) in [
        ("GET", "/secrets/a", ""),
        ("GET", "/secrets/none", ""),
        ("GET", "/secrets", ""),
        ("GET", "/secrets/a/versions", ""),
        ("PUT", "/secrets/a", r#"{"value":"2"}"#),
        ("PATCH", "/secrets/a/", "{}"),
        ("DELETE", "/secrets/a", ""),
        ("GET", "/deletedsecrets", ""),
        ("GET", "/deletedsecrets/a", ""),
        ("POST", "/deletedsecrets/a/recover", ""),
        ("DELETE", "/deletedsecrets/a", ""),
        ("POST", "/secrets/restore", &backup),
        ("POST", "/secrets/a", ""),
    ] {
        call(&emulator, method, &with_version(path), body).await;
    }
    let no_token = http::Request::get("https://localhost/secrets/a").body(bytes::Bytes::new()).unwrap();
    emulator.handle(no_token).await;

    let requests = emulator.requests();
    assert_eq!(requests.total, 15);
    assert_eq!((requests.get, requests.unauthorized, requests.throttled, requests.token), (2, 1, 0, 0));
    let once = [
        requests.list,
        requests.list_versions,
        requests.set,
        requests.update,
        requests.delete,
        requests.backup,
        requests.restore,
        requests.list_deleted,
        requests.get_deleted,
        requests.recover,
        requests.purge,
        requests.other,
    ];
    assert_eq!(once, [1; 12], "{requests:?}");
    emulator.reset_requests();
    assert_eq!(emulator.requests(), Requests::default());
    assert!(emulator.request_log().is_empty());
}

#[tokio::test]
async fn the_log_contains_heads_and_drops_the_oldest() {
    let emulator = Emulator::start().await.unwrap();
    get(&emulator, "/secrets/none").await;
    let log = emulator.request_log();
    let entry = &log[0];
    assert_eq!(entry.method, "GET");
    assert_eq!(entry.path_and_query, "/secrets/none?api-version=2026-04-01");
    assert_eq!(entry.host, "contoso.vault.azure.net");
    assert_eq!((entry.authorized, entry.status), (true, 404));
    for _ in 0..10_000 {
        get(&emulator, "/secrets").await;
    }
    let log = emulator.request_log();
    assert_eq!((log.len(), log[0].status), (10_000, 200));
}

#[tokio::test(start_paused = true)]
async fn max_in_flight_is_the_maximum_of_concurrent_requests() {
    let emulator = Emulator::builder().latency(Duration::from_secs(1)).start().await.unwrap();
    join_all((0..7).map(|_| get(&emulator, "/secrets"))).await;
    get(&emulator, "/secrets").await;
    assert_eq!(emulator.max_in_flight(), 7);
    emulator.reset_requests();
    assert_eq!(emulator.max_in_flight(), 0);
    get(&emulator, "/secrets").await;
    assert_eq!(emulator.max_in_flight(), 1);
}

#[tokio::test]
async fn debug_output_contains_urls_and_no_secrets() {
    let emulator = Emulator::start().await.unwrap();
    emulator.set("db-password", "hunter2");
    let token = emulator.token();
    for text in [format!("{emulator:?}"), format!("{:?}", emulator.vault("x")), format!("{:?}", Emulator::builder())] {
        for secret in ["hunter2", &token, emulator.client_secret(), emulator.identity_header()] {
            assert!(!text.contains(secret), "{text}");
        }
    }
    assert!(format!("{emulator:?}").contains(emulator.vault_url()));
}

#[tokio::test]
#[should_panic(expected = "cannot set a_b: The request URI contains an invalid name: a_b")]
async fn setting_an_invalid_name_panics() {
    Emulator::start().await.unwrap().set("a_b", "1");
}

#[tokio::test]
async fn an_emulator_can_be_shared_between_threads() {
    fn is_shared<T: Send + Sync>(_: &T) {}
    is_shared(&Emulator::start().await.unwrap());
}
