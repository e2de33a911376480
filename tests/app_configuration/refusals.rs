//! Refusals of a store: what they are, the advice in them, and what is not in them.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use keyvault::report::ReferenceStatus;
use keyvault::{Error, ErrorKind};
use keyvault_appconfig::AppConfigurationClient;
use keyvault_emulator::Emulator;
use keyvault_test_support::canary::assert_value_free;
use keyvault_test_support::credential::FakeCredential;
use keyvault_test_support::transport::{FakeResponse, FakeTransport};

use super::client;

async fn get_and_set(response: FakeResponse) -> [Error; 2] {
    let wire = FakeTransport::scripted(move |_| Ok(response.clone()));
    let [one, other] = [client(&wire), client(&wire)];
    [one.get("a", None).await.unwrap_err(), other.set("a", None, "canary-value").await.unwrap_err()]
}

fn problem(name: &str) -> String {
    format!(r#"{{"type":"https://azconfig.io/errors/{name}","title":"canary","name":"canary","detail":"canary"}}"#)
}

#[tokio::test(start_paused = true)]
async fn a_refusal_says_what_to_do_and_has_no_text_of_the_store() {
    use ErrorKind::{Conflict, Denied, Invalid, NotFound, Unavailable};
    for (status, body, kind, clause, advice) in [
        (400, problem("invalid-argument"), Invalid, "store refused the request", ""),
        (403, String::new(), Denied, "identity has no role that permits the operation", "App Configuration Data"),
        (403, problem("ip-address-rejected"), Denied, "store's network rules do not admit", "private endpoint"),
        (404, String::new(), NotFound, "key-value not found", "label"),
        (409, problem("key-locked"), Conflict, "key-value is locked", "lock"),
        (409, problem("canary"), Conflict, "store refused a conflicting change", ""),
        (412, String::new(), Conflict, "key-value is not as the condition demands", "again"),
        (413, String::new(), Invalid, "key-value is too large", "10 KB"),
        (302, String::new(), Unavailable, "store answered with a redirect", ""),
        (500, String::new(), Unavailable, "store failed", ""),
        (200, "canary".to_owned(), Unavailable, "response is not a store's answer", "proxy"),
        (200, "[]".to_owned(), Unavailable, "store's response cannot be parsed", ""),
    ] {
        let response = FakeResponse::new(status, body).header("x-ms-request-id", "canary");
        for error in get_and_set(response).await {
            assert_eq!(error.kind(), kind, "{status} {error:?}");
            assert!(error.to_string().starts_with(&format!("a from App Configuration contoso: {clause}")), "{error}");
            assert!(error.advice().unwrap_or_default().contains(advice), "{status} {error:?}");
            assert_eq!(error.status(), ReferenceStatus::OtherReasons, "{status} {error:?}");
            assert!(status == 200 || error.http_status() == Some(status), "{error:?}");
            assert_value_free(&error, &["canary", "Key Vault"]);
            let said = error.report().lines().filter(|line| !line.starts_with("see: ")).collect::<String>();
            assert!(!said.contains("vault"), "{said}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_throttling_store_is_told_from_a_failing_one() {
    let response = FakeResponse::new(429, problem("too-many-requests")).header("retry-after-ms", "1000");
    let [error, _] = get_and_set(response).await;
    assert_eq!(error.kind(), ErrorKind::Throttled { retry_after: Some(Duration::from_secs(1)) });
    assert!(error.to_string().ends_with("store is throttling"), "{error}");
    assert_eq!(error.code(), Some("TooManyRequests"));
    assert!(error.advice().unwrap().contains("tier"), "{error:?}");
}

#[tokio::test]
async fn the_challenge_of_a_401_says_what_is_wrong() {
    let now = httpdate(SystemTime::now());
    let old = httpdate(SystemTime::now() - Duration::from_secs(16 * 60));
    let refused =
        |description: &str| format!(r#"HMAC-SHA256 error="invalid_token" error_description="{description}", Bearer"#);
    for (challenge, date, clause, advice) in [
        (refused("The access token has expired"), &now, "clock of this machine differs from the store's", "15 minutes"),
        (refused("Invalid access token date canary"), &old, "clock of this machine differs", "clock"),
        (refused("Invalid Credential"), &now, "store does not know the access key", "connection string"),
        (refused("Invalid Signature"), &now, "secret of the access key is wrong", "connection string"),
        (refused("canary"), &now, "store did not accept the signature", "enabled"),
        (
            r#"HMAC-SHA256, Bearer error="invalid_token", error_description="canary""#.to_owned(),
            &now,
            "store did not accept the token",
            "tenant is the store's",
        ),
        ("HMAC-SHA256, Bearer".to_owned(), &now, "store did not accept the credential", "access keys are enabled"),
        ("canary".to_owned(), &old, "store did not accept the credential", "access keys are enabled"),
    ] {
        let response = FakeResponse::new(401, "").header("www-authenticate", challenge.clone()).header("date", date);
        for error in get_and_set(response).await {
            assert_eq!(error.kind(), ErrorKind::Denied, "{challenge}");
            assert!(error.to_string().contains(&format!("UnauthorizedClient: {clause}")), "{challenge}: {error}");
            assert!(error.advice().unwrap().contains(advice), "{challenge}: {error:?}");
            assert_value_free(&error, &["canary"]);
        }
    }
}

#[tokio::test]
async fn a_wrong_secret_and_a_wrong_clock_are_told_apart_by_a_store() {
    let emulator = Emulator::start().await.unwrap();
    let right = emulator.app_configuration("").connection_string();
    let (head, _) = right.rsplit_once("Secret=").unwrap();
    let get = async |connection_string: &str| {
        let client = AppConfigurationClient::from_connection_string(connection_string);
        let client = client.certificate_authority(emulator.ca_pem()).build().unwrap();
        client.get("a", None).await.unwrap_err().to_string()
    };
    let wrong = get(&format!("{head}Secret=d3JvbmcgY2FuYXJ5")).await;
    assert!(wrong.ends_with("secret of the access key is wrong"), "{wrong}");
    let unknown = get(&right.replace("Id=", "Id=x")).await;
    assert!(unknown.ends_with("store does not know the access key"), "{unknown}");
    emulator.advance_clock(Duration::from_secs(16 * 60));
    let late = get(&right).await;
    assert!(late.ends_with("clock of this machine differs from the store's"), "{late}");
}

#[tokio::test]
async fn a_rejected_token_is_replaced_once() {
    let (wire, credential) = (FakeTransport::scripted(|_| Ok(FakeResponse::new(401, ""))), numbered());
    let builder = AppConfigurationClient::builder(super::ENDPOINT).credential(Arc::clone(&credential) as _);
    let client = builder.client_options(wire.options()).build().unwrap();
    client.get("a", None).await.unwrap_err();
    assert_eq!((wire.sent().len(), credential.requests()), (2, 2));
}

/// Returns a credential with another token each time.
fn numbered() -> Arc<FakeCredential> {
    let number = std::sync::atomic::AtomicUsize::new(0);
    FakeCredential::new(move |_| {
        let number = number.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        std::future::ready(Ok(keyvault_test_support::credential::valid_for(
            Duration::from_secs(3_600),
            format!("token-{number}"),
        )))
    })
}

fn httpdate(time: SystemTime) -> String {
    azure_core::time::to_rfc7231(&time.into())
}
