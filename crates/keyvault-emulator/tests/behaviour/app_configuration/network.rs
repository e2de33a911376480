//! Stores over TLS, HTTP/1.1 and HTTP/2, and over plain http.

use keyvault_emulator::{Emulator, Fault};
use serde_json::Value;

use super::authentication::{ConnectionString, now};
use crate::client_builder;

#[tokio::test]
async fn a_signed_request_is_accepted_over_every_protocol() {
    let emulator = Emulator::start().await.unwrap();
    let store = emulator.app_configuration("");
    store.set("a/ü *", "1");
    let key = ConnectionString::parse(&store.connection_string());
    assert_eq!(key.endpoint, emulator.vault_url());
    let target = "/kv/a%2F%C3%BC%20%2A?api-version=2023-11-01";
    for (base, client) in [
        (emulator.vault_url(), client_builder(&emulator).http1_only()),
        (emulator.vault_url(), client_builder(&emulator).http2_prior_knowledge()),
        (emulator.http_url(), client_builder(&emulator).http1_only()),
    ] {
        let host = base.split_once("://").unwrap().1;
        let mut request = client.build().unwrap().get(format!("{base}{target}"));
        for (name, value) in key.sign("GET", host, target, &now(&emulator), "") {
            request = request.header(name, value);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status().as_u16(), 200, "{base}");
        let body: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
        assert_eq!(body["value"], "1");
    }
}

#[tokio::test]
async fn two_hosts_reach_the_default_store_and_a_fault_can_apply_to_one() {
    let emulator = Emulator::start().await.unwrap();
    let store = emulator.app_configuration("");
    store.set("a", "1");
    store.fault_matching(None, |head| head.host.starts_with("127.0.0.1"), Fault::status(503));
    let client = client_builder(&emulator).build().unwrap();
    for (host, status) in [("127.0.0.1", 503), ("localhost", 200)] {
        let url = format!("{}/kv/a?api-version=1.0", store.endpoint().replace("127.0.0.1", host));
        let response = client.get(url).bearer_auth(store.token()).send().await.unwrap();
        assert_eq!(response.status().as_u16(), status, "{host}");
    }
}

#[tokio::test]
async fn a_head_has_headers_and_no_body() {
    let emulator = Emulator::start().await.unwrap();
    let store = emulator.app_configuration("");
    store.set("a", "1");
    let client = client_builder(&emulator).build().unwrap();
    let url = format!("{}/kv?api-version=2023-11-01", store.endpoint());
    for _ in 0..2 {
        let response = client.head(&url).bearer_auth(store.token()).send().await.unwrap();
        assert_eq!(response.status().as_u16(), 200);
        assert!(response.headers().contains_key("etag"));
        assert_eq!(response.text().await.unwrap(), "");
    }
}
