//! Every fault ends in time, is retried only if a retry can help, and is reported as its kind.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use azure_core::error::ErrorKind as SdkKind;
use futures::TryStreamExt;
use futures::future::join_all;
use keyvault::{Error, ErrorKind, ReferenceStatus, SecretClient};
use keyvault_emulator::{Emulator, Fault};
use keyvault_test_support::canary::assert_value_free;
use keyvault_test_support::credential::{FakeCredential, HOUR, valid_for};
use keyvault_test_support::emulator::{client_of, transport_to};
use keyvault_test_support::transport::{FakeResponse, FakeTransport};
use tokio::time::{Instant, advance};

/// Creates a client of an emulator in this process, for a paused clock.
async fn scene() -> (Arc<Emulator>, SecretClient) {
    let emulator = Arc::new(Emulator::start().await.unwrap());
    emulator.vault("contoso").set("a", VALUE);
    let credential = FakeCredential::fixed(emulator.token());
    let client = transport_to(&emulator).client(&credential).build().unwrap();
    (emulator, client)
}

#[tokio::test(start_paused = true)]
async fn every_fault_has_its_error_kind_and_its_number_of_attempts() {
    use ErrorKind::{Conflict, Denied, Invalid, NotFound, Unavailable};
    use ReferenceStatus as Status;
    let throttled = ErrorKind::Throttled { retry_after: None };
    let code = Fault::status;
    for (fault, kind, http_status, status, attempts) in [
        (code(400), Invalid, Some(400), Status::OtherReasons, 1),
        (code(403), Denied, Some(403), Status::AccessToKeyVaultDenied, 1),
        (code(404), NotFound, Some(404), Status::SecretNotFound, 1),
        (code(404).body("<html>"), Unavailable, Some(404), Status::VaultNotFound, 1),
        (code(405), Invalid, Some(405), Status::OtherReasons, 1),
        (code(409), Conflict, Some(409), Status::OtherReasons, 1),
        (code(408), Unavailable, Some(408), Status::OtherReasons, 5),
        (code(429), throttled, Some(429), Status::OtherReasons, 5),
        (code(500), Unavailable, Some(500), Status::OtherReasons, 5),
        (code(501), Unavailable, Some(501), Status::OtherReasons, 1),
        (code(502), Unavailable, Some(502), Status::OtherReasons, 5),
        (code(503), Unavailable, Some(503), Status::OtherReasons, 5),
        (code(504), Unavailable, Some(504), Status::OtherReasons, 5),
        (Fault::Unauthorized, Denied, Some(401), Status::UnauthorizedClient, 1),
        (Fault::Challenge("Negotiate".to_owned()), Denied, Some(401), Status::UnauthorizedClient, 1),
        (Fault::Redirect("https://evil.example".to_owned()), Unavailable, Some(307), Status::OtherReasons, 1),
        (Fault::Reset, Unavailable, None, Status::OtherReasons, 5),
        (Fault::Truncated, Unavailable, None, Status::OtherReasons, 5),
        (Fault::Hang, Unavailable, None, Status::FetchTimedOut, 3),
        (Fault::HangInBody, Unavailable, None, Status::FetchTimedOut, 3),
        (Fault::Latency(Duration::from_secs(13)), Unavailable, None, Status::FetchTimedOut, 3),
        (Fault::Oversized(100 << 20), Unavailable, None, Status::OtherReasons, 1),
        (Fault::NotJson, Unavailable, None, Status::OtherReasons, 1),
        (Fault::WrongJson, Unavailable, None, Status::OtherReasons, 1),
        (Fault::WrongId, Unavailable, None, Status::OtherReasons, 1),
    ] {
        let (emulator, client) = scene().await;
        emulator.fault(fault.clone());
        let begun = Instant::now();
        let error = client.get("a").await.expect_err(&format!("{fault:?}"));
        assert_eq!(error.kind(), kind, "{fault:?}: {error:?}");
        assert_eq!((error.http_status(), error.status()), (http_status, status), "{fault:?}: {error:?}");
        assert_eq!(error.secret().unwrap().name().as_str(), "a", "{fault:?}");
        assert_eq!(emulator.requests().total, attempts, "{fault:?}: {error:?}");
        assert!(begun.elapsed() <= DEADLINE, "{fault:?}: {:?}", begun.elapsed());
        assert_value_free(&error, &[VALUE, "evil.example", "Please sign in"]);

        emulator.clear_faults();
        let secret = client.get("a").await.unwrap_or_else(|error| panic!("after {fault:?}: {error:?}"));
        assert_eq!(secret.expose_secret(), VALUE, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn transient_faults_are_invisible_to_the_caller() {
    for fault in [
        Fault::status(408),
        Fault::status(429),
        Fault::status(500),
        Fault::status(502),
        Fault::status(503),
        Fault::status(504),
        Fault::Reset,
        Fault::Truncated,
        Fault::Hang,
        Fault::HangInBody,
        Fault::Latency(Duration::from_secs(11)),
    ] {
        let (emulator, client) = scene().await;
        emulator.fault_next(1, fault.clone());
        let secret = client.get("a").await.unwrap_or_else(|error| panic!("{fault:?}: {error:?}"));
        assert_eq!(secret.expose_secret(), VALUE, "{fault:?}");
        let listed: Vec<_> = client.list().try_collect().await.unwrap();
        assert_eq!(listed.len(), 1, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn at_least_the_retry_after_of_the_vault_is_waited() {
    for (fault, seconds) in [
        (Fault::status(429).retry_after("2"), 2.0),
        (Fault::status(503).retry_after("2"), 2.0),
        (Fault::status(429).header("retry-after-ms", "2500"), 2.5),
        (Fault::status(429).header("x-ms-retry-after-ms", "2500"), 2.5),
        (Fault::status(429).retry_after("0"), 0.0),
    ] {
        let (emulator, client) = scene().await;
        emulator.fault_next(1, fault.clone());
        let begun = Instant::now();
        assert_eq!(client.get("a").await.unwrap().expose_secret(), VALUE);
        let waited = begun.elapsed().as_secs_f64();
        assert!((seconds..1.25 * seconds + 0.1).contains(&waited), "{fault:?}: {waited} s");
        assert_eq!(emulator.requests().total, 2, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_retry_after_of_an_hour_is_reported_and_not_waited_for() {
    let (emulator, client) = scene().await;
    emulator.fault(Fault::status(429).retry_after("3600"));
    let begun = Instant::now();
    let error = client.get("a").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Throttled { retry_after: Some(Duration::from_secs(3_600)) });
    assert!(begun.elapsed() < DEADLINE, "{:?}", begun.elapsed());
    assert_eq!(error.status(), ReferenceStatus::OtherReasons, "it is no timeout");
}

#[tokio::test(start_paused = true)]
async fn pauses_grow_between_attempts() {
    let (emulator, client) = scene().await;
    emulator.fault(Fault::status(429));
    let begun = Instant::now();
    client.get("a").await.unwrap_err();
    // One, two, four and eight seconds, each ±25 %.
    let waited = begun.elapsed().as_secs_f64();
    assert!((11.25..=18.75).contains(&waited), "{waited} s");
}

#[tokio::test(start_paused = true)]
async fn the_error_of_a_timeout_reports_the_failure_before_it() {
    let (emulator, client) = scene().await;
    emulator.fault_next(1, Fault::status(503));
    emulator.fault(Fault::Hang);
    let begun = Instant::now();
    let error = client.get("a").await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::Unavailable, ReferenceStatus::FetchTimedOut));
    assert!(error.is_transient());
    assert_eq!(begun.elapsed().as_secs(), DEADLINE.as_secs());
    assert!(std::error::Error::source(&error).is_some(), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn each_page_has_its_own_timeout() {
    let (emulator, client) = scene().await;
    for n in 0..60 {
        emulator.vault("contoso").set(&format!("s{n}"), "x");
    }
    emulator.fault(Fault::Latency(Duration::from_secs(11)));
    let begun = Instant::now();
    let listed: Vec<_> = client.list().try_collect().await.unwrap();
    assert_eq!((listed.len(), begun.elapsed().as_secs()), (61, 33));
}

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
        let asked = AtomicUsize::new(0);
        let credential = FakeCredential::new(move |_| {
            // Shorter than the margin before expiry at which the client requests the next token. Tokens expire by the
            // wall clock.
            let token = valid_for(Duration::from_secs(120), issuer.token());
            let is_first = asked.fetch_add(1, Ordering::SeqCst) == 0;
            async move {
                match (is_first, hangs) {
                    (true, _) => Ok(token),
                    (false, true) => std::future::pending().await,
                    (false, false) => Err(azure_core::Error::with_message(SdkKind::Io, "connection refused")),
                }
            }
        });
        let client = transport_to(&emulator).client(&credential).build().unwrap();
        for asked in 1..4 {
            for secret in join_all((0..100).map(|_| client.get("a"))).await {
                secret.unwrap_or_else(|error| panic!("{what}: {error:?}"));
            }
            assert_eq!(
                credential.requests(),
                asked,
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
    let asked = AtomicUsize::new(0);
    let credential = FakeCredential::new(move |_| {
        let lifetime = if asked.fetch_add(1, Ordering::SeqCst) == 0 { Duration::ZERO } else { HOUR };
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

#[tokio::test(start_paused = true)]
async fn no_error_quotes_its_input() {
    let token = "token-canary.token-canary.token-canary";
    let said = |status: u16, body: &str| {
        let challenge = r#"Bearer authorization="https://body-canary.example", resource="https://vault.azure.net""#;
        Ok(FakeResponse::new(status, body)
            .header("x-ms-request-id", "body canary")
            .header("location", "https://body-canary.example/")
            .header("retry-after", "body canary")
            .header("www-authenticate", challenge))
    };
    let mut errors: Vec<Error> = Vec::new();
    for status in [200, 204, 301, 307, 400, 401, 403, 404, 408, 409, 413, 429, 500, 503, 599] {
        for body in [
            r#"{"value":"value-canary","id":"body canary"}"#,
            r#"{"value":["value-canary"],"id":"https://contoso.vault.azure.net/secrets/a/0af1"}"#,
            r#"{"value":"value-canary"#,
            r#"{"error":{"code":"body canary","message":"value-canary","innererror":{"code":"body canary!"}}}"#,
            r#"{"error":{"code":"Forbidden","message":"body canary: \r\n value-canary"}}"#,
            r#"{"error":"body canary"}"#,
            "<html>body canary value-canary</html>",
        ] {
            let wire = FakeTransport::scripted(move |_| said(status, body));
            let client = wire.client(&FakeCredential::fixed(token)).build().unwrap();
            errors.extend(client.get("a").await.err());
            errors.extend(client.list().try_collect::<Vec<_>>().await.err());
        }
    }
    assert!(errors.len() >= 200, "{}", errors.len());
    // A third-party transport that puts the whole request into its error.
    let wire = FakeTransport::scripted(|sent| {
        let header = sent.header("authorization").unwrap_or_default().to_owned();
        Err(azure_core::Error::with_message(SdkKind::Io, format!("could not send {header}")))
    });
    errors.extend(wire.client(&FakeCredential::fixed(token)).build().unwrap().get("a").await.err());
    for error in errors {
        assert_value_free(&error, &["token-canary", "value-canary", "body canary", "body-canary"]);
        let report = error.report();
        assert!(!report.contains("canary"), "{report}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_above_the_limit_is_refused_even_without_a_content_length() {
    for (length, taken) in [(25 << 10, true), (2 << 20, false)] {
        let value = "x".repeat(length);
        let body = format!(r#"{{"value":"{value}","id":"https://contoso.vault.azure.net/secrets/a/0af1"}}"#);
        let wire = FakeTransport::scripted(move |_| Ok(FakeResponse::new(200, body.clone())));
        let client = wire.client(&FakeCredential::fixed("token")).build().unwrap();
        assert_eq!(client.get("a").await.is_ok(), taken, "{length}");
        assert_eq!(wire.sent().len(), 1);
    }
}

/// Uses TLS, because the test needs a socket. The clock is real, so the timeout is short.
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
        let timeout = if retried { Duration::from_secs(20) } else { Duration::from_millis(500) };
        let client = client_of(&emulator, &credential).timeout(timeout).build().unwrap();
        client.get("a").await.unwrap();
        emulator.reset_requests();
        emulator.fault(fault.clone());
        let begun = Instant::now();
        let error = client.get("a").await.unwrap_err();
        emulator.clear_faults();
        assert_eq!((error.kind(), error.status()), (ErrorKind::Unavailable, status), "{fault:?}: {error:?}");
        let enough = timeout + Duration::from_secs(2);
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
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
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

/// The default timeout of an operation.
const DEADLINE: Duration = Duration::from_secs(30);
const VALUE: &str = "value-that-stays-inside";
