//! The harness detects a deliberate leak on every channel that it covers.

use keyvault_test_support::canary::{Canary, Finder};
use std::error::Error;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::thread;

use azure_core::base64;
use metrics::{counter, gauge};

use super::scan::Scan;

/// Asserts that a leak was found in `place`.
#[track_caller]
fn assert_caught(scan: &Scan, place: &str) {
    let hits = scan.hits();
    assert!(hits.iter().any(|hit| hit.starts_with(place)), "{place}: {hits:?}");
}

#[test]
fn the_search_finds_nothing_if_nothing_leaks() {
    let mut scan = Scan::begin();
    tracing::info!("as it should be");
    scan.shows("a word", "as it should be");
    assert_eq!(scan.hits(), [""; 0]);
    scan.end();
}

#[test]
#[should_panic(expected = "canaries came to light")]
fn a_test_that_leaks_fails() {
    let mut scan = Scan::begin();
    tracing::info!("as it should be");
    let secret = scan.secret.clone();
    scan.says("a word", secret.text());
    scan.end();
}

#[test]
#[should_panic(expected = "nothing was looked at")]
fn a_test_that_searches_no_output_fails() {
    Scan::begin().end();
}

#[test]
fn a_leaking_debug_is_caught() {
    #[derive(Debug)]
    #[expect(dead_code, reason = "only its Debug is of interest")]
    struct Leaky {
        password: String,
    }
    let mut scan = Scan::begin();
    let leaky = Leaky { password: scan.secret.text().to_owned() };
    scan.shows("leaky", &leaky);
    assert_caught(&scan, "leaky");
}

#[test]
fn a_debug_that_shows_bytes_is_caught_in_every_layout() {
    let mut scan = Scan::begin();
    let bytes = scan.token.text().as_bytes().to_vec();
    scan.says("flat", &format!("{bytes:?}"));
    scan.says("tall", &format!("{bytes:#?}"));
    scan.says("hex", &format!("{bytes:02x?}"));
    scan.says("tall hex", &format!("{bytes:#x?}"));
    for place in
        ["flat, as a list of bytes", "tall, as a list of bytes", "hex, as a list of hex", "tall hex, as a list of 0x"]
    {
        assert_caught(&scan, place);
    }
}

#[test]
fn an_error_whose_source_quotes_the_value_is_caught() {
    #[derive(Debug)]
    struct Outer(Inner);
    struct Inner(String);
    impl fmt::Display for Outer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("not valid")
        }
    }
    impl fmt::Display for Inner {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "invalid digit in {:?}", self.0)
        }
    }
    impl fmt::Debug for Inner {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("Inner")
        }
    }
    impl Error for Outer {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.0)
        }
    }
    impl Error for Inner {}
    let mut scan = Scan::begin();
    let error = Outer(Inner(scan.secret.text().to_owned()));
    scan.chain("an error", &error);
    assert_caught(&scan, "an error");
}

#[test]
fn a_report_that_quotes_is_caught_in_its_json() {
    let mut scan = Scan::begin();
    let row = serde_json::json!({ "detail": scan.secret.text() });
    scan.writes("a report", &row);
    assert_caught(&scan, "a report");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_at_trace_on_another_task_is_caught() {
    let scan = Scan::begin();
    let token = scan.token.text().to_owned();
    tokio::spawn(async move { tracing::trace!(target: "h2::codec", "authorization: Bearer {token}") }).await.unwrap();
    assert_caught(&scan, "log");
}

#[test]
fn a_span_without_an_event_is_caught_on_another_thread() {
    let scan = Scan::begin();
    let token = scan.token.text().to_owned();
    thread::spawn(move || drop(tracing::trace_span!("request", %token))).join().unwrap();
    assert_caught(&scan, "log");
}

#[test]
fn a_field_recorded_on_a_span_later_is_caught() {
    let scan = Scan::begin();
    let span = tracing::debug_span!("request", token = tracing::field::Empty);
    span.record("token", scan.token.text());
    drop(span);
    assert_caught(&scan, "log");
}

#[test]
fn a_record_of_the_log_crate_is_caught() {
    let scan = Scan::begin();
    log::trace!(target: "rustls::conn", "sent {:?}", scan.secret.text());
    assert_caught(&scan, "log");
}

#[test]
fn a_panic_message_is_caught() {
    let scan = Scan::begin();
    let secret = scan.secret.text();
    let panicked = std::panic::catch_unwind(AssertUnwindSafe(|| panic!("cannot use {secret}")));
    assert!(panicked.is_err());
    assert_caught(&scan, "panics");
}

#[test]
fn the_name_and_label_of_a_metric_are_caught() {
    let scan = Scan::begin();
    counter!("requests", "secret" => scan.secret.text().to_owned()).increment(1);
    assert_caught(&scan, "metrics");
    let scan = Scan::begin();
    gauge!(format!("age_of_{}", scan.word.text())).set(1.0);
    assert_caught(&scan, "metrics");
}

#[test]
fn a_token_in_a_dump_of_headers_is_caught_in_base64_at_every_offset() {
    for before in ["", "a", "ab"] {
        let mut scan = Scan::begin();
        let header = base64::encode(format!("{before}{}", scan.token.text()));
        scan.says("headers", &format!("[(\"x-original\", \"{header}\")]"));
        assert_caught(&scan, "headers, in base64");
    }
}

#[test]
fn a_file_is_caught_by_its_content_and_by_its_name() {
    let mut scan = Scan::begin();
    let directory = tempfile::tempdir().unwrap();
    let deeper = directory.path().join(scan.word.text());
    std::fs::create_dir(&deeper).unwrap();
    std::fs::write(deeper.join("left-over"), scan.secret.text()).unwrap();
    scan.directory(directory.path());
    assert_caught(&scan, "file");
    assert_caught(&scan, "name of a file");
}

#[test]
fn every_encoding_is_recognised_and_half_a_canary_counts() {
    for canary in [Canary::secret(), Canary::token(), Canary::word()] {
        let finder = Finder::new([&canary]);
        let text = canary.text();
        let percent: String = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
        for (how, shown) in [
            ("plain", text.to_owned()),
            ("the first half", text.chars().take(18).collect()),
            ("the second half", text.chars().skip(text.chars().count() - 18).collect()),
            ("JSON", serde_json::to_string(text).unwrap()),
            ("JSON in JSON", serde_json::to_string(&serde_json::to_string(text).unwrap()).unwrap()),
            ("Debug", format!("{text:?}")),
            ("Debug of bytes", format!("{:?}", bytes::Bytes::from(text.to_owned()))),
            ("percent", percent),
            ("a query", url::form_urlencoded::byte_serialize(text.as_bytes()).collect()),
            ("hex", text.bytes().map(|byte| format!("{byte:02x}")).collect()),
            ("spaced hex", text.bytes().map(|byte| format!("{byte:02X} ")).collect()),
            (
                "base64 in lines",
                base64::encode(text).as_bytes().chunks(20).map(|line| format!("{}\r\n", line.escape_ascii())).collect(),
            ),
        ] {
            assert!(!finder.hits(format!("before {shown} after").as_bytes()).is_empty(), "{how}: {shown}");
        }
        assert!(finder.hits(text.get(..12).unwrap().as_bytes()).is_empty());
    }
}
