//! Single key-values: get, set, delete, lock.

use std::time::Duration;

use keyvault_emulator::{Emulator, SetKeyValue};
use serde_json::json;

use super::{call, call_with, etag, get};

#[tokio::test]
async fn a_key_value_has_the_fields_and_headers_of_the_service() {
    let emulator = Emulator::start().await.unwrap();
    emulator.freeze_clock();
    let body = r#"{"value":"v","content_type":"text/plain","tags":{"t":"1","n":null},"key":"ignored"}"#;
    let set = call(&emulator, "PUT", "/kv/shop%3Adb%2Fhost?label=pr%2Fod", body).await;
    assert_eq!(set.status(), 200);
    let etag = etag(&set);
    let modified = set.json()["last_modified"].as_str().unwrap().to_owned();
    let expected = format!(
        r#"{{"etag":"{etag}","key":"shop:db/host","label":"pr/od","content_type":"text/plain","value":"v","tags":{{"n":null,"t":"1"}},"locked":false,"last_modified":"{modified}","description":null}}"#
    );
    assert_eq!(set.text(), expected);
    assert_eq!(set.header("content-type"), Some("application/vnd.microsoft.appconfig.kv+json; charset=utf-8"));
    assert!(set.header("last-modified").unwrap().ends_with(" GMT"));
    assert!(set.header("sync-token").unwrap().ends_with(";sn=1"), "{:?}", set.header("sync-token"));
    assert!(set.header("x-ms-request-id").is_some() && set.header("x-ms-keyvault-region").is_none());

    let got = get(&emulator, "/kv/shop:db/host?label=pr%2Fod").await;
    assert_eq!((got.status(), got.text()), (200, expected.as_str()));
    let head = call(&emulator, "HEAD", "/kv/shop%3Adb%2Fhost?label=pr%2Fod", "").await;
    assert_eq!((head.status(), head.text(), head.header("etag")), (200, "", set.header("etag")));
    let selected = get(&emulator, "/kv/shop%3Adb%2Fhost?label=pr%2Fod&$Select=value,locked,none").await;
    assert_eq!(selected.text(), r#"{"value":"v","locked":false}"#);
    let old = get(&emulator, "/kv/shop:db/host?label=pr%2Fod&api-version=1.0").await;
    assert_eq!(old.json().get("description"), None, "descriptions exist since 2026-04-01");
}

#[tokio::test]
async fn a_label_is_part_of_the_identity() {
    let emulator = Emulator::start().await.unwrap();
    let store = emulator.app_configuration("contoso");
    store.set("k", "none");
    store.set_key_value("k", SetKeyValue::new("prod").label("prod"));
    for (query, status, value) in [
        ("", 200, "none"),
        ("?label=", 200, "none"),
        ("?label=%00", 200, "none"),
        ("?label=prod", 200, "prod"),
        ("?label=Prod", 404, ""),
        ("?label=pro*", 404, ""),
    ] {
        let got = get(&emulator, &format!("/kv/k{query}")).await;
        assert_eq!(got.status(), status, "{query}");
        if status == 200 {
            assert_eq!(got.json()["value"], value, "{query}");
        } else {
            assert_eq!((got.text(), got.header("content-type")), ("", None));
        }
    }
    assert_eq!(get(&emulator, "/kv/K").await.status(), 404, "keys are case-sensitive");
}

#[tokio::test]
async fn a_condition_on_a_read_gives_304_or_412() {
    let emulator = Emulator::start().await.unwrap();
    let current = emulator.app_configuration("contoso").set("k", "1");
    let (current, other) = (format!("\"{current}\""), "\"other\"".to_owned());
    for (header, value, status) in [
        ("if-none-match", current.as_str(), 304),
        ("if-none-match", other.as_str(), 200),
        ("if-none-match", "*", 304),
        ("if-match", current.as_str(), 200),
        ("if-match", other.as_str(), 412),
        ("if-match", "*", 200),
    ] {
        for method in ["GET", "HEAD"] {
            let response = call_with(&emulator, method, "/kv/k", &[(header, value)], "").await;
            assert_eq!(response.status(), status, "{method} {header} {value}");
            assert_eq!(response.header("etag"), Some(current.as_str()));
            assert!(status == 200 || response.text().is_empty());
            assert_eq!(response.header("sync-token").is_some(), status != 412, "{status}");
        }
    }
    let missing = call_with(&emulator, "GET", "/kv/none", &[("if-none-match", "*")], "").await;
    assert_eq!(missing.status(), 404);
}

#[tokio::test]
async fn a_condition_on_a_change_gives_412_and_changes_nothing() {
    let emulator = Emulator::start().await.unwrap();
    let current = emulator.app_configuration("contoso").set("k", "1");
    let current = format!("\"{current}\"");
    for (method, path, header, value) in [
        ("PUT", "/kv/k", "if-none-match", "*"),
        ("PUT", "/kv/k", "if-none-match", current.as_str()),
        ("PUT", "/kv/k", "if-match", "\"other\""),
        ("PUT", "/kv/none", "if-match", "*"),
        ("PUT", "/kv/none", "if-match", "\"other\""),
        ("DELETE", "/kv/k", "if-match", "\"other\""),
        ("DELETE", "/kv/none", "if-match", "*"),
        ("PUT", "/locks/k", "if-match", "\"other\""),
        ("DELETE", "/locks/k", "if-none-match", current.as_str()),
    ] {
        let response = call_with(&emulator, method, path, &[(header, value)], r#"{"value":"2"}"#).await;
        assert_eq!((response.status(), response.text()), (412, ""), "{method} {path} {header} {value}");
    }
    let now = get(&emulator, "/kv/k").await;
    assert_eq!((now.header("etag"), &now.json()["value"]), (Some(current.as_str()), &"1".into()));
    assert_eq!(get(&emulator, "/kv/none").await.status(), 404);
    let replaced = call_with(&emulator, "PUT", "/kv/k", &[("if-match", &current)], r#"{"value":"2"}"#).await;
    assert_eq!(replaced.status(), 200);
    let added = call_with(&emulator, "PUT", "/kv/new", &[("if-none-match", "*")], r#"{"value":"2"}"#).await;
    assert_eq!(added.status(), 200);
}

#[tokio::test]
async fn a_set_that_changes_nothing_keeps_etag_date_and_sequence() {
    let emulator = Emulator::start().await.unwrap();
    emulator.freeze_clock();
    let body = r#"{"value":"1","content_type":"t","tags":{"a":"b"}}"#;
    let first = call(&emulator, "PUT", "/kv/k", body).await;
    emulator.advance_clock(Duration::from_secs(60));
    let second = call(&emulator, "PUT", "/kv/k", body).await;
    assert_eq!((second.text(), second.header("sync-token")), (first.text(), first.header("sync-token")));
    for changed in [
        r#"{"value":"2","content_type":"t","tags":{"a":"b"}}"#,
        r#"{"value":"2","tags":{"a":"b"}}"#,
        r#"{"value":"2","tags":{"a":null}}"#,
        r#"{"value":null}"#,
    ] {
        let before = etag(&get(&emulator, "/kv/k").await);
        let after = etag(&call(&emulator, "PUT", "/kv/k", changed).await);
        assert_ne!(before, after, "{changed}");
    }
    assert_eq!(get(&emulator, "/kv/k").await.json()["value"], json!(null));
}

#[tokio::test]
async fn a_description_is_kept_by_a_client_of_an_earlier_version() {
    let emulator = Emulator::start().await.unwrap();
    call(&emulator, "PUT", "/kv/k", r#"{"value":"1","description":"d"}"#).await;
    call(&emulator, "PUT", "/kv/k?api-version=2023-11-01", r#"{"value":"2","description":"x"}"#).await;
    assert_eq!(get(&emulator, "/kv/k").await.json()["description"], "d");
    call(&emulator, "PUT", "/kv/k", r#"{"value":"2"}"#).await;
    assert_eq!(get(&emulator, "/kv/k").await.json()["description"], json!(null));
}

#[tokio::test]
async fn a_deletion_returns_the_key_value_and_204_if_there_is_none() {
    let emulator = Emulator::start().await.unwrap();
    let first = emulator.app_configuration("contoso").set("k", "1");
    let deleted = call(&emulator, "DELETE", "/kv/k", "").await;
    assert_eq!((deleted.status(), etag(&deleted), &deleted.json()["value"]), (200, first.clone(), &"1".into()));
    let again = call(&emulator, "DELETE", "/kv/k", "").await;
    assert_eq!((again.status(), again.text(), again.header("content-type")), (204, "", None));
    assert_eq!(get(&emulator, "/kv/k").await.status(), 404);
    let recreated = call(&emulator, "PUT", "/kv/k", r#"{"value":"1"}"#).await;
    assert_ne!(etag(&recreated), first);
}

#[tokio::test]
async fn a_locked_key_value_can_be_read_and_not_changed() {
    let emulator = Emulator::start().await.unwrap();
    let first = emulator.app_configuration("contoso").set("a b", "1");
    let locked = call(&emulator, "PUT", "/locks/a%20b", "").await;
    assert_eq!((locked.status(), &locked.json()["locked"]), (200, &true.into()));
    assert_ne!(etag(&locked), first, "a lock is a change");
    assert_eq!(etag(&call(&emulator, "PUT", "/locks/a%20b", "").await), etag(&locked), "a second lock is none");
    for (method, body) in [("PUT", r#"{"value":"2"}"#), ("PUT", r#"{"value":"1"}"#), ("DELETE", "")] {
        let rejected = call(&emulator, method, "/kv/a%20b", body).await;
        let expected = r#"{"type":"https://azconfig.io/errors/key-locked","title":"Modifing key 'a b' is not allowed","name":"a b","detail":"The key is read-only. To allow modification unlock it first.","status":409}"#;
        assert_eq!((rejected.status(), rejected.text()), (409, expected), "{method} {body}");
        assert_eq!(rejected.header("content-type"), Some("application/problem+json; charset=utf-8"));
    }
    let precondition = call_with(&emulator, "PUT", "/kv/a%20b", &[("if-match", "\"x\"")], r#"{"value":"2"}"#).await;
    assert_eq!(precondition.status(), 412, "the condition has precedence");
    let unlocked = call(&emulator, "DELETE", "/locks/a%20b", "").await;
    assert_eq!((unlocked.status(), &unlocked.json()["locked"]), (200, &false.into()));
    assert_eq!(call(&emulator, "PUT", "/kv/a%20b", r#"{"value":"2"}"#).await.status(), 200);
    for method in ["PUT", "DELETE"] {
        assert_eq!(call(&emulator, method, "/locks/none", "").await.status(), 404);
    }
}

#[tokio::test]
async fn an_invalid_request_names_its_parameter() {
    let emulator = Emulator::start().await.unwrap();
    let long = format!(r#"{{"value":"{}"}}"#, "a".repeat(10_240));
    for (method, path, body, status, name) in [
        ("GET", "/kv/k?api-version=", "", 400, "api-version"),
        ("GET", "/kv/k?api-version=1.0&api-version=1.0", "", 400, "api-version"),
        ("GET", "/kv/k?api-version=2.0", "", 400, "api-version"),
        ("PUT", "/kv/a%0Ab", r#"{"value":"1"}"#, 400, "key"),
        ("PUT", "/kv/a?label=a%0Ab", r#"{"value":"1"}"#, 400, "label"),
        ("PUT", "/kv/a", "hunter2", 400, "model"),
        ("PUT", "/kv/a", r#"{"value":5432}"#, 400, "model"),
        ("PUT", "/kv/a", r#"{"value":"1","content_type":"a\nb"}"#, 400, "content_type"),
        ("PUT", "/kv/a", &long, 413, ""),
        ("PUT", "/kv/100%25", r#"{"value":"1"}"#, 400, ""),
        ("GET", "/kv/k?tags=a", "", 400, "tags"),
        ("POST", "/kv/k", "", 405, ""),
        ("GET", "/none", "", 404, ""),
    ] {
        let response = call(&emulator, method, path, body).await;
        assert_eq!(response.status(), status, "{method} {path}");
        assert!(!response.text().contains("hunter2"));
        match name {
            "" => assert_eq!(response.text(), "", "{method} {path}"),
            name => assert_eq!(response.json()["name"], name, "{method} {path}"),
        }
    }
    let fits = format!(r#"{{"value":"{}"}}"#, "a".repeat(10_239));
    assert_eq!(call(&emulator, "PUT", "/kv/a", &fits).await.status(), 200);
}

#[tokio::test]
async fn a_tag_filter_of_a_single_key_value_exists_since_2024_09() {
    let emulator = Emulator::start().await.unwrap();
    emulator.app_configuration("contoso").set_key_value("k", SetKeyValue::new("1").tag("a", "b"));
    for (query, status) in [
        ("tags=a%3Db", 200),
        ("tags=a%3Dx", 404),
        ("tags=a%3Dx&api-version=2024-09-01", 404),
        ("tags=a%3Dx&api-version=2023-11-01", 200),
    ] {
        assert_eq!(get(&emulator, &format!("/kv/k?{query}")).await.status(), status, "{query}");
    }
}

#[tokio::test]
async fn each_host_has_its_store() {
    let emulator = Emulator::start().await.unwrap();
    emulator.app_configuration("Contoso").set("k", "contoso");
    emulator.app_configuration("").set("k", "default");
    emulator.set("k", "secret");
    for (host, path, expected) in [
        ("contoso.azconfig.io", "/kv/k?api-version=1.0", "contoso"),
        ("contoso.localhost", "/kv/k?api-version=1.0", "contoso"),
        ("localhost:1", "/kv/k?api-version=1.0", "default"),
        ("localhost:1", "/secrets/k?api-version=7.4", "secret"),
    ] {
        let store = emulator.app_configuration("");
        let token = if expected == "secret" { emulator.token() } else { store.token() };
        let request = http::Request::get(format!("https://{host}{path}"))
            .header("authorization", format!("Bearer {token}"))
            .body(bytes::Bytes::new())
            .unwrap();
        let response = crate::TestResponse(emulator.handle(request).await);
        assert_eq!(response.json()["value"], expected, "{host}{path}");
    }
    let request = http::Request::get("https://contoso.vault.azure.net/kv/k?api-version=7.4")
        .header("authorization", format!("Bearer {}", emulator.token()))
        .body(bytes::Bytes::new())
        .unwrap();
    assert_eq!(emulator.handle(request).await.status(), 404, "a vault has no key-values");
    let secrets = get(&emulator, "/secrets/k").await;
    assert_eq!((secrets.status(), secrets.text()), (404, ""), "a store has no secrets");
}

#[tokio::test]
async fn the_default_store_can_have_a_name() {
    let emulator = Emulator::builder().app_configuration("Contoso").start().await.unwrap();
    emulator.app_configuration("").set("k", "default");
    emulator.app_configuration("other").set("k", "other");
    assert_eq!(get(&emulator, "/kv/k").await.json()["value"], "default");
    let store = emulator.app_configuration("contoso");
    assert!(store.endpoint().starts_with("https://contoso.localhost:"), "{}", store.endpoint());
    store.set("k", "named");
    store.fault_next(1, keyvault_emulator::Fault::status(500));
    assert_eq!(get(&emulator, "/kv/k").await.status(), 500);
    assert_eq!(get(&emulator, "/kv/k").await.json()["value"], "named");
}
