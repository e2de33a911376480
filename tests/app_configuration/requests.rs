//! The requests of the client: what they look like, which are repeated, and the sync tokens in them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_lc_rs::{digest, hmac};
use azure_core::base64;
use azure_core::http::Method;
use keyvault::ErrorKind;
use keyvault_appconfig::client::{AppConfigurationClient, Condition, KeyValueProperties};
use keyvault_appconfig::{AccessKey, Selector};
use keyvault_test_support::credential::FakeCredential;
use keyvault_test_support::transport::{FakeResponse, FakeTransport, SentRequest};
use url::Position;

use super::{ENDPOINT, SECRET, client};

const KEY_VALUE: &str = r#"{"key":"a","value":"1","etag":"e"}"#;

fn answering(body: &'static str) -> Arc<FakeTransport> {
    FakeTransport::scripted(move |_| Ok(FakeResponse::new(200, body)))
}

fn only(wire: &FakeTransport) -> SentRequest {
    let mut sent = wire.take_sent();
    assert_eq!(sent.len(), 1);
    sent.remove(0)
}

#[tokio::test]
async fn a_request_has_the_form_of_the_rest_api() {
    let wire = answering(KEY_VALUE);
    let client = client(&wire);
    client.get("shop:a/b \u{fc}", Some("prod,*")).await.unwrap();
    let sent = only(&wire);
    assert_eq!(sent.method, Method::Get);
    assert_eq!(
        sent.url.as_str(),
        "https://contoso.azconfig.io/kv/shop:a%2Fb%20%C3%BC?api-version=2026-04-01&label=prod%2C*"
    );
    let accepted = "application/vnd.microsoft.appconfig.kv+json, application/json, application/problem+json";
    assert_eq!(sent.header("accept"), Some(accepted));
    let properties = KeyValueProperties::new().content_type("t").tag("b", "2");
    client.set_with("a", None, "v", properties.only_if(Condition::Unchanged("e".to_owned()))).await.unwrap();
    let sent = only(&wire);
    assert_eq!((sent.method, sent.url.path(), sent.header("if-match")), (Method::Put, "/kv/a", Some("\"e\"")));
    assert_eq!(sent.header("content-type"), Some("application/vnd.microsoft.appconfig.kv+json"));
    assert_eq!(sent.body, r#"{"value":"v","content_type":"t","tags":{"b":"2"}}"#);
    client.add("a", None, "v").await.unwrap();
    assert_eq!(only(&wire).header("if-none-match"), Some("*"));
    client.clear_read_only("a", Some("")).await.unwrap();
    let sent = only(&wire);
    assert_eq!(
        (sent.method, sent.url.as_str()),
        (Method::Delete, "https://contoso.azconfig.io/locks/a?api-version=2026-04-01")
    );
}

#[tokio::test]
async fn a_signature_covers_the_request_as_it_is_sent() {
    let wire = answering(KEY_VALUE);
    client(&wire).set("a", Some("\u{fc} b"), "1").await.unwrap();
    let sent = only(&wire);
    let content_hash = base64::encode(digest::digest(&digest::SHA256, &sent.body));
    assert_eq!(sent.header("x-ms-content-sha256"), Some(&*content_hash));
    let date = sent.header("x-ms-date").unwrap();
    assert!(date.ends_with(" GMT"), "{date}");
    let target = &sent.url[Position::BeforePath..];
    let signed = format!("PUT\n{target}\n{date};contoso.azconfig.io;{content_hash}");
    let key = hmac::Key::new(hmac::HMAC_SHA256, &base64::decode(SECRET).unwrap());
    let signature = base64::encode(hmac::sign(&key, signed.as_bytes()));
    let signed_headers = "x-ms-date;host;x-ms-content-sha256";
    let expected = format!("HMAC-SHA256 Credential=id&SignedHeaders={signed_headers}&Signature={signature}");
    assert_eq!(sent.header("authorization"), Some(&*expected));
}

#[tokio::test]
async fn the_newest_sync_token_of_each_endpoint_is_sent_back() {
    let wire = FakeTransport::scripted(|request| {
        let number = if request.method == Method::Put { 7 } else { 3 };
        Ok(FakeResponse::new(200, KEY_VALUE).header("sync-token", format!("id=v{number};sn={number}")))
    });
    let client = client(&wire);
    client.set("a", None, "1").await.unwrap();
    client.get("a", None).await.unwrap();
    client.with_sync_token("id=v9;sn=9,other=v1;sn=1").get("a", None).await.unwrap();
    client.get("a", None).await.unwrap();
    let tokens: Vec<_> = wire.sent().iter().map(|sent| sent.header("sync-token").map(str::to_owned)).collect();
    let tokens: Vec<_> = tokens.iter().map(Option::as_deref).collect();
    assert_eq!(tokens, [None, Some("id=v7"), Some("id=v9,other=v1"), Some("id=v7")], "an event's token is not kept");
    let replica = client.with_endpoint("https://contoso-west.azconfig.io").unwrap();
    wire.take_sent();
    replica.get("a", None).await.unwrap();
    let sent = only(&wire);
    assert_eq!((sent.origin().as_str(), sent.header("sync-token")), ("https://contoso-west.azconfig.io", None));
}

#[tokio::test(start_paused = true)]
async fn only_a_change_without_a_condition_is_repeated_after_a_failure_that_leaves_it_open() {
    let failing = || FakeTransport::scripted(|_| Ok(FakeResponse::new(500, "")));
    let condition = || KeyValueProperties::new().only_if(Condition::Exists);
    let wire = failing();
    client(&wire).set("a", None, "1").await.unwrap_err();
    assert_eq!(wire.sent().len(), 5);
    let wire = failing();
    let error = client(&wire).set_with("a", None, "1", condition()).await.unwrap_err();
    assert_eq!(wire.sent().len(), 1);
    assert!(error.advice().unwrap().starts_with("the request may have been carried out"), "{error:?}");
    let wire = failing();
    client(&wire).add("a", None, "1").await.unwrap_err();
    assert_eq!(wire.sent().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_next_attempt_waits_as_long_as_the_store_demands() {
    let attempts = AtomicUsize::new(0);
    let wire = FakeTransport::scripted(move |_| {
        Ok(match attempts.fetch_add(1, Ordering::Relaxed) {
            0 => FakeResponse::new(429, "").header("retry-after-ms", "3000"),
            _ => FakeResponse::new(200, KEY_VALUE),
        })
    });
    let started = tokio::time::Instant::now();
    client(&wire).get("a", None).await.unwrap();
    assert!(started.elapsed() >= Duration::from_secs(3), "{:?}", started.elapsed());
    assert_eq!(wire.sent().len(), 2);
}

#[tokio::test]
async fn a_client_that_cannot_work_is_not_built() {
    let key = || AccessKey::new("id", "c2VjcmV0").unwrap();
    let with_key = |endpoint: &str| AppConfigurationClient::builder(endpoint).access_key(key());
    let credential = FakeCredential::fixed("token") as Arc<dyn azure_core::credentials::TokenCredential>;
    for (builder, clause) in [
        (AppConfigurationClient::builder(ENDPOINT), "client has neither a credential nor an access key"),
        (with_key(ENDPOINT).credential(credential), "client has both a credential and an access key"),
        (with_key("canary"), "endpoint is not"),
        (with_key("https://contoso.vault.azure.net"), "endpoint is that of a key vault"),
        (with_key(ENDPOINT).timeout(Duration::ZERO), "timeout of a client"),
        (with_key(ENDPOINT).requests_per_second(0), "requests per second"),
        (with_key(ENDPOINT).api_version("canary"), "api-version is malformed"),
        (with_key(ENDPOINT).certificate_authority("canary"), "CA certificate is not PEM"),
        (AppConfigurationClient::from_connection_string("canary"), "connection string is not"),
    ] {
        assert!(!format!("{builder:?}").contains("canary"));
        let error = builder.build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{clause}");
        assert!(error.to_string().starts_with(clause) && !error.report().contains("canary"), "{error:?}");
    }
}

#[tokio::test]
async fn a_key_that_no_store_has_is_refused_without_a_request() {
    let wire = answering(KEY_VALUE);
    let client = client(&wire);
    for key in ["", ".", "..", "a%2Fb", "a\nb"] {
        assert_eq!(client.get(key, None).await.unwrap_err().kind(), ErrorKind::Invalid, "{key:?}");
    }
    assert_eq!(client.get_snapshot("..").await.unwrap_err().kind(), ErrorKind::Invalid);
    assert!(client.fetch_page(&Selector::new("a*b", "*"), None, None).await.is_err());
    assert_eq!(wire.sent().len(), 0);
}
