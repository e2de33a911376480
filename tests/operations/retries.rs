//! Idempotent requests are retried. Others are never repeated if the first may have succeeded.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use keyvault::ErrorKind;
use keyvault_emulator::{Emulator, Fault};
use keyvault_test_support::CONTOSO;
use keyvault_test_support::credential::FakeCredential;
use keyvault_test_support::emulator::{client_of, transport_to};
use keyvault_test_support::transport::{FakeResponse, FakeTransport};
use tokio::time::Instant;

use super::recording::scene;

const UNSURE: &str = "may have been carried out";

#[tokio::test(start_paused = true)]
async fn a_set_that_may_have_reached_the_vault_is_not_repeated() {
    for fault in [
        Fault::status(408),
        Fault::status(500),
        Fault::status(502),
        Fault::status(504),
        Fault::Reset,
        Fault::Truncated,
        Fault::Hang,
        Fault::HangInBody,
    ] {
        let (emulator, client) = scene(Emulator::builder()).await;
        emulator.fault(fault.clone());
        let begun = Instant::now();
        let error = client.set("a", "canary").await.expect_err(&format!("{fault:?}"));
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{fault:?}");
        assert_eq!(emulator.requests().set, 1, "{fault:?}");
        assert!(error.advice().is_some_and(|advice| advice.contains(UNSURE)), "{fault:?}: {error:?}");
        assert!(begun.elapsed().as_secs() <= 30, "{fault:?}");
        assert!(!format!("{error:?}").contains("canary"), "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_set_with_a_transient_refusal_is_repeated_with_its_body() {
    for fault in [Fault::status(429), Fault::status(503), Fault::status(503).retry_after("1")] {
        let (emulator, client) = scene(Emulator::builder()).await;
        emulator.fault_next(2, fault.clone());
        assert_eq!(client.set("a", "value").await.unwrap().expose_secret(), "value", "{fault:?}");
        assert_eq!(emulator.requests().set, 3, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_could_not_be_opened_is_retried() {
    for (failures, is_set) in [(2, true), (100, false)] {
        let left = AtomicUsize::new(failures);
        let wire = FakeTransport::scripted(move |_| {
            if left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok() {
                return Err(azure_core::Error::with_message(azure_core::error::ErrorKind::Connection, "refused"));
            }
            Ok(FakeResponse::new(200, format!(r#"{{"value":"x","id":"{CONTOSO}/secrets/a/0af1"}}"#)))
        });
        let client = wire.client(&FakeCredential::fixed("token")).build().unwrap();
        let set = client.set("a", "x").await;
        assert_eq!((set.is_ok(), wire.sent().len()), (is_set, if is_set { 3 } else { 5 }));
        let advice = set.err().and_then(|error| error.advice().map(str::to_owned)).unwrap_or_default();
        assert!(!advice.contains(UNSURE), "no secret was set: {advice}");
    }
}

#[tokio::test]
async fn on_a_socket_a_broken_connection_differs_from_a_refused_one() {
    let emulator = Emulator::start().await.unwrap();
    let credential = FakeCredential::fixed(emulator.token());
    let client = client_of(&emulator, &credential).build().unwrap();
    client.set("a", "x").await.unwrap();
    for fault in [Fault::Reset, Fault::Truncated] {
        emulator.reset_requests();
        emulator.fault_next(1, fault.clone());
        let error = client.set("a", "y").await.unwrap_err();
        assert_eq!((error.kind(), emulator.requests().set), (ErrorKind::Unavailable, 1), "{fault:?}: {error:?}");
        assert!(error.advice().is_some_and(|advice| advice.contains(UNSURE)), "{fault:?}: {error:?}");
    }
    emulator.stop().await;
    let fresh = client.set("a", "z").await.unwrap_err();
    assert_eq!(fresh.kind(), ErrorKind::Unavailable);
    let never = client.set("a", "z").await.unwrap_err();
    let is_certain = never.advice().is_none_or(|advice| !advice.contains(UNSURE));
    assert!(is_certain, "the port is closed, so the failure is certain: {never:?}");
}

#[tokio::test(start_paused = true)]
async fn idempotent_requests_are_retried() {
    let (emulator, client) = scene(Emulator::builder()).await;
    client.set("a", "x").await.unwrap();
    emulator.fault_next(1, Fault::Truncated);
    client.update("a", keyvault::client::VersionProperties::new().content_type("t")).await.unwrap();
    emulator.fault_next(1, Fault::status(500));
    client.backup("a").await.unwrap();
    emulator.fault_next(1, Fault::status(500));
    client.delete("a").await.unwrap();
    assert_eq!((emulator.requests().update, emulator.requests().backup, emulator.requests().delete), (2, 2, 2));
}

#[tokio::test(start_paused = true)]
async fn the_response_to_a_deletion_is_not_taken_for_a_missing_secret() {
    let (emulator, client) = scene(Emulator::builder()).await;
    client.set("a", "x").await.unwrap();
    emulator.fault_next(1, Fault::Truncated);
    let error = client.begin_delete("a").await.unwrap_err();
    assert_eq!((error.kind(), emulator.requests().delete), (ErrorKind::Unavailable, 2), "{error:?}");
    assert!(error.advice().unwrap().contains(UNSURE), "{error:?}");
    assert!(client.get_deleted("a").await.is_ok());
    let missing = client.begin_delete("a").await.unwrap_err();
    assert_eq!((missing.kind(), missing.advice()), (ErrorKind::NotFound, None));
}

#[tokio::test(start_paused = true)]
async fn a_revoked_token_costs_one_more_token_and_one_retry() {
    let emulator = Arc::new(Emulator::start().await.unwrap());
    let credential = FakeCredential::fresh(&emulator);
    let client = transport_to(&emulator).client(&credential).build().unwrap();
    client.set("a", "x").await.unwrap();
    emulator.revoke_tokens();
    client.set("a", "y").await.unwrap();
    assert_eq!((credential.requests(), emulator.requests().unauthorized, emulator.requests().set), (2, 1, 2));
    assert_eq!(client.get("a").await.unwrap().expose_secret(), "y");
}

#[tokio::test(start_paused = true)]
async fn a_claims_challenge_costs_one_token_and_one_retry_and_then_an_error() {
    let challenge = r#"Bearer realm="", authorization_uri="https://login.microsoftonline.com/common/oauth2/authorize", error="insufficient_claims", claims="eyJhY2Nlc3NfdG9rZW4iOnt9fQ==""#;
    let emulator = Arc::new(Emulator::start().await.unwrap());
    emulator.vault("contoso").set("a", "x");
    let credential = FakeCredential::fresh(&emulator);
    let client = transport_to(&emulator).client(&credential).build().unwrap();
    client.get("a").await.unwrap();
    emulator.fault_next(1, Fault::Challenge(challenge.to_owned()));
    client.get("a").await.unwrap();
    assert_eq!(credential.requests(), 2, "a fresh token was enough");

    emulator.reset_requests();
    emulator.fault(Fault::Challenge(challenge.to_owned()));
    let error = client.get("a").await.unwrap_err();
    assert_eq!((error.kind(), error.http_status()), (ErrorKind::Denied, Some(401)));
    assert!(error.to_string().contains("claims that the credential cannot give"), "{error}");
    assert_eq!((credential.requests(), emulator.requests().unauthorized), (3, 2), "no loop");

    // If the credential issues the same token again, the client does not send it again.
    let client = transport_to(&emulator).client(&FakeCredential::fixed(emulator.token())).build().unwrap();
    emulator.reset_requests();
    let error = client.get("a").await.unwrap_err();
    assert!(error.to_string().contains("claims that the credential cannot give"), "{error}");
    assert_eq!(emulator.requests().unauthorized, 1);
}
