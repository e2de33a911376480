//! A token or a signature goes to one endpoint only, and no value is shown.

use std::sync::Arc;

use azure_core::error::ErrorKind as SdkErrorKind;
use futures::TryStreamExt;
use keyvault::ErrorKind;
use keyvault_appconfig::client::{KeyValueProperties, NewSnapshot};
use keyvault_appconfig::{AppConfigurationClient, NO_LABEL, Selector};
use keyvault_test_support::canary::{assert_free_of, assert_value_free};
use keyvault_test_support::credential::FakeCredential;
use keyvault_test_support::log::Log;
use keyvault_test_support::transport::{FakeResponse, FakeTransport};

use super::{ENDPOINT, client, store};

#[tokio::test]
async fn no_link_of_a_store_leads_to_another_host_or_list() {
    for link in [
        "https://evil.example/kv?after=x",
        "//evil.example/kv?after=x",
        "https://contoso.azconfig.io.evil.example/kv?after=x",
        "https://contoso.azconfig.io@evil.example/kv?after=x",
        "/snapshots?key=other&after=x",
    ] {
        for in_body in [true, false] {
            let wire = FakeTransport::scripted(move |request| {
                if request.query("after").is_some() {
                    return Ok(FakeResponse::new(200, r#"{"items":[]}"#));
                }
                Ok(if in_body {
                    FakeResponse::new(200, format!(r#"{{"items":[],"@nextLink":"{link}"}}"#))
                } else {
                    FakeResponse::new(200, r#"{"items":[]}"#).header("link", format!("<{link}>; rel=\"next\""))
                })
            });
            client(&wire).list(&Selector::new("a", NO_LABEL)).try_collect::<Vec<_>>().await.unwrap();
            let urls: Vec<String> = wire.sent().into_iter().map(|sent| sent.url.to_string()).collect();
            let first = "https://contoso.azconfig.io/kv?api-version=2026-04-01&key=a&label=%00";
            assert_eq!(urls, [first.to_owned(), format!("{first}&after=x")], "{link}");
        }
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (store, attacker) = (format!("{ENDPOINT}/kv/a"), "https://evil.example/kv/a".to_owned());
    for (status, location) in [(301, attacker.clone()), (307, attacker), (308, store)] {
        let wire = FakeTransport::scripted(move |_| Ok(FakeResponse::new(status, "").header("location", &location)));
        let error = client(&wire).get("a", None).await.unwrap_err();
        assert!(error.to_string().ends_with("store answered with a redirect, which is not followed"), "{error}");
        assert_eq!(wire.sent().len(), 1);
    }
}

#[tokio::test]
async fn a_challenge_gets_no_token_for_another_service() {
    let challenge = r#"Bearer authorization="https://evil.example", resource="https://evil.example""#;
    let wire = FakeTransport::scripted(move |_| Ok(FakeResponse::new(401, "").header("www-authenticate", challenge)));
    let credential = FakeCredential::fixed("token-0123456789");
    let client = AppConfigurationClient::builder(ENDPOINT).credential(Arc::clone(&credential) as _);
    client.client_options(wire.options()).build().unwrap().get("a", None).await.unwrap_err();
    let scopes = credential.scopes();
    assert!(scopes.len() == 2 && scopes[0] == scopes[1] && !scopes[0].contains("evil"), "{scopes:?}");
}

#[tokio::test]
async fn a_token_is_for_the_cloud_of_the_store_or_for_the_audience_that_the_program_named() {
    for (endpoint, audience, expected) in [
        ("https://contoso.azconfig.io", None, "https://appconfig.azure.com/.default"),
        ("https://contoso.azconfig.sovcloud-api.fr", None, "https://appconfig.sovcloud-api.fr/.default"),
        (
            "https://settings.contoso.example",
            Some("https://appconfig.azure.us/"),
            "https://appconfig.azure.us/.default",
        ),
    ] {
        let wire = FakeTransport::scripted(|_| Ok(FakeResponse::new(200, r#"{"key":"a"}"#)));
        let credential = FakeCredential::fixed("token-0123456789");
        let builder = AppConfigurationClient::builder(endpoint).credential(Arc::clone(&credential) as _);
        let builder = audience.into_iter().fold(builder, |builder, audience| builder.audience(audience));
        let client = builder.client_options(wire.options()).build().unwrap();
        client.get("a", None).await.unwrap();
        let replica = endpoint.replace("https://", "https://west-");
        client.with_endpoint(&replica).unwrap().get("a", None).await.unwrap();
        assert_eq!(credential.scopes(), [expected, expected], "{endpoint}");
        let sent = wire.sent();
        assert!(sent.iter().all(|sent| sent.header("authorization") == Some("Bearer token-0123456789")), "{endpoint}");
    }
    let builder =
        AppConfigurationClient::builder(ENDPOINT).credential(FakeCredential::fixed("token") as _).audience("");
    assert_eq!(builder.build().unwrap_err().kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn a_store_that_cannot_be_reached_is_named_without_its_secrets() {
    for (reason, clause) in [
        ("dns error: no such host", "store's host name cannot be resolved"),
        ("tcp connect error", "store could not be reached"),
        ("invalid peer certificate: UnknownIssuer", "store's certificate is not trusted"),
    ] {
        let wire = FakeTransport::scripted(move |request| {
            let authorization = request.header("authorization").unwrap();
            let text = format!("{reason}, sent {authorization}");
            Err(azure_core::Error::with_message(SdkErrorKind::Connection, text))
        });
        let client = client(&wire);
        let error = client.get("a", Some("prod")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        let expected = format!("a from App Configuration contoso, label prod: {clause}");
        assert_eq!(error.to_string(), expected);
        assert!(!error.advice().unwrap().contains("vault"), "{error:?}");
        assert_value_free(&error, &["Signature=", "Credential="]);
    }
}

#[tokio::test]
async fn no_value_token_or_signature_is_logged_or_shown() {
    let log = Log::with_spans();
    let (_emulator, wire, client) = store().await;
    let properties = KeyValueProperties::new().content_type("application/json").description("where");
    let set = client.set_with("a", None, VALUE, properties.clone()).await.unwrap();
    let mut shown = format!("{properties:?} {set:?} {client:?}");
    shown += &format!("{:?}", client.get("a", None).await.unwrap());
    shown += &format!("{:?}", client.fetch_page(&Selector::new("*", "*"), None, None).await.unwrap());
    shown += &format!("{:?}", client.list(&Selector::new("*", "*")).try_collect::<Vec<_>>().await.unwrap());
    shown += &format!("{:?}", client.begin_create_snapshot("s", NewSnapshot::of("*", None)).await.unwrap());
    shown += &format!("{:?}", client.set("a b", None, "x".repeat(20_000) + VALUE).await.unwrap_err());
    shown += &format!("{:?}", client.delete("a", None).await.unwrap());
    let signatures: Vec<String> = wire
        .sent()
        .iter()
        .filter_map(|sent| Some(sent.header("authorization")?.split_once("Signature=")?.1.to_owned()))
        .collect();
    assert!(signatures.len() >= 7);
    let canaries: Vec<&str> = signatures.iter().map(String::as_str).chain([VALUE, "Secret="]).collect();
    assert_free_of(&shown, &canaries);
    let log = log.text();
    assert!(log.contains("appconfig{store=") && log.contains("asked the store key=\"a\""), "{log}");
    assert!(log.contains("operation=\"get\"") && log.contains("status=200"), "{log}");
    assert_free_of(&log, &canaries);
}

const VALUE: &str = "value-canary-7f3a9c";
