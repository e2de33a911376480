//! Each fault, seen from the client's side.

use std::error::Error as _;
use std::time::Duration;

use keyvault_emulator::{Emulator, Fault, Operation};
use serde_json::Value;
use tokio::time::{Instant, timeout};

use crate::{Answer, client, client_builder, get, request};

async fn emulator() -> Emulator {
    let emulator = Emulator::start().await.unwrap();
    emulator.set("a", "hunter2");
    emulator.vault("contoso").set("a", "hunter2");
    emulator
}

/// Sends a GET that no fault concerns, to have something that ends.
async fn is_alive(emulator: &Emulator) -> bool {
    let answer = request(emulator, &client(emulator), "/secrets?bystander=1").send().await;
    answer.is_ok_and(|answer| answer.status() == 200)
}

fn bystanders_aside(emulator: &Emulator, fault: Fault) {
    emulator.fault_matching(None, |head| !head.path_and_query.contains("bystander"), fault);
}

#[tokio::test]
async fn a_status_comes_with_the_error_of_the_service_or_with_what_the_test_says() {
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
        let answer = get(&emulator, "/secrets/a").await;
        assert_eq!((answer.status(), answer.error().1.as_str()), (status, code));
        assert_eq!(answer.header("retry-after"), retry_after);
    }
    emulator.fault_next(1, Fault::status(429).header("retry-after-ms", "10").body("<html>"));
    let answer = get(&emulator, "/secrets/a").await;
    assert_eq!((answer.header("retry-after-ms"), answer.text()), (Some("10"), "<html>"));
    assert_eq!(get(&emulator, "/secrets/a").await.status(), 200, "the faults are used up");
    assert_eq!(emulator.requests().throttled, 3);
}

#[tokio::test]
async fn a_standing_fault_lasts_until_it_is_cleared_and_counted_ones_come_first() {
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
async fn a_fault_can_be_for_some_requests_only() {
    let emulator = emulator().await;
    emulator.fault_matching(Some(1), |head| head.operation == Operation::List, Fault::status(500));
    assert_eq!(get(&emulator, "/secrets/a").await.status(), 200);
    assert_eq!(get(&emulator, "/secrets").await.status(), 500);
    assert_eq!(get(&emulator, "/secrets").await.status(), 200);
}

#[tokio::test]
async fn challenges_and_redirects_carry_what_the_test_says() {
    let emulator = emulator().await;
    emulator.fault_next(1, Fault::Unauthorized);
    let answer = get(&emulator, "/secrets/a").await;
    assert_eq!(answer.status(), 401);
    assert!(answer.header("www-authenticate").unwrap().contains(emulator.authority_url()));

    let claims = r#"Bearer error="insufficient_claims", claims="e30=""#;
    emulator.fault_next(1, Fault::Challenge(claims.to_owned()));
    let answer = get(&emulator, "/secrets/a").await;
    assert_eq!((answer.status(), answer.header("www-authenticate")), (401, Some(claims)));

    emulator.fault_next(1, Fault::Redirect("https://evil.example/".to_owned()));
    let answer = request(&emulator, &client(&emulator), "/secrets/a").send().await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["location"]),
        (307, &"https://evil.example/".parse().unwrap())
    );
    assert_eq!(emulator.requests().unauthorized, 2);
}

#[tokio::test]
async fn spoilt_answers_arrive_as_successes() {
    let emulator = emulator().await;
    let spoilt = |fault: Fault, path: &'static str| {
        emulator.fault_next(1, fault);
        get(&emulator, path)
    };
    let answer = spoilt(Fault::NotJson, "/secrets/a").await;
    assert_eq!((answer.status(), answer.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert!(serde_json::from_str::<Value>(answer.text()).is_err());

    let answer = spoilt(Fault::WrongJson, "/secrets/a").await;
    assert!(answer.status() == 200 && answer.json()["value"].as_str().is_none());

    let answer = spoilt(Fault::WrongId, "/secrets/a").await;
    assert!(answer.json()["id"].as_str().unwrap().contains("/secrets/another-secret/"), "{}", answer.text());
    let answer = spoilt(Fault::WrongId, "/secrets").await;
    assert_eq!(answer.names(), ["another-secret"]);

    let answer = spoilt(Fault::NextLink("https://evil.example/secrets".to_owned()), "/secrets").await;
    assert_eq!(answer.json()["nextLink"], "https://evil.example/secrets");
    assert_eq!(answer.names(), ["a"]);
}

#[tokio::test]
async fn an_empty_page_links_to_the_page_it_stands_for() {
    let emulator = emulator().await;
    emulator.fault_next(2, Fault::EmptyPage);
    assert_eq!(get(&emulator, "/secrets/a").await.status(), 200, "a get does not use it up");
    let mut path = crate::with_version("/secrets?maxresults=5");
    for _ in 0..2 {
        let page = crate::call(&emulator, "GET", &path, "").await;
        assert!(page.names().is_empty());
        path = page.next().unwrap();
    }
    assert_eq!(crate::call(&emulator, "GET", &path, "").await.names(), ["a"]);
}

#[tokio::test]
async fn a_fault_that_spoils_answers_waits_for_one_that_succeeds() {
    let emulator = emulator().await;
    emulator.fault_next(1, Fault::NotJson);
    let no_token = http::Request::get("https://localhost/secrets/a?api-version=7.4").body(bytes::Bytes::new());
    assert_eq!(Answer(emulator.handle(no_token.unwrap()).await).error().0, 401);
    assert_eq!(get(&emulator, "/secrets/none").await.error().0, 404);
    assert!(get(&emulator, "/secrets/a").await.text().starts_with("<html>"));
}

#[tokio::test]
async fn an_oversized_answer_is_as_long_as_it_says_and_is_never_held_in_memory() {
    let emulator = emulator().await;
    emulator.fault_next(1, Fault::Oversized(1_000_000));
    assert_eq!(get(&emulator, "/secrets/a").await.0.body().len(), 1_000_000);
    emulator.fault_next(1, Fault::Oversized(3));
    assert_eq!(get(&emulator, "/secrets/a").await.text(), r#"{"v"#);

    let length = 1 << 40;
    emulator.fault_next(1, Fault::Oversized(length));
    let mut answer = request(&emulator, &client(&emulator), "/secrets/a").send().await.unwrap();
    assert_eq!(answer.content_length(), Some(length));
    let mut read = 0;
    while read < 1_000_000 {
        read += answer.chunk().await.unwrap().unwrap().len();
    }
}

#[tokio::test]
async fn a_reset_is_a_reset_and_the_server_goes_on() {
    let emulator = emulator().await;
    for builder in [client_builder(&emulator), client_builder(&emulator).http1_only()] {
        bystanders_aside(&emulator, Fault::Reset);
        let error = request(&emulator, &builder.build().unwrap(), "/secrets/a").send().await.unwrap_err();
        assert!(is_reset(&error), "{error:?}");
        emulator.clear_faults();
        assert!(is_alive(&emulator).await);
    }
    bystanders_aside(&emulator, Fault::Reset);
    assert_eq!(get(&emulator, "/secrets/a").await.status(), 502, "what a response can tell of it");
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
async fn a_truncated_answer_announces_the_whole_and_breaks_off_half_way() {
    let emulator = emulator().await;
    let whole = request(&emulator, &client(&emulator), "/secrets/a").send().await.unwrap().content_length();
    for builder in [client_builder(&emulator), client_builder(&emulator).http1_only()] {
        emulator.fault_next(1, Fault::Truncated);
        let mut answer = request(&emulator, &builder.build().unwrap(), "/secrets/a").send().await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.content_length()), (200, whole));
        let half = answer.chunk().await.unwrap().unwrap();
        assert_eq!(half.len() as u64, whole.unwrap() / 2);
        assert!(half.starts_with(br#"{"value":"hunter2""#));
        assert!(answer.chunk().await.is_err());
        assert!(is_alive(&emulator).await);
    }
    emulator.fault_next(1, Fault::Truncated);
    assert_eq!(get(&emulator, "/secrets/a").await.status(), 502, "what a response can tell of it");
}

#[tokio::test]
async fn a_body_that_hangs_stops_half_way_while_others_are_answered() {
    let emulator = emulator().await;
    for builder in [client_builder(&emulator), client_builder(&emulator).http1_only()] {
        emulator.fault_next(1, Fault::HangInBody);
        let mut answer = request(&emulator, &builder.build().unwrap(), "/secrets/a").send().await.unwrap();
        assert!(answer.chunk().await.unwrap().is_some());
        tokio::select! {
            biased;
            more = answer.chunk() => panic!("{more:?}"),
            alive = is_alive(&emulator) => assert!(alive),
        }
    }
}

#[tokio::test]
async fn a_hanging_request_is_not_answered_while_others_are() {
    let emulator = emulator().await;
    bystanders_aside(&emulator, Fault::Hang);
    let client = client(&emulator);
    tokio::select! {
        biased;
        answer = request(&emulator, &client, "/secrets/a").send() => panic!("{answer:?}"),
        alive = is_alive(&emulator) => assert!(alive),
    }
}

#[tokio::test]
async fn a_client_that_gives_up_on_a_hanging_request_leaves_nothing_behind() {
    let emulator = emulator().await;
    for builder in [client_builder(&emulator), client_builder(&emulator).http1_only()] {
        bystanders_aside(&emulator, Fault::Hang);
        let client = builder.build().unwrap();
        tokio::select! {
            biased;
            answer = request(&emulator, &client, "/secrets/a").send() => panic!("{answer:?}"),
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

/// Waits until something is so.
async fn until(is_so: impl Fn() -> bool + Send + Sync) {
    let wait = async {
        while !is_so() {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(10), wait).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn without_a_socket_a_hang_lasts_for_ever_and_a_latency_as_long_as_it_says() {
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
