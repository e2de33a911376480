//! The challenge, and the tokens that satisfy it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::Request;
use keyvault_emulator::{Emulator, Fault};
use serde_json::Value;

use crate::TestResponse;

async fn with_header(emulator: &Emulator, authorization: Option<String>) -> TestResponse {
    let mut request = Request::get("https://localhost/secrets?api-version=7.4");
    if let Some(authorization) = authorization {
        request = request.header("authorization", authorization);
    }
    TestResponse(emulator.handle(request.body(Bytes::new()).unwrap()).await)
}

#[tokio::test]
async fn a_request_without_a_token_gets_the_challenge_of_the_service() {
    let emulator = Emulator::start().await.unwrap();
    let response = with_header(&emulator, None).await;
    assert_eq!(response.status(), 401);
    let challenge = format!(
        "Bearer authorization=\"{}/{}\", resource=\"https://vault.azure.net\"",
        emulator.authority_url(),
        emulator.tenant_id()
    );
    assert_eq!(response.header("www-authenticate"), Some(challenge.as_str()));
    assert_eq!(
        response.text(),
        r#"{"error":{"code":"Unauthorized","message":"AKV10000: Request is missing a Bearer, PoP, or MTLS_POP token."}}"#
    );
}

#[tokio::test]
async fn a_token_must_be_issued_by_the_emulator_for_the_vault_unrevoked_and_unexpired() {
    let seconds = Arc::new(AtomicU64::new(1_800_000_000));
    let clock = Arc::clone(&seconds);
    let emulator = Emulator::builder()
        .clock(move || UNIX_EPOCH + Duration::from_secs(clock.load(Ordering::Relaxed)))
        .start()
        .await
        .unwrap();
    let valid = emulator.token();
    for (token, status, start) in [
        ("made-up".to_owned(), 401, "AKV10000: "),
        (emulator.token_for("https://management.azure.com/"), 401, "AKV10022: Invalid audience."),
        (emulator.token_for("https://vault.azure.net/"), 200, ""),
        (valid.clone(), 200, ""),
    ] {
        let response = with_header(&emulator, Some(format!("Bearer {token}"))).await;
        assert_eq!(response.status(), status, "{start}");
        if status == 401 {
            assert!(response.json()["error"]["message"].as_str().unwrap().starts_with(start), "{}", response.text());
            assert!(response.header("www-authenticate").is_some(), "{start}");
        }
    }

    emulator.revoke_tokens();
    assert_eq!(with_header(&emulator, Some(format!("Bearer {valid}"))).await.status(), 401);
    let fresh = format!("Bearer {}", emulator.token());
    assert_eq!(with_header(&emulator, Some(fresh.clone())).await.status(), 200);
    seconds.fetch_add(3600, Ordering::Relaxed);
    assert_eq!(with_header(&emulator, Some(fresh)).await.status(), 401, "expired");
}

#[tokio::test]
async fn the_resource_of_the_challenge_can_be_set() {
    let emulator = Emulator::builder().challenge_resource("https://vault.azure.cn").start().await.unwrap();
    let response = with_header(&emulator, None).await;
    assert!(response.header("www-authenticate").unwrap().ends_with(r#"resource="https://vault.azure.cn""#));
    let token = emulator.token_for("https://vault.azure.cn");
    assert_eq!(with_header(&emulator, Some(format!("Bearer {token}"))).await.status(), 200);

    emulator.challenge_resource("https://evil.example");
    let response = with_header(&emulator, None).await;
    assert!(response.header("www-authenticate").unwrap().ends_with(r#"resource="https://evil.example""#));
}

#[tokio::test]
async fn accept_any_token_accepts_a_fake_token() {
    let emulator = Emulator::builder().accept_any_token().start().await.unwrap();
    assert_eq!(with_header(&emulator, Some("Bearer fake".to_owned())).await.status(), 200);
    assert_eq!(with_header(&emulator, None).await.status(), 401);
}

#[tokio::test]
async fn a_claims_challenge_contains_the_required_claims_and_no_resource() {
    let emulator = Emulator::start().await.unwrap();
    emulator.fault_next(1, Fault::InsufficientClaims);
    let response = with_header(&emulator, Some(format!("Bearer {}", emulator.token()))).await;
    let challenge = response.header("www-authenticate").unwrap();
    let start = format!(
        "Bearer realm=\"\", authorization_uri=\"{}/{}/oauth2/authorize\", error=\"insufficient_claims\", claims=\"",
        emulator.authority_url(),
        emulator.tenant_id()
    );
    let claims = challenge.strip_prefix(&start).and_then(|rest| rest.strip_suffix('"')).unwrap();
    let claims: Value = serde_json::from_slice(&STANDARD.decode(claims).unwrap()).unwrap();
    assert_eq!(claims["access_token"]["nbf"]["essential"], true);
    assert_eq!(response.status(), 401);
}
