//! The control endpoint, used as a test in another language uses it.

use keyvault_emulator::Emulator;
use serde_json::{Value, json};

use crate::{client, get};

async fn control(emulator: &Emulator, method: &str, path: &str, body: Value) -> (u16, Value) {
    let url = format!("{}/{path}", emulator.control_url());
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let response = client(emulator).request(method.parse().unwrap(), url).body(body).send().await.unwrap();
    let status = response.status().as_u16();
    (status, serde_json::from_str(&response.text().await.unwrap()).unwrap())
}

async fn post(emulator: &Emulator, path: &str, body: Value) -> Value {
    let (status, response) = control(emulator, "POST", path, body).await;
    assert_eq!(status, 200, "{response}");
    response
}

async fn delete(emulator: &Emulator, path: &str) {
    assert_eq!(control(emulator, "DELETE", path, Value::Null).await, (200, json!({})));
}

#[tokio::test]
async fn a_seed_can_be_loaded_into_any_vault() {
    let emulator = Emulator::start().await.unwrap();
    let seed = json!({ "a": "1", "other/b": { "versions": ["1", { "value": "2", "tags": { "k": "v" } }] } });
    assert_eq!(post(&emulator, "secrets?vault=Contoso", seed).await, json!({ "secrets": 2, "key_values": 0 }));
    assert_eq!(get(&emulator, "/secrets/a").await.json()["value"], "1");
    let (status, response) = control(&emulator, "POST", "secrets", json!({ "a": 1 })).await;
    assert_eq!((status, &response["error"]["code"]), (400, &"BadParameter".into()));
    delete(&emulator, "secrets").await;
    assert_eq!(get(&emulator, "/secrets/a").await.status(), 404);
}

#[tokio::test]
async fn the_certificate_authority_is_served_as_a_file() {
    let emulator = Emulator::start().await.unwrap();
    let response = client(&emulator).get(format!("{}/ca", emulator.control_url())).send().await.unwrap();
    assert_eq!(response.text().await.unwrap(), emulator.ca_pem());
}

#[tokio::test]
async fn the_clock_determines_dates_purges_and_token_expiry() {
    let emulator = Emulator::start().await.unwrap();
    let frozen = post(&emulator, "clock", json!({ "now": 1_800_000_000, "frozen": true })).await;
    assert_eq!((&frozen["now"], &frozen["frozen"]), (&1_800_000_000.into(), &true.into()));
    emulator.vault("contoso").set("a", "1");
    assert_eq!(get(&emulator, "/secrets/a").await.json()["attributes"]["created"], 1_800_000_000);

    let token = emulator.token();
    emulator.vault("contoso").delete("a");
    let deleted = get(&emulator, "/deletedsecrets/a").await.json();
    assert_eq!(deleted["scheduledPurgeDate"], 1_800_000_000 + 90 * 86_400);
    post(&emulator, "clock", json!({ "shift_seconds": 90 * 86_400 - 1 })).await;
    assert_eq!(get(&emulator, "/deletedsecrets/a").await.status(), 200);
    post(&emulator, "clock", json!({ "shift_seconds": 1 })).await;
    assert_eq!(get(&emulator, "/deletedsecrets/a").await.status(), 404);

    let request = http::Request::get("https://localhost/secrets?api-version=7.4")
        .header("authorization", format!("Bearer {token}"))
        .body(bytes::Bytes::new())
        .unwrap();
    assert_eq!(emulator.handle(request).await.status(), 401, "the token is expired");
    delete(&emulator, "clock").await;
    let (_, clock) = control(&emulator, "GET", "clock", Value::Null).await;
    assert_eq!((&clock["shift_seconds"], &clock["frozen"]), (&0.into(), &false.into()));
}

#[tokio::test]
async fn faults_apply_to_the_selected_requests_as_often_as_requested() {
    let emulator = Emulator::start().await.unwrap();
    emulator.vault("contoso").set("a", "1");
    let command = json!({ "fault": "status", "status": 503, "retry_after": "2", "count": 2, "path": "/secrets/a*" });
    let faults = post(&emulator, "faults", command).await;
    assert_eq!(faults[0]["left"], 2);
    for (path, status) in [("/secrets", 200), ("/secrets/a", 503), ("/secrets/a/versions", 503), ("/secrets/a", 200)] {
        assert_eq!(get(&emulator, path).await.status(), status, "{path}");
    }
    post(&emulator, "faults", json!({ "fault": "status", "status": 500, "operations": ["list"], "method": "get" }))
        .await;
    assert_eq!(get(&emulator, "/secrets").await.status(), 500);
    assert_eq!(get(&emulator, "/secrets/a").await.status(), 200);
    delete(&emulator, "faults").await;
    assert_eq!(get(&emulator, "/secrets").await.status(), 200);
    for invalid in [json!({ "fault": "flood" }), json!({ "fault": "hang", "colour": 1 }), json!([]), json!({})] {
        assert_eq!(control(&emulator, "POST", "faults", invalid).await.0, 400);
    }
}

#[tokio::test]
async fn a_fault_or_denial_that_could_never_apply_is_an_error() {
    let emulator = Emulator::start().await.unwrap();
    let (stores, tokens) = (("app_configuration", true), ("tokens", true));
    for (target, field, value, is_valid) in [
        (None, "path", json!("/kv*"), false),
        (None, "path", json!("/snapshots/a"), false),
        (None, "key", json!("a"), false),
        (None, "store", json!(""), false),
        (None, "operations", json!(["get", "list_key_values"]), false),
        (None, "operations", json!(["token"]), false),
        (None, "operations", json!(["get"]), true),
        (None, "path", json!("*/kv"), true),
        (None, "path", json!("/secrets/kv"), true),
        (Some(stores), "path", json!("/kv*"), true),
        (Some(stores), "key", json!("a"), true),
        (Some(stores), "operations", json!(["list_key_values"]), true),
        (Some(stores), "path", json!("/secrets/a*"), false),
        (Some(stores), "secret", json!("a"), false),
        (Some(stores), "vault", json!("contoso"), false),
        (Some(stores), "operations", json!(["get"]), false),
        (Some(tokens), "operations", json!(["token"]), true),
        (Some(tokens), "operations", json!(["get"]), false),
        (Some(tokens), "key", json!("a"), false),
        (Some(tokens), "secret", json!("a"), false),
    ] {
        let mut command = json!({ field: value });
        if let Some((service, is_set)) = target {
            command[service] = is_set.into();
        }
        let mut fault = command.clone();
        (fault["fault"], fault["status"]) = ("status".into(), 503.into());
        let (status, body) = control(&emulator, "POST", "faults", fault).await;
        assert_eq!(status == 200, is_valid, "{command}: {body}");
        if target != Some(tokens) {
            command["deny"] = "rbac".into();
            assert_eq!(control(&emulator, "POST", "access", command.clone()).await.0 == 200, is_valid, "{command}");
        }
    }
    let (_, body) =
        control(&emulator, "POST", "faults", json!({ "fault": "status", "status": 503, "path": "/kv" })).await;
    assert!(body.to_string().contains("app_configuration"), "{body}");
}

#[tokio::test]
async fn a_fault_or_denial_can_select_one_secret_or_vault() {
    let emulator = Emulator::start().await.unwrap();
    for name in ["db", "db-password"] {
        emulator.vault("contoso").set(name, "1");
    }
    post(&emulator, "access", json!({ "deny": "rbac", "secret": "DB" })).await;
    post(&emulator, "faults", json!({ "fault": "status", "status": 503, "secret": "db-password", "vault": "other" }))
        .await;
    assert_eq!(get(&emulator, "/secrets/db").await.error().2, "ForbiddenByRbac");
    assert_eq!(get(&emulator, "/secrets/db-password").await.status(), 200);
    post(&emulator, "faults", json!({ "fault": "status", "status": 503, "vault": "Contoso" })).await;
    assert_eq!(get(&emulator, "/secrets/db-password").await.status(), 503);
}

#[tokio::test]
async fn a_seed_with_a_rejected_secret_sets_none_of_its_secrets() {
    let emulator = Emulator::start().await.unwrap();
    emulator.vault("contoso").set("z", "1");
    emulator.vault("contoso").delete("z");
    let (status, _) = control(&emulator, "POST", "secrets", json!({ "contoso/a": "1", "contoso/z": "2" })).await;
    assert_eq!((status, get(&emulator, "/secrets/a").await.status()), (400, 404));
}

#[tokio::test]
async fn access_throttling_and_latency_are_set_and_cleared() {
    let emulator = Emulator::start().await.unwrap();
    assert_eq!(post(&emulator, "access", json!({ "deny": "rbac", "operations": ["list"] })).await, json!(["rbac"]));
    assert_eq!(get(&emulator, "/secrets").await.error().2, "ForbiddenByRbac");
    assert_eq!(get(&emulator, "/secrets/a").await.status(), 404);
    delete(&emulator, "access").await;

    let limits = post(&emulator, "throttle", Value::Null).await;
    let expected = json!({ "sets": 300, "others": 4000, "window_seconds": 10.0, "retry_after_seconds": null });
    assert_eq!(limits, expected);
    post(&emulator, "throttle", json!({ "others": 0, "retry_after_seconds": 7 })).await;
    let rejected = get(&emulator, "/secrets").await;
    assert_eq!((rejected.status(), rejected.header("retry-after")), (429, Some("7")));
    for (seconds, header) in [(0.5, "1"), (1e12, "1000000000000")] {
        let limits = post(&emulator, "throttle", json!({ "others": 0, "retry_after_seconds": seconds })).await;
        assert_eq!(limits["retry_after_seconds"], seconds);
        assert_eq!(get(&emulator, "/secrets").await.header("retry-after"), Some(header));
    }
    delete(&emulator, "throttle").await;

    assert_eq!(post(&emulator, "latency", json!({ "milliseconds": 1.5 })).await, json!({ "milliseconds": 1.5 }));
    delete(&emulator, "latency").await;
    assert_eq!(get(&emulator, "/secrets").await.status(), 200);
    delete(&emulator, "tokens").await;
}

#[tokio::test]
async fn counters_and_log_can_be_read_and_exclude_the_endpoint_itself() {
    let emulator = Emulator::start().await.unwrap();
    get(&emulator, "/secrets/none").await;
    let (_, requests) = control(&emulator, "GET", "requests", Value::Null).await;
    assert_eq!((&requests["get"], &requests["total"], &requests["max_in_flight"]), (&1.into(), &1.into(), &1.into()));
    let (_, log) = control(&emulator, "GET", "log", Value::Null).await;
    let expected = json!([{
        "operation": "get", "method": "GET", "path_and_query": "/secrets/none?api-version=2026-04-01",
        "host": "contoso.vault.azure.net", "authorized": true, "status": 404
    }]);
    assert_eq!(log, expected);
    delete(&emulator, "requests").await;
    assert_eq!(control(&emulator, "GET", "log", Value::Null).await.1, json!([]));
    let (_, all) = control(&emulator, "GET", "", Value::Null).await;
    assert!(
        ["clock", "faults", "throttle", "access", "requests", "latency"].iter().all(|name| all.get(name).is_some())
    );
}

#[tokio::test]
async fn the_endpoint_is_only_on_the_plain_listener_and_rejects_web_pages() {
    let emulator = Emulator::start().await.unwrap();
    let url = format!("{}/_emulator/clock", emulator.vault_url());
    let response = client(&emulator).get(url).bearer_auth(emulator.token()).send().await.unwrap();
    assert_eq!(response.status().as_u16(), 404);
    let url = format!("{}/secrets", emulator.control_url());
    let page = client(&emulator).delete(url).header("origin", "https://evil.example").send().await.unwrap();
    assert_eq!(page.status().as_u16(), 403);
}

#[tokio::test]
async fn an_unknown_path_and_a_wrong_method_have_their_own_status() {
    let emulator = Emulator::start().await.unwrap();
    for (method, path, expected) in [
        ("GET", "typo", 404),
        ("DELETE", "typo", 404),
        ("PATCH", "typo", 404),
        ("GET", "tokens", 405),
        ("DELETE", "ca", 405),
        ("DELETE", "events", 405),
        ("PUT", "log", 405),
    ] {
        assert_eq!(control(&emulator, method, path, Value::Null).await.0, expected, "{method} {path}");
    }
}
