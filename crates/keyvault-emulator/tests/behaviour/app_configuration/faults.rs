//! Faults, denials and limits of stores, by handle and by the control endpoint.

use std::time::Duration;

use keyvault_emulator::{Denial, Emulator, Fault, Operation, Throttle};
use serde_json::{Value, json};

use super::{call, call_with, get};
use crate::client;

#[tokio::test]
async fn a_fault_applies_to_its_store_and_key() {
    let emulator = Emulator::start().await.unwrap();
    let store = emulator.app_configuration("contoso");
    store.set("a", "1");
    store.fault_next(1, Fault::status(503));
    let unavailable = get(&emulator, "/kv").await;
    assert_eq!((unavailable.status(), unavailable.header("retry-after-ms")), (503, Some("500")));
    assert_eq!(get(&emulator, "/kv").await.status(), 200);

    store.fault_key("a", None, Fault::status(500));
    emulator.app_configuration("other").fault(Fault::status(500));
    emulator.fault(Fault::status(500));
    for (path, status) in [("/kv/a", 500), ("/kv/a?label=prod", 500), ("/kv/b", 404), ("/kv?key=a", 200)] {
        assert_eq!(get(&emulator, path).await.status(), status, "{path}");
    }
    emulator.clear_faults();
    assert_eq!(get(&emulator, "/kv/a").await.status(), 200);
}

#[tokio::test]
async fn each_status_has_the_body_of_the_service() {
    let emulator = Emulator::start().await.unwrap();
    let store = emulator.app_configuration("contoso");
    for (status, kind, retry) in [
        (400, "invalid-argument", false),
        (401, "", false),
        (403, "", false),
        (404, "", false),
        (409, "key-locked", false),
        (412, "", false),
        (429, "too-many-requests", true),
        (500, "", false),
        (503, "", true),
    ] {
        store.fault_next(1, Fault::status(status));
        let response = get(&emulator, "/kv/a").await;
        assert_eq!((response.status(), response.header("retry-after-ms").is_some()), (status, retry));
        match kind {
            "" => assert_eq!(response.text(), "", "{status}"),
            kind => assert_eq!(response.json()["type"], format!("https://azconfig.io/errors/{kind}")),
        }
    }
    store.fault_next(1, Fault::status(429).retry_after("2"));
    let response = get(&emulator, "/kv/a").await;
    assert_eq!((response.header("retry-after"), response.header("retry-after-ms")), (Some("2"), None));
    store.fault_next(1, Fault::status(429).header("retry-after-ms", "2000"));
    assert_eq!(get(&emulator, "/kv/a").await.header("retry-after-ms"), Some("2000"));
    store.fault_next(1, Fault::Unauthorized);
    let response = get(&emulator, "/kv/a").await;
    assert_eq!((response.status(), response.header("www-authenticate")), (401, Some("HMAC-SHA256, Bearer")));
}

#[tokio::test]
async fn a_response_fault_applies_to_every_success_with_a_body_and_keeps_its_status() {
    let emulator = Emulator::start().await.unwrap();
    let store = emulator.app_configuration("contoso");
    store.set("a", "1");
    for (method, path, body, status, is_damaged) in [
        ("GET", "/kv/a", "", 200, true),
        ("PUT", "/snapshots/s", r#"{"filters":[{"key":"*"}]}"#, 201, true),
        ("GET", "/revisions", "", 206, true),
        ("DELETE", "/kv/missing", "", 204, false),
        ("GET", "/kv/missing", "", 404, false),
    ] {
        emulator.clear_faults();
        store.fault_next(1, Fault::NotJson);
        let response = call_with(&emulator, method, path, &[("range", "items=0-0")], body).await;
        let is_html = response.text().starts_with("<html>");
        assert_eq!((response.status(), is_html), (status, is_damaged), "{method} {path}");
        let next = get(&emulator, "/kv/a").await;
        assert_eq!(next.text().starts_with("<html>"), !is_damaged, "{method} {path}");
    }
}

#[tokio::test]
async fn a_response_fault_damages_a_list() {
    let emulator = Emulator::start().await.unwrap();
    let store = emulator.app_configuration("contoso");
    store.set("a", "1");
    store.fault_next(1, Fault::NextLink("https://evil.example/kv".to_owned()));
    let linked = get(&emulator, "/kv").await;
    assert_eq!(linked.json()["@nextLink"], "https://evil.example/kv");
    assert_eq!(linked.header("link"), Some("<https://evil.example/kv>; rel=\"next\""));
    store.fault_next(1, Fault::EmptyPage);
    let empty = get(&emulator, "/kv").await.json();
    assert_eq!(empty, json!({ "items": [], "@nextLink": "/kv?api-version=2026-04-01" }));
    store.fault_next(1, Fault::WrongId);
    assert_eq!(get(&emulator, "/kv").await.json()["items"][0]["key"], "another-key");
    store.fault_next(1, Fault::WrongId);
    assert_eq!(get(&emulator, "/kv/a").await.json()["key"], "another-key");
    store.fault_next(1, Fault::NotJson);
    assert!(get(&emulator, "/kv").await.text().starts_with("<html>"));
}

#[tokio::test]
async fn a_denial_is_a_403_for_some_operations() {
    let emulator = Emulator::start().await.unwrap();
    let store = emulator.app_configuration("contoso");
    store.set("a", "1");
    emulator.deny_all(Denial::Rbac);
    assert_eq!(get(&emulator, "/kv/a").await.status(), 200, "a denial of the vaults does not apply");
    store.deny(Denial::Rbac, Some(&[Operation::ListKeyValues]));
    let denied = get(&emulator, "/kv").await;
    assert_eq!((denied.status(), denied.text(), get(&emulator, "/kv/a").await.status()), (403, "", 200));
    store.deny(Denial::Firewall, None);
    assert_eq!(get(&emulator, "/kv/a").await.status(), 403);
    emulator.clear_denials();
    assert_eq!(get(&emulator, "/kv").await.status(), 200);
}

#[tokio::test]
async fn requests_over_the_limit_get_the_time_to_wait() {
    let emulator = Emulator::start().await.unwrap();
    emulator.freeze_clock();
    let store = emulator.app_configuration("contoso");
    store.throttle(Throttle::app_configuration().others(2).window(Duration::from_secs(10)));
    assert_eq!(call(&emulator, "PUT", "/kv/a", r#"{"value":"1"}"#).await.status(), 200);
    emulator.advance_clock(Duration::from_millis(2_500));
    assert_eq!(get(&emulator, "/kv/a").await.status(), 200);
    let throttled = get(&emulator, "/kv/a").await;
    let expected = r#"{"type":"https://azconfig.io/errors/too-many-requests","title":"Resource utilization has surpassed the assigned quota","policy":"Total Requests","status":429}"#;
    assert_eq!((throttled.status(), throttled.text()), (429, expected));
    assert_eq!((throttled.header("retry-after-ms"), throttled.header("retry-after")), (Some("7500"), None));
    emulator.advance_clock(Duration::from_millis(7_500));
    assert_eq!(get(&emulator, "/kv/a").await.status(), 200);
    store.throttle(Throttle::app_configuration().others(0).retry_after(Duration::from_millis(40)));
    assert_eq!(get(&emulator, "/kv/a").await.header("retry-after-ms"), Some("40"));
    assert_eq!(emulator.requests().app_configuration.throttled, 2);
    emulator.set("a", "1");
    store.unthrottle();
    assert_eq!(get(&emulator, "/kv/a").await.status(), 200);
}

async fn control(emulator: &Emulator, method: &str, path: &str, body: Value) -> Value {
    let url = format!("{}/{path}", emulator.control_url());
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let response = client(emulator).request(method.parse().unwrap(), url).body(body).send().await.unwrap();
    let status = response.status();
    let text = response.text().await.unwrap();
    assert_eq!(status.as_u16(), 200, "{text}");
    serde_json::from_str(&text).unwrap()
}

#[tokio::test]
async fn the_control_endpoint_knows_the_name_of_the_default_store() {
    let emulator = Emulator::builder().app_configuration("contoso").start().await.unwrap();
    control(&emulator, "POST", "key-values?store=Contoso", json!({ "a": "1" })).await;
    let fault = json!({ "fault": "status", "status": 503, "app_configuration": true, "store": "Contoso", "count": 1 });
    control(&emulator, "POST", "faults", fault).await;
    assert_eq!((get(&emulator, "/kv/a").await.status(), get(&emulator, "/kv/a").await.status()), (503, 200));
}

#[tokio::test]
async fn the_control_endpoint_sets_key_values_faults_denials_and_limits() {
    let emulator = Emulator::start().await.unwrap();
    let section = json!({ "a": ["1", { "value": "2", "label": "prod", "locked": true }], "b": { "secret": "db" } });
    let loaded = control(&emulator, "POST", "key-values?store=Contoso", section).await;
    assert_eq!(loaded, json!({ "key_values": 3 }));
    let locked = get(&emulator, "/kv/a?label=prod").await.json();
    assert_eq!((&locked["value"], &locked["locked"]), (&"2".into(), &true.into()));
    let reference = get(&emulator, "/kv/b").await.json();
    let uri = format!(r#"{{"uri":"{}/secrets/db"}}"#, emulator.vault_url());
    assert_eq!(reference["value"], uri);
    assert_eq!(reference["content_type"], "application/vnd.microsoft.appconfig.keyvaultref+json;charset=utf-8");

    let fault = json!({ "fault": "status", "status": 503, "app_configuration": true, "store": "contoso", "key": "a" });
    control(&emulator, "POST", "faults", fault).await;
    control(&emulator, "POST", "faults", json!({ "fault": "status", "status": 500 })).await;
    assert_eq!((get(&emulator, "/kv/a").await.status(), get(&emulator, "/kv/b").await.status()), (503, 200));
    control(&emulator, "DELETE", "faults", Value::Null).await;

    let denial = json!({ "deny": "rbac", "app_configuration": true, "operations": ["list_key_values"] });
    control(&emulator, "POST", "access", denial).await;
    assert_eq!((get(&emulator, "/kv").await.status(), get(&emulator, "/kv/a").await.status()), (403, 200));
    control(&emulator, "DELETE", "access", Value::Null).await;

    let limits = control(&emulator, "POST", "store-throttle", json!({ "others": 0 })).await;
    assert_eq!((&limits["others"], &limits["window_seconds"]), (&0.into(), &3600.0.into()));
    assert_eq!(get(&emulator, "/kv").await.status(), 429);
    assert_eq!(control(&emulator, "GET", "throttle", Value::Null).await, Value::Null);
    control(&emulator, "DELETE", "store-throttle", Value::Null).await;

    let requests = control(&emulator, "GET", "requests", Value::Null).await;
    assert_eq!((&requests["app_configuration"]["total"], &requests["total"]), (&7.into(), &0.into()));
    let log = control(&emulator, "GET", "log", Value::Null).await;
    assert_eq!((&log[0]["operation"], &log[0]["authorized"]), (&"get_key_value".into(), &true.into()));
    control(&emulator, "DELETE", "key-values", Value::Null).await;
    assert_eq!(get(&emulator, "/kv/a").await.status(), 404);
}
