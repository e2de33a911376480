//! Each fault, as a client observes it.

use std::error::Error as _;
use std::time::Duration;

use keyvault_emulator::{Emulator, Fault, Operation};
use serde_json::Value;
use tokio::time::{Instant, timeout};

use crate::{TestResponse, client, client_builder, get, request};

async fn emulator() -> Emulator {
    let emulator = Emulator::start().await.unwrap();
    emulator.set("a", "hunter2");
    emulator.vault("contoso").set("a", "hunter2");
    emulator
}

/// Returns whether a GET that no fault matches succeeds.
async fn is_alive(emulator: &Emulator) -> bool {
    let response = request(emulator, &client(emulator), "/secrets?unaffected=1").send().await;
    response.is_ok_and(|response| response.status() == 200)
}

/// Applies a fault to all requests but those of [`is_alive`].
fn fault_others(emulator: &Emulator, fault: Fault) {
    emulator.fault_matching(None, |head| !head.path_and_query.contains("unaffected"), fault);
}

#[tokio::test]
async fn a_status_has_the_error_of_the_service_or_the_given_body() {
    let emulator = emulator().await;
    for (fault, status, code, retry_after) in [
        (Fault::status(429), 429, "Throttled", None),
        (Fault::status(429).retry_after("2"), 429, "Throttled", Some("2")),
        (Fault::status(403), 403, "Forbidden", None),
        (Fault::status(404), 404, "SecretNotFound", None),
        (Fault::status(500), 500, "InternalServerError", None),
        (
            Fault::status(503).retry_after("Wed, 21 Oct 2026 07:28:00 GMT"),
            503,
            "ServiceUnavailable",
            Some("Wed, 21 Oct 2026 07:28:00 GMT"),
        ),
        (Fault::status(404).body(r#"{"error":{"code":"VaultNotFound"}}"#), 404, "VaultNotFound", None),
    ] {
        emulator.fault_next(1, fault);
        let response = get(&emulator, "/secrets/a").await;
        assert_eq!((response.status(), response.error().1.as_str()), (status, code));
        assert_eq!(response.header("retry-after"), retry_after);
    }
    emulator.fault_next(1, Fault::status(429).header("retry-after-ms", "10").body("<html>"));
    let response = get(&emulator, "/secrets/a").await;
    assert_eq!((response.header("retry-after-ms"), response.text()), (Some("10"), "<html>"));
    assert_eq!(get(&emulator, "/secrets/a").await.status(), 200, "no applications are left");
    assert_eq!(emulator.requests().throttled, 3);
}

#[tokio::test]
async fn an_unlimited_fault_lasts_until_it_is_cleared_and_counted_faults_have_precedence() {
    let emulator = emulator().await;
    emulator.fault(Fault::status(500));
    emulator.fault_next(1, Fault::status(429));
    emulator.fault_next(1, Fault::status(503));
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(get(&emulator, "/secrets/a").await.status());
    }
    emulator.clear_faults();
    statuses.push(get(&emulator, "/secrets/a").await.status());
    assert_eq!(statuses, [429, 503, 500, 500, 200]);
}

#[tokio::test]
async fn a_fault_can_select_requests() {
    let emulator = emulator().await;
    emulator.fault_matching(Some(1), |head| head.operation == Operation::List, Fault::status(500));
    assert_eq!(get(&emulator, "/secrets/a").await.status(), 200);
    assert_eq!(get(&emulator, "/secrets").await.status(), 500);
    assert_eq!(get(&emulator, "/secrets").await.status(), 200);
}

#[tokio::test]
async fn challenges_and_redirects_contain_the_given_value() {
    let emulator = emulator().await;
    emulator.fault_next(1, Fault::Unauthorized);
    let response = get(&emulator, "/secrets/a").await;
    assert_eq!(response.status(), 401);
    assert!(response.header("www-authenticate").unwrap().contains(emulator.authority_url()));

    let claims = r#"Bearer error="insufficient_claims", claims="e30=""#;
    emulator.fault_next(1, Fault::Challenge(claims.to_owned()));
    let response = get(&emulator, "/secrets/a").await;
    assert_eq!((response.status(), response.header("www-authenticate")), (401, Some(claims)));

    emulator.fault_next(1, Fault::Redirect("https://evil.example/".to_owned()));
    let response = request(&emulator, &client(&emulator), "/secrets/a").send().await.unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()["location"]),
        (307, &"https://evil.example/".parse().unwrap())
    );
    assert_eq!(emulator.requests().unauthorized, 2);
}

#[tokio::test]
async fn response_faults_keep_the_status_200() {
    let emulator = emulator().await;
    let with_fault = |fault: Fault, path: &'static str| {
        emulator.fault_next(1, fault);
        get(&emulator, path)
    };
    let response = with_fault(Fault::NotJson, "/secrets/a").await;
    assert_eq!((response.status(), response.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert!(serde_json::from_str::<Value>(response.text()).is_err());

    let response = with_fault(Fault::WrongJson, "/secrets/a").await;
    assert!(response.status() == 200 && response.json()["value"].as_str().is_none());

    let response = with_fault(Fault::WrongId, "/secrets/a").await;
    assert!(response.json()["id"].as_str().unwrap().contains("/secrets/another-secret/"), "{}", response.text());
    let response = with_fault(Fault::WrongId, "/secrets").await;
    assert_eq!(response.names(), ["another-secret"]);

    let response = with_fault(Fault::NextLink("https://evil.example/secrets".to_owned()), "/secrets").await;
    assert_eq!(response.json()["nextLink"], "https://evil.example/secrets");
    assert_eq!(response.names(), ["a"]);
}

#[tokio::test]
async fn an_empty_page_links_to_the_page_it_replaces() {
    let emulator = emulator().await;
    emulator.fault_next(2, Fault::EmptyPage);
    assert_eq!(get(&emulator, "/secrets/a").await.status(), 200, "a get does not count");
    let mut path = crate::with_version("/secrets?maxresults=5");
    for _ in 0..2 {
        let page = crate::call(&emulator, "GET", &path, "").await;
        assert!(page.names().is_empty());
        path = page.next().unwrap();
    }
    assert_eq!(crate::call(&emulator, "GET", &path, "").await.names(), ["a"]);
}

#[tokio::test]
async fn a_response_fault_applies_to_the_next_success() {
    let emulator = emulator().await;
    emulator.fault_next(1, Fault::NotJson);
    let no_token = http::Request::get("https://localhost/secrets/a?api-version=7.4").body(bytes::Bytes::new());
    assert_eq!(TestResponse(emulator.handle(no_token.unwrap()).await).error().0, 401);
    assert_eq!(get(&emulator, "/secrets/none").await.error().0, 404);
    assert!(get(&emulator, "/secrets/a").await.text().starts_with("<html>"));
}

#[tokio::test]
async fn a_response_fault_applies_to_a_creation_too_and_keeps_its_status() {
    let emulator = emulator().await;
    for (name, fault) in [("not-json", Fault::NotJson), ("wrong-json", Fault::WrongJson), ("wrong-id", Fault::WrongId)]
    {
        let policy = r#"{"issuer":{"name":"Unknown"},"key_props":{"kty":"EC"},"x509_props":{"subject":"CN=a"}}"#;
        let path = crate::with_version(&format!("/certificates/{name}/create"));
        emulator.fault_next(1, fault);
        let response = crate::call(&emulator, "POST", &path, &format!(r#"{{"policy":{policy}}}"#)).await;
        assert_eq!(response.status(), 202, "{name}");
        let (starts, id) = (response.text().starts_with("<html>"), response.text().contains("/another-secret/"));
        assert_eq!((starts, id), (name == "not-json", name == "wrong-id"), "{}", response.text());
    }
}

#[tokio::test]
async fn an_oversized_response_has_the_given_length_and_is_never_held_in_memory() {
    let emulator = emulator().await;
    emulator.fault_next(1, Fault::Oversized(1_000_000));
    assert_eq!(get(&emulator, "/secrets/a").await.0.body().len(), 1_000_000);
    emulator.fault_next(1, Fault::Oversized(3));
    assert_eq!(get(&emulator, "/secrets/a").await.text(), r#"{"v"#);

    let length = 1 << 40;
    emulator.fault_next(1, Fault::Oversized(length));
    let mut response = request(&emulator, &client(&emulator), "/secrets/a").send().await.unwrap();
    assert_eq!(response.content_length(), Some(length));
    let mut read = 0;
    while read < 1_000_000 {
        read += response.chunk().await.unwrap().unwrap().len();
    }
}

#[tokio::test]
async fn a_reset_resets_the_connection_and_the_server_continues() {
    let emulator = emulator().await;
    for builder in [client_builder(&emulator), client_builder(&emulator).http1_only()] {
        fault_others(&emulator, Fault::Reset);
        let error = request(&emulator, &builder.build().unwrap(), "/secrets/a").send().await.unwrap_err();
        assert!(is_reset(&error), "{error:?}");
        emulator.clear_faults();
        assert!(is_alive(&emulator).await);
    }
    fault_others(&emulator, Fault::Reset);
    assert_eq!(get(&emulator, "/secrets/a").await.status(), 502, "a response cannot represent a lost connection");
    let no_token = http::Request::get("https://localhost/secrets/a").body(bytes::Bytes::new()).unwrap();
    let error = emulator.exchange(no_token).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    assert_eq!(emulator.request_log().last().unwrap().status, 0);
}

fn is_reset(error: &reqwest::Error) -> bool {
    let mut source = error.source();
    while let Some(error) = source {
        let io = error.downcast_ref::<std::io::Error>();
        if io.is_some_and(|io| io.kind() == std::io::ErrorKind::ConnectionReset) {
            return true;
        }
        source = error.source();
    }
    false
}

#[tokio::test]
async fn a_truncated_response_declares_the_full_length_and_ends_halfway() {
    let emulator = emulator().await;
    let whole = request(&emulator, &client(&emulator), "/secrets/a").send().await.unwrap().content_length();
    for builder in [client_builder(&emulator), client_builder(&emulator).http1_only()] {
        emulator.fault_next(1, Fault::Truncated);
        let mut response = request(&emulator, &builder.build().unwrap(), "/secrets/a").send().await.unwrap();
        assert_eq!((response.status().as_u16(), response.content_length()), (200, whole));
        let half = response.chunk().await.unwrap().unwrap();
        assert_eq!(half.len() as u64, whole.unwrap() / 2);
        assert!(half.starts_with(br#"{"value":"hunter2""#));
        assert!(response.chunk().await.is_err());
        assert!(is_alive(&emulator).await);
    }
    emulator.fault_next(1, Fault::Truncated);
    assert_eq!(get(&emulator, "/secrets/a").await.status(), 502, "a response cannot represent a lost connection");
}

#[tokio::test]
async fn a_hanging_body_stops_halfway_while_other_requests_succeed() {
    let emulator = emulator().await;
    for builder in [client_builder(&emulator), client_builder(&emulator).http1_only()] {
        emulator.fault_next(1, Fault::HangInBody);
        let mut response = request(&emulator, &builder.build().unwrap(), "/secrets/a").send().await.unwrap();
        assert!(response.chunk().await.unwrap().is_some());
        tokio::select! {
            biased;
            more = response.chunk() => panic!("{more:?}"),
            alive = is_alive(&emulator) => assert!(alive),
        }
    }
}

#[tokio::test]
async fn a_hanging_request_gets_no_response_while_other_requests_succeed() {
    let emulator = emulator().await;
    fault_others(&emulator, Fault::Hang);
    let client = client(&emulator);
    tokio::select! {
        biased;
        response = request(&emulator, &client, "/secrets/a").send() => panic!("{response:?}"),
        alive = is_alive(&emulator) => assert!(alive),
    }
}

#[tokio::test]
async fn a_client_that_drops_a_hanging_request_frees_it_on_the_server() {
    let emulator = emulator().await;
    for builder in [client_builder(&emulator), client_builder(&emulator).http1_only()] {
        fault_others(&emulator, Fault::Hang);
        let client = builder.build().unwrap();
        tokio::select! {
            biased;
            response = request(&emulator, &client, "/secrets/a").send() => panic!("{response:?}"),
            () = until(|| emulator.max_in_flight() == 1) => {}
        }
        emulator.clear_faults();
        let is_idle = || {
            emulator.reset_requests();
            emulator.max_in_flight() == 0
        };
        until(is_idle).await;
    }
}

/// Waits until a condition holds, at most 10 seconds.
async fn until(condition: impl Fn() -> bool + Send + Sync) {
    let wait = async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(10), wait).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn without_a_socket_a_hang_never_ends_and_a_latency_has_its_duration() {
    let emulator = emulator().await;
    let year = Duration::from_secs(365 * 86_400);
    for fault in [Fault::Hang, Fault::HangInBody] {
        emulator.fault_next(1, fault);
        assert!(timeout(year, get(&emulator, "/secrets/a")).await.is_err());
    }
    emulator.set_latency(Duration::from_secs(10));
    emulator.fault_next(1, Fault::Latency(Duration::from_secs(5)));
    for expected in [15, 10] {
        let start = Instant::now();
        assert_eq!(get(&emulator, "/secrets/a").await.status(), 200);
        assert_eq!(start.elapsed().as_secs(), expected);
    }
}

#[tokio::test]
async fn one_secret_can_fail() {
    let emulator = Emulator::start().await.unwrap();
    for name in ["db", "db-password"] {
        emulator.vault("contoso").set(name, "1");
        emulator.set(name, "1");
    }
    emulator.vault("contoso").fault_secret("db", Some(2), Fault::status(503));
    for (path, status) in [
        ("/secrets", 200),
        ("/secrets/db-password", 200),
        ("/secrets/DB", 503),
        ("/secrets/db/versions", 503),
        ("/secrets/db", 200),
    ] {
        assert_eq!(get(&emulator, path).await.status(), status, "{path}");
    }
    emulator.fault_secret("db", None, Fault::status(500));
    assert_eq!(get(&emulator, "/secrets/db").await.status(), 200, "another vault");
    let request = http::Request::get("https://127.0.0.1/secrets/db?api-version=7.4").body(bytes::Bytes::new()).unwrap();
    assert_eq!(emulator.handle(request).await.status(), 500);
}

#[tokio::test(start_paused = true)]
async fn the_longest_latencies_add_up() {
    let emulator = Emulator::start().await.unwrap();
    emulator.set_latency(Duration::MAX);
    emulator.fault(Fault::Latency(Duration::MAX));
    assert!(timeout(Duration::from_secs(3_600), get(&emulator, "/secrets")).await.is_err());
    emulator.clear_faults();
    emulator.set_latency(Duration::ZERO);
    assert_eq!(get(&emulator, "/secrets").await.status(), 200);
}
