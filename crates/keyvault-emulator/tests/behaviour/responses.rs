//! The responses, field by field.

use std::time::{Duration, UNIX_EPOCH};

use keyvault_emulator::Emulator;
use serde_json::json;

use crate::{call, get, with_version};

async fn with_fixed_clock() -> Emulator {
    let clock = || UNIX_EPOCH + Duration::from_millis(1_800_000_000_900);
    Emulator::builder().clock(clock).start().await.unwrap()
}

#[tokio::test]
async fn a_secret_has_the_field_order_of_the_service_and_omits_absent_fields() {
    let emulator = with_fixed_clock().await;
    emulator.vault("contoso").set("plain", "");
    let response = get(&emulator, "/secrets/plain/").await;
    let version = response.json()["id"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    assert!(version.len() == 32 && version.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')));
    assert_eq!(
        response.text(),
        format!(
            r#"{{"value":"","id":"https://contoso.vault.azure.net/secrets/plain/{version}","attributes":{{"enabled":true,"created":1800000000,"updated":1800000000,"recoveryLevel":"Recoverable+Purgeable","recoverableDays":90}}}}"#
        )
    );

    let body =
        r#"{"value":"v","contentType":"text/plain","tags":{"k":"v"},"attributes":{"enabled":true,"nbf":1,"exp":2}}"#;
    let response = call(&emulator, "PUT", &with_version("/secrets/full"), body).await;
    let start = r#"{"value":"v","contentType":"text/plain","id":"https://contoso.vault.azure.net/secrets/full/"#;
    assert!(response.text().starts_with(start), "{}", response.text());
    let end = r#""attributes":{"enabled":true,"nbf":1,"exp":2,"created":1800000000,"updated":1800000000,"recoveryLevel":"Recoverable+Purgeable","recoverableDays":90},"tags":{"k":"v"}}"#;
    assert!(response.text().ends_with(end), "{}", response.text());
}

#[tokio::test]
async fn every_response_has_the_headers_of_the_service() {
    let emulator = Emulator::start().await.unwrap();
    for path in ["/secrets", "/secrets/none", "/nowhere"] {
        let response = get(&emulator, path).await;
        for (name, value) in [
            ("cache-control", "no-cache"),
            ("pragma", "no-cache"),
            ("expires", "-1"),
            ("content-type", "application/json; charset=utf-8"),
            ("strict-transport-security", "max-age=31536000;includeSubDomains"),
            ("x-content-type-options", "nosniff"),
            ("x-ms-keyvault-region", "westus"),
            ("x-ms-keyvault-service-version", "1.9.3449.1"),
        ] {
            assert_eq!(response.header(name), Some(value), "{name} of {path}");
        }
        assert_eq!(response.header("x-ms-request-id").map(str::len), Some(36));
        assert_eq!(response.header("retry-after"), None);
    }
}

#[tokio::test]
async fn a_response_repeats_the_clients_request_id() {
    let emulator = Emulator::start().await.unwrap();
    let request = http::Request::get("https://localhost/secrets")
        .header("x-ms-client-request-id", "mine")
        .body(bytes::Bytes::new())
        .unwrap();
    let response = emulator.handle(request).await;
    assert_eq!(response.headers()["x-ms-client-request-id"], "mine");
}

#[tokio::test]
async fn a_set_adds_a_version_that_inherits_nothing() {
    let emulator = Emulator::start().await.unwrap();
    let path = with_version("/secrets/a");
    let first = call(&emulator, "PUT", &path, r#"{"value":"1","tags":{"k":"v"},"contentType":"t"}"#).await.json();
    let second = call(&emulator, "PUT", &path, r#"{"value":"1","attributes":{}}"#).await.json();
    assert_ne!(first["id"], second["id"]);
    assert_eq!((second.get("tags"), second.get("contentType")), (None, None));
    assert_eq!(get(&emulator, "/secrets/A").await.json(), second, "the latest version, under a case-insensitive name");
    let id = first["id"].as_str().unwrap().strip_prefix("https://contoso.vault.azure.net").unwrap();
    assert_eq!(get(&emulator, id).await.json(), first);
    assert_eq!(get(&emulator, &id.to_uppercase().replace("/SECRETS/", "/secrets/")).await.json(), first);
}

#[tokio::test]
async fn an_update_changes_given_properties_replaces_all_tags_and_returns_no_value() {
    let emulator = Emulator::start().await.unwrap();
    let body = r#"{"value":"1","contentType":"t","tags":{"a":"1","b":"2"},"attributes":{"exp":9}}"#;
    call(&emulator, "PUT", &with_version("/secrets/a"), body).await;
    for (body, content_type, tags, enabled) in [
        (r#"{"tags":{"c":"3"}}"#, "t", json!({"c": "3"}), true),
        (r#"{"attributes":{"enabled":false}}"#, "t", json!({"c": "3"}), false),
        (r#"{"contentType":"u","tags":{}}"#, "u", json!({}), false),
        ("", "u", json!({}), false),
        (r#"{"attributes":{"enabled":true}}"#, "u", json!({}), true),
    ] {
        let response = call(&emulator, "PATCH", &with_version("/secrets/a/"), body).await.json();
        assert_eq!(response.get("value"), None, "{body}");
        assert_eq!(response["contentType"], content_type, "{body}");
        assert_eq!(response["tags"], tags, "{body}");
        assert_eq!(response["attributes"]["enabled"], enabled, "{body}");
        assert_eq!(response["attributes"]["exp"], 9, "{body}");
    }
    assert_eq!(get(&emulator, "/secrets/a").await.json()["value"], "1");
}

#[tokio::test]
async fn recoverable_days_exist_since_7_1() {
    let emulator = Emulator::start().await.unwrap();
    emulator.vault("contoso").set("a", "1");
    for (version, days) in
        [("2016-10-01", json!(null)), ("7.0", json!(null)), ("7.1", json!(90)), ("2026-04-01", json!(90))]
    {
        let response = call(&emulator, "GET", &format!("/secrets/a?api-version={version}"), "").await.json();
        assert_eq!(response["attributes"].get("recoverableDays").cloned().unwrap_or_default(), days, "{version}");
    }
}

#[tokio::test]
async fn secrets_outside_their_validity_are_returned() {
    let emulator = with_fixed_clock().await;
    for (name, attributes) in [("expired", r#"{"exp":1}"#), ("early", r#"{"nbf":4000000000}"#)] {
        let body = format!(r#"{{"value":"v","attributes":{attributes}}}"#);
        call(&emulator, "PUT", &with_version(&format!("/secrets/{name}")), &body).await;
        assert_eq!(get(&emulator, &format!("/secrets/{name}")).await.json()["value"], "v", "{name}");
    }
}

#[tokio::test]
async fn doubled_slashes_and_encoded_parameter_names_are_accepted() {
    let emulator = Emulator::start().await.unwrap();
    emulator.vault("contoso").set("a", "1");
    for path in ["//secrets/a?api-version=7.4", "/secrets/a/?api%2Dversion=2025-07-01", "/secrets/%61?api-version=7.6"]
    {
        let response = call(&emulator, "GET", path, "").await;
        assert_eq!(response.status(), 200, "{path}: {}", response.text());
    }
}

#[tokio::test]
async fn a_post_with_a_method_header_counts_as_that_method() {
    let emulator = Emulator::start().await.unwrap();
    emulator.vault("contoso").set("a", "1");
    for header in ["x-http-method", "x-http-request"] {
        let request = http::Request::post("https://contoso.vault.azure.net/secrets/a?api-version=7.4")
            .header("authorization", format!("Bearer {}", emulator.token()))
            .header(header, "PATCH")
            .body(r#"{"contentType":"t"}"#.into())
            .unwrap();
        assert_eq!(emulator.handle(request).await.status(), 200, "{header}");
    }
    assert_eq!(emulator.requests().update, 2);
}

#[tokio::test]
async fn the_host_selects_the_vault() {
    let emulator = Emulator::start().await.unwrap();
    emulator.set("a", "default");
    emulator.vault("contoso").set("a", "contoso");
    emulator.vault("Fabrikam").set("a", "fabrikam");
    for (host, value) in [
        ("contoso.vault.azure.net", "contoso"),
        ("CONTOSO.vault.azure.net:8443", "contoso"),
        ("fabrikam.localhost:1", "fabrikam"),
        ("127.0.0.1:1", "default"),
        ("localhost", "default"),
        ("[::1]:8443", "default"),
        ("example.com", "default"),
    ] {
        let request = http::Request::get("/secrets/a?api-version=7.4")
            .header("host", host)
            .header("authorization", format!("Bearer {}", emulator.token()))
            .body(bytes::Bytes::new())
            .unwrap();
        let response = crate::TestResponse(emulator.handle(request).await).json();
        assert_eq!(response["value"], value, "{host}");
        assert!(response["id"].as_str().unwrap().starts_with(&format!("https://{host}/secrets/a/")), "{response}");
    }
    assert_eq!(emulator.vault("x").url(), emulator.vault_url().replace("127.0.0.1", "x.localhost"));
}
