//! HTTP/2 needs one connection, HTTP/1.1 a few, and a lost connection costs one retry.

use std::time::Duration;

use futures::future::{join_all, try_join_all};
use keyvault::{Resolver, SecretClient};
use keyvault_emulator::{Emulator, Fault};
use keyvault_test_support::credential::FakeCredential;
use keyvault_test_support::emulator::client_of;

const BURST: usize = 100;

async fn scene(emulator: &Emulator) -> SecretClient {
    for n in 0..BURST {
        emulator.set(&format!("s{n}"), "v");
    }
    // Long enough for the whole burst to be in flight at once, even on a busy machine.
    emulator.set_latency(Duration::from_millis(400));
    let credential = FakeCredential::fixed(emulator.token());
    client_of(emulator, &credential).build().unwrap()
}

async fn burst(client: &SecretClient) {
    let resolver = Resolver::from(client.clone());
    let texts: Vec<String> = (0..BURST).map(|n| format!("@KeyVault(SecretName=s{n})")).collect();
    for text in join_all(texts.iter().map(|text| resolver.resolve(text))).await {
        assert_eq!(text.unwrap().unwrap().expose_secret(), "v");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_uses_one_http_2_connection_and_one_request_per_secret() {
    let emulator = Emulator::start().await.unwrap();
    let client = scene(&emulator).await;
    burst(&client).await;
    assert_eq!((client.stats().connections, client.stats().requests), (1, BURST as u64));
    assert_eq!((emulator.requests().total, emulator.requests().unauthorized), (BURST as u64, 0));
    // More than an HTTP/1.1 pool keeps in flight.
    assert!(emulator.max_in_flight() > 64, "{}", emulator.max_in_flight());
    burst(&client).await;
    assert_eq!(client.stats().connections, 1, "it is kept");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_tasks_share_the_first_connection_of_http_2() {
    let emulator = Emulator::start().await.unwrap();
    let client = scene(&emulator).await;
    let reads = (0..BURST).map(|n| {
        let client = client.clone();
        tokio::spawn(async move { client.get(&format!("s{n}")).await })
    });
    for secret in join_all(reads).await {
        secret.unwrap().unwrap();
    }
    assert_eq!(client.stats().connections, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_http_1_the_connections_are_opened_together() {
    let emulator = Emulator::builder().http1_only().start().await.unwrap();
    let client = scene(&emulator).await;
    burst(&client).await;
    let first = client.stats();
    assert_eq!(first.requests, BURST as u64);
    // The pool occasionally opens a connection although another is about to become free.
    assert!((2..BURST as u64).contains(&first.connections), "{first:?}");
    assert!((2..=64).contains(&emulator.max_in_flight()), "{}", emulator.max_in_flight());
    burst(&client).await;
    let again = client.stats().since(&first);
    assert!(again.connections < BURST as u64 / 2, "{first:?}, then {again:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_can_be_limited_to_http_1() {
    let emulator = Emulator::start().await.unwrap();
    scene(&emulator).await;
    let credential = FakeCredential::fixed(emulator.token());
    let client = client_of(&emulator, &credential).http1_only().build().unwrap();
    try_join_all((0..4).map(|_| client.get("s0"))).await.unwrap();
    assert_eq!(client.stats().connections, 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_connection_costs_one_more_request_and_no_error() {
    for http1_only in [false, true] {
        let builder = Emulator::builder();
        let builder = if http1_only { builder.http1_only() } else { builder };
        let emulator = builder.start().await.unwrap();
        let client = scene(&emulator).await;
        client.get("s0").await.unwrap();
        emulator.fault_next(1, Fault::Reset);
        client.get("s1").await.unwrap();
        let stats = client.stats();
        assert_eq!((stats.connections, stats.requests), (2, 3), "{http1_only}: {stats:?}");
    }
}
