//! Faults of a credential or its tokens.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use azure_core::error::ErrorKind as SdkKind;
use futures::future::join_all;
use keyvault::{ErrorKind, ReferenceStatus};
use keyvault_emulator::Fault;
use keyvault_test_support::canary::assert_value_free;
use keyvault_test_support::credential::{FakeCredential, HOUR, valid_for};
use keyvault_test_support::emulator::transport_to;
use keyvault_test_support::transport::{FakeResponse, FakeTransport};
use tokio::time::{Instant, advance};

use super::faults::{DEADLINE, scene};
#[tokio::test(start_paused = true)]
async fn a_credential_that_hangs_ends_with_the_operation() {
    let wire = FakeTransport::scripted(|_| Ok(FakeResponse::new(200, "{}")));
    let client = wire.client(&FakeCredential::hanging()).build().unwrap();
    let begun = Instant::now();
    let herd = join_all((0..10).map(|_| client.get("a"))).await;
    for error in herd.into_iter().map(Result::unwrap_err) {
        assert_eq!((error.kind(), error.status()), (ErrorKind::Unavailable, ReferenceStatus::FetchTimedOut));
    }
    assert!(begun.elapsed() <= DEADLINE, "{:?}", begun.elapsed());
    assert_eq!(wire.sent().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_failing_credential_is_called_once_for_all_waiting_callers() {
    let wire = FakeTransport::scripted(|_| Ok(FakeResponse::new(200, "{}")));
    for (kind, expected) in [
        (SdkKind::Credential, ErrorKind::Denied),
        (SdkKind::Io, ErrorKind::Unavailable),
        (SdkKind::Connection, ErrorKind::Unavailable),
    ] {
        let text = "AADSTS7000215: invalid client secret is provided: canary of the credential";
        let failure = kind.clone();
        let credential = FakeCredential::failing(move || azure_core::Error::with_message(failure.clone(), text));
        let client = wire.client(&credential).build().unwrap();
        let begun = Instant::now();
        for error in join_all((0..100).map(|_| client.get("a"))).await.into_iter().map(Result::unwrap_err) {
            assert_eq!((error.kind(), error.status()), (expected, ReferenceStatus::MsiNotEnabled), "{kind:?}");
            assert_value_free(&error, &["canary"]);
            let cause = std::error::Error::source(&error).unwrap().to_string();
            assert!(cause.contains("AADSTS7000215"), "the code is what people search for: {cause}");
        }
        assert_eq!(credential.requests(), 1, "{kind:?}");
        assert!(begun.elapsed() <= DEADLINE, "{kind:?}");
        client.get("a").await.unwrap_err();
        assert_eq!(credential.requests(), 2, "a failure is not kept: {kind:?}");
    }
    assert_eq!(wire.sent().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_valid_token_bridges_an_outage_of_the_token_endpoint() {
    for (hangs, what) in [(true, "hangs"), (false, "fails")] {
        let (emulator, _) = scene().await;
        let issuer = Arc::clone(&emulator);
        let fetches = AtomicUsize::new(0);
        let credential = FakeCredential::new(move |_| {
            // Shorter than the margin before expiry at which the client requests the next token. Tokens expire by the
            // wall clock.
            let token = valid_for(Duration::from_secs(120), issuer.token());
            let is_first = fetches.fetch_add(1, Ordering::SeqCst) == 0;
            async move {
                match (is_first, hangs) {
                    (true, _) => Ok(token),
                    (false, true) => std::future::pending().await,
                    (false, false) => Err(azure_core::Error::with_message(SdkKind::Io, "connection refused")),
                }
            }
        });
        let client = transport_to(&emulator).client(&credential).build().unwrap();
        for fetches in 1..4 {
            for secret in join_all((0..100).map(|_| client.get("a"))).await {
                secret.unwrap_or_else(|error| panic!("{what}: {error:?}"));
            }
            assert_eq!(
                credential.requests(),
                fetches,
                "one of the callers requests the next token from time to time: {what}"
            );
            advance(Duration::from_secs(60)).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_that_expired_is_not_sent() {
    let (emulator, _) = scene().await;
    let issuer = Arc::clone(&emulator);
    let fetches = AtomicUsize::new(0);
    let credential = FakeCredential::new(move |_| {
        let lifetime = if fetches.fetch_add(1, Ordering::SeqCst) == 0 { Duration::ZERO } else { HOUR };
        let token = valid_for(lifetime, issuer.token());
        async { Ok(token) }
    });
    let wire = transport_to(&emulator);
    let client = wire.client(&credential).build().unwrap();
    for _ in 0..3 {
        client.get("a").await.unwrap();
    }
    assert_eq!(credential.requests(), 2, "one that was outdated at once, and one for the rest");
}

#[tokio::test(start_paused = true)]
async fn a_rejected_token_is_replaced_once_and_then_the_call_is_denied() {
    let (emulator, _) = scene().await;
    emulator.fault(Fault::Unauthorized);
    let credential = FakeCredential::fresh(&emulator);
    let client = transport_to(&emulator).client(&credential).build().unwrap();
    let error = client.get("a").await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::Denied, ReferenceStatus::UnauthorizedClient));
    assert_eq!((credential.requests(), emulator.requests().total), (2, 2));
}
