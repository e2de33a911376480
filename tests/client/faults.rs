//! Every fault ends in time, is retried only if a retry can help, and is reported as its kind.

use std::sync::Arc;
use std::time::Duration;

use azure_core::error::ErrorKind as SdkKind;
use futures::TryStreamExt;
use keyvault::{Cloud, Error, ErrorKind, ReferenceStatus, SecretClient};
use keyvault_emulator::{Emulator, Fault};
use keyvault_test_support::canary::assert_value_free;
use keyvault_test_support::credential::FakeCredential;
use keyvault_test_support::emulator::transport_to;
use keyvault_test_support::transport::{FakeResponse, FakeTransport};
use tokio::time::Instant;

/// Creates a client of an emulator in this process, for a paused clock.
pub(super) async fn scene() -> (Arc<Emulator>, SecretClient) {
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
        (code(404).body("<html>"), Unavailable, Some(404), Status::OtherReasons, 1),
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

/// The default timeout of an operation.
pub(super) const DEADLINE: Duration = Duration::from_secs(30);
pub(super) const VALUE: &str = "value-that-stays-inside";

#[tokio::test(start_paused = true)]
async fn a_failure_of_a_host_with_a_typing_error_hints_at_it() {
    let refused = |text: &'static str| {
        FakeTransport::scripted(move |_| Err(azure_core::Error::with_message(SdkKind::Connection, text)))
    };
    for reason in ["dns error: no such host", "tcp connect error", "invalid peer certificate: UnknownIssuer"] {
        let wire = refused(reason);
        let client = wire.client(&FakeCredential::fixed("token")).build().unwrap();
        for (vault, is_hinted) in [
            ("https://contoso.vault.azur.net", true),
            ("https://contoso.vault.azure.com", true),
            ("https://contoso.privatelink.vaultcore.azure.net", true),
            ("https://contoso.vault.azure.net", false),
            ("https://secrets.contoso.example", false),
        ] {
            let error = client.with_vault(vault).unwrap().get("a").await.unwrap_err();
            let hint = error.advice().unwrap().contains("NAME.vault.azure.net");
            assert_eq!(hint, is_hinted, "{reason} {vault}: {error:?}");
        }
    }
}

#[tokio::test]
async fn a_client_is_built_from_the_name_or_the_host_of_a_vault() {
    let credential = FakeCredential::fixed("token");
    let origin = |vault: &str, cloud: Option<Cloud>| {
        let builder = SecretClient::builder(vault).credential(Arc::clone(&credential) as _);
        let builder = cloud.into_iter().fold(builder, |builder, cloud| builder.cloud(cloud));
        Ok::<_, Error>(builder.build()?.vault().origin().to_owned())
    };
    for vault in ["contoso", "Contoso", "contoso.vault.azure.net", "https://contoso.vault.azure.net/"] {
        assert_eq!(origin(vault, None).unwrap(), "https://contoso.vault.azure.net", "{vault}");
    }
    assert_eq!(origin("contoso", Some(Cloud::China)).unwrap(), "https://contoso.vault.azure.cn");
    let china = SecretClient::builder("contoso.vault.azure.cn").credential(credential.clone()).build().unwrap();
    assert_eq!(china.with_vault("shared").unwrap().vault().origin(), "https://shared.vault.azure.cn");
    for vault in ["", "ab", "a_b", "contoso.vault.azur.net", "contoso.vault.azure.net/secrets/a", "http://contoso"] {
        assert_eq!(origin(vault, None).unwrap_err().kind(), ErrorKind::Invalid, "{vault}");
    }
    assert_eq!(origin("contoso.vault.azure.cn", Some(Cloud::Public)).unwrap_err().kind(), ErrorKind::Invalid);
    for version in ["latest", "", "7", "7.4&x=1"] {
        let builder = SecretClient::builder("contoso").credential(credential.clone()).api_version(version);
        assert_eq!(builder.build().unwrap_err().kind(), ErrorKind::Invalid, "{version}");
    }
}
