//! Snapshots: creation, content, archive, retention.

use std::time::Duration;

use keyvault_emulator::{Emulator, SetKeyValue};
use serde_json::{Value, json};

use super::{call, call_with, etag, get, items};

async fn store() -> Emulator {
    let emulator = Emulator::start().await.unwrap();
    let store = emulator.app_configuration("contoso");
    for (key, label) in [("app/a", ""), ("app/a", "prod"), ("app/b", ""), ("app/c", "prod"), ("other", "")] {
        let value = if label.is_empty() { "none" } else { label };
        store.set_key_value(key, SetKeyValue::new(value).label(label).tag("key", key));
    }
    emulator
}

async fn create(emulator: &Emulator, name: &str, body: Value) -> crate::TestResponse {
    call(emulator, "PUT", &format!("/snapshots/{name}"), &body.to_string()).await
}

#[tokio::test]
async fn a_snapshot_keeps_the_key_values_of_its_time() {
    let emulator = store().await;
    let body = json!({ "filters": [{ "key": "app/*" }, { "key": "app/*", "label": "prod" }], "tags": { "t": "1" } });
    let created = create(&emulator, "s%201", body).await;
    assert_eq!((created.status(), &created.json()["status"]), (201, &"provisioning".into()));
    let operation = created.header("operation-location").unwrap();
    assert_eq!(operation, "https://contoso.azconfig.io/operations?snapshot=s%201&api-version=2026-04-01");
    assert_eq!(created.header("link"), Some("</kv?snapshot=s%201&api-version=2026-04-01>; rel=\"items\""));

    let operation = get(&emulator, "/operations?snapshot=s%201").await;
    assert_eq!((&operation.json()["status"], &operation.json()["error"]), (&"Succeeded".into(), &Value::Null));
    let snapshot = get(&emulator, "/snapshots/s%201").await;
    assert_eq!(
        snapshot.header("content-type"),
        Some("application/vnd.microsoft.appconfig.snapshot+json; charset=utf-8")
    );
    let mut body = snapshot.json();
    for field in ["etag", "created", "size"] {
        assert!(body.as_object_mut().unwrap().remove(field).is_some(), "{field}");
    }
    let expected = json!({
        "name": "s 1", "status": "ready",
        "filters": [{ "key": "app/*", "label": null, "tags": [] }, { "key": "app/*", "label": "prod", "tags": [] }],
        "composition_type": "key", "items_count": 3, "tags": { "t": "1" }, "retention_period": 2_592_000,
        "description": null
    });
    assert_eq!(body, expected);

    emulator.app_configuration("contoso").set("app/b", "changed");
    emulator.app_configuration("contoso").delete("app/c", Some("prod"));
    let content = get(&emulator, "/kv?snapshot=s%201").await;
    assert_eq!(items(&content, "key"), ["app/a", "app/b", "app/c"]);
    assert_eq!(items(&content, "value"), ["prod", "none", "prod"], "the later filter has precedence");
    emulator.app_configuration("").page_size(2);
    let first = get(&emulator, "/kv?snapshot=s%201&$select=key").await;
    let second = get(&emulator, first.json()["@nextLink"].as_str().unwrap()).await;
    assert_eq!((items(&first, "key").len(), items(&second, "key")), (2, vec![json!("app/c")]));
    assert_eq!(items(&get(&emulator, "/kv?snapshot=none").await, "key").len(), 0);
}

#[tokio::test]
async fn a_snapshot_by_key_and_label_has_each_label() {
    let emulator = store().await;
    let body = json!({ "filters": [{ "key": "*", "label": "*" }], "composition_type": "key_label" });
    create(&emulator, "all", body).await;
    let content = get(&emulator, "/kv?snapshot=all").await;
    assert_eq!(items(&content, "key"), ["app/a", "app/a", "app/b", "app/c", "other"]);
    let tagged = json!({ "filters": [{ "key": "*", "tags": ["key=app/b"] }] });
    create(&emulator, "tagged", tagged).await;
    assert_eq!(items(&get(&emulator, "/kv?snapshot=tagged").await, "key"), ["app/b"]);
}

#[tokio::test]
async fn a_snapshot_is_archived_recovered_and_deleted_after_its_retention() {
    let emulator = store().await;
    let body = json!({ "filters": [{ "key": "*" }], "retention_period": 3600 });
    let created = create(&emulator, "s", body.clone()).await;
    let duplicate = create(&emulator, "s", body).await;
    let expected = r#"{"type":"https://azconfig.io/errors/already-exists","title":"The resource already exists.","detail":"","status":409}"#;
    assert_eq!((duplicate.status(), duplicate.text()), (409, expected));

    let patch = async |headers: &[(&str, &str)], status: &str| {
        let body = json!({ "status": status }).to_string();
        call_with(&emulator, "PATCH", "/snapshots/s", headers, &body).await
    };
    assert_eq!(patch(&[("if-match", "\"other\"")], "archived").await.status(), 412);
    let archived = patch(&[("if-match", &format!("\"{}\"", etag(&created)))], "archived").await;
    assert_eq!((archived.status(), &archived.json()["status"]), (200, &"archived".into()));
    assert!(archived.json()["expires"].is_string());
    assert_ne!(etag(&archived), etag(&created));
    assert_eq!(etag(&patch(&[], "archived").await), etag(&archived), "a second archive changes nothing");
    assert_eq!(items(&get(&emulator, "/kv?snapshot=s").await, "key").len(), 3, "it can still be read");
    let recovered = patch(&[], "ready").await;
    assert_eq!((&recovered.json()["status"], recovered.json().get("expires")), (&"ready".into(), None));
    assert_eq!(patch(&[], "failed").await.json()["name"], "status");

    emulator.advance_clock(Duration::from_secs(3600));
    assert_eq!(get(&emulator, "/snapshots/s").await.status(), 200);
    patch(&[], "archived").await;
    emulator.advance_clock(Duration::from_secs(3600));
    assert_eq!(get(&emulator, "/snapshots/s").await.status(), 404);
    assert_eq!(get(&emulator, "/operations?snapshot=s").await.status(), 404);
    assert_eq!(patch(&[], "ready").await.status(), 404);
}

#[tokio::test]
async fn a_snapshot_is_provisioned_for_as_long_as_the_test_sets() {
    let emulator = Emulator::builder().deletion_time(Duration::from_secs(3)).start().await.unwrap();
    emulator.freeze_clock();
    emulator.app_configuration("contoso").set("a", "1");
    create(&emulator, "s", json!({ "filters": [{ "key": "*" }] })).await;
    let operation = get(&emulator, "/operations?snapshot=s").await;
    assert_eq!((&operation.json()["status"], operation.header("retry-after")), (&"Running".into(), Some("10")));
    assert_eq!(get(&emulator, "/snapshots/s").await.json()["status"], "provisioning");
    assert_eq!(items(&get(&emulator, "/kv?snapshot=s").await, "key").len(), 0);
    let early = call(&emulator, "PATCH", "/snapshots/s", r#"{"status":"archived"}"#).await;
    assert_eq!((early.status(), &early.json()["type"]), (409, &"https://azconfig.io/errors/invalid-state".into()));
    emulator.advance_clock(Duration::from_secs(3));
    assert_eq!(get(&emulator, "/snapshots/s").await.json()["status"], "ready");
    assert_eq!(items(&get(&emulator, "/kv?snapshot=s").await, "key"), ["a"]);
}

#[tokio::test]
async fn a_snapshot_over_one_megabyte_fails() {
    let emulator = Emulator::start().await.unwrap();
    for n in 0..105 {
        emulator.app_configuration("contoso").set(&format!("k{n}"), &"v".repeat(10_000));
    }
    create(&emulator, "s", json!({ "filters": [{ "key": "*" }] })).await;
    let operation = get(&emulator, "/operations?snapshot=s").await.json();
    assert_eq!((&operation["status"], &operation["error"]["code"]), (&"Failed".into(), &"QuotaExceeded".into()));
    assert_eq!(items(&get(&emulator, "/kv?snapshot=s").await, "key").len(), 0);
    assert_eq!(get(&emulator, "/snapshots/s").await.json()["status"], "failed");
}

#[tokio::test]
async fn snapshots_are_listed_by_name_and_status() {
    let emulator = store().await;
    let store = emulator.app_configuration("contoso");
    for name in ["b", "a1", "a2"] {
        store.create_snapshot(name, &[("app/*", None)]);
    }
    store.set_archived("a1", true);
    for (query, expected) in [
        ("", &["a1", "a2", "b"][..]),
        ("?name=a*", &["a1", "a2"]),
        ("?status=ready", &["a2", "b"]),
        ("?status=archived,failed", &["a1"]),
        ("?status=*&name=b", &["b"]),
    ] {
        let list = get(&emulator, &format!("/snapshots{query}")).await;
        assert_eq!(items(&list, "name"), expected, "{query}");
    }
    assert_eq!(get(&emulator, "/snapshots?status=gone").await.json()["name"], "status");
    let current = get(&emulator, "/snapshots/b").await;
    let header = [("if-none-match", current.header("etag").unwrap())];
    assert_eq!(call_with(&emulator, "GET", "/snapshots/b", &header, "").await.status(), 304);
    let selected = get(&emulator, "/snapshots/b?$select=name,status").await;
    assert_eq!(selected.json(), json!({ "name": "b", "status": "ready" }));
}

#[tokio::test]
#[should_panic(expected = "cannot create : the service responds 400")]
async fn a_test_creates_no_snapshot_with_a_name_that_the_service_rejects() {
    store().await.app_configuration("contoso").create_snapshot("", &[("app/*", None)]);
}

#[tokio::test]
async fn snapshots_do_not_exist_in_version_1() {
    let emulator = store().await;
    for path in ["/snapshots", "/snapshots/s", "/operations?snapshot=s", "/kv?snapshot=s"] {
        let sign = if path.contains('?') { '&' } else { '?' };
        let response = get(&emulator, &format!("{path}{sign}api-version=1.0")).await;
        assert_eq!((response.status(), &response.json()["title"]), (400, &"Unsupported API version".into()), "{path}");
    }
}
