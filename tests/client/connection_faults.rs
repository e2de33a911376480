//! Faults of connections, over TLS and sockets.

use std::time::Duration;

use keyvault::{ErrorKind, ReferenceStatus, SecretClient};
use keyvault_emulator::{Emulator, Fault};
use keyvault_test_support::canary::assert_value_free;
use keyvault_test_support::credential::FakeCredential;
use keyvault_test_support::emulator::client_of;
use tokio::time::Instant;

use super::faults::VALUE;

/// Uses TLS, because the test needs a socket. The clock is real, so the timeout is short, but long enough for a
/// handshake on a busy machine.
#[tokio::test]
async fn a_broken_connection_ends_in_time_as_unavailable() {
    let emulator = Emulator::start().await.unwrap();
    emulator.set("a", VALUE);
    let credential = FakeCredential::fixed(emulator.token());
    for (fault, retried, status) in [
        (Fault::Reset, true, ReferenceStatus::OtherReasons),
        (Fault::Truncated, true, ReferenceStatus::OtherReasons),
        (Fault::Oversized(1 << 40), false, ReferenceStatus::OtherReasons),
        (Fault::Hang, false, ReferenceStatus::FetchTimedOut),
        (Fault::HangInBody, false, ReferenceStatus::FetchTimedOut),
    ] {
        let timeout = if retried { Duration::from_secs(20) } else { Duration::from_secs(3) };
        let client = client_of(&emulator, &credential).timeout(timeout).build().unwrap();
        client.get("a").await.unwrap();
        emulator.reset_requests();
        emulator.fault(fault.clone());
        let begun = Instant::now();
        let error = client.get("a").await.unwrap_err();
        emulator.clear_faults();
        assert_eq!((error.kind(), error.status()), (ErrorKind::Unavailable, status), "{fault:?}: {error:?}");
        let enough = timeout + Duration::from_secs(10);
        assert!(begun.elapsed() < enough, "{fault:?}: {:?}", begun.elapsed());
        let total = emulator.requests().total;
        assert!(if retried { (2..=5).contains(&total) } else { total == 1 }, "{fault:?}: {total}");
        assert_value_free(&error, &[VALUE, &emulator.token()]);
        assert_eq!(client.get("a").await.unwrap().expose_secret(), VALUE, "after {fault:?}");
    }
}

#[tokio::test]
async fn the_caller_does_not_notice_one_broken_connection() {
    let emulator = Emulator::start().await.unwrap();
    emulator.set("a", VALUE);
    let credential = FakeCredential::fixed(emulator.token());
    let client = client_of(&emulator, &credential).build().unwrap();
    for fault in [Fault::Reset, Fault::Truncated] {
        emulator.fault_next(1, fault.clone());
        assert_eq!(client.get("a").await.unwrap().expose_secret(), VALUE, "{fault:?}");
    }
}

#[tokio::test]
async fn a_closed_port_ends_in_time() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    drop(listener);
    let credential = FakeCredential::fixed("token");
    let client = SecretClient::builder(url).credential(credential).timeout(Duration::from_secs(5)).build().unwrap();
    let begun = Instant::now();
    let error = client.get("a").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.is_transient());
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_silent_port_ends_in_time() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let credential = FakeCredential::fixed("token");
    let client = SecretClient::builder(url).credential(credential).timeout(Duration::from_millis(500)).build().unwrap();
    let begun = Instant::now();
    let error = client.get("a").await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::Unavailable, ReferenceStatus::FetchTimedOut));
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    drop(listener);
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_not_trusted() {
    let emulator = Emulator::builder().accept_any_token().start().await.unwrap();
    let other = Emulator::start().await.unwrap();
    emulator.set("a", VALUE);
    let credential = FakeCredential::fixed("token");
    let client = SecretClient::builder(emulator.vault_url())
        .credential(credential)
        .certificate_authority(other.ca_pem())
        .timeout(Duration::from_secs(5))
        .build()
        .unwrap();
    assert_eq!(client.get("a").await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(emulator.request_log().len(), 0);
}
