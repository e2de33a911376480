//! Starts and refreshes are spans of `tracing`, with their outcome and without a value.

use keyvault::{Error, ErrorKind, Live};
use keyvault_test_support::canary::assert_free_of;
use keyvault_test_support::log::Log;

use super::service::{MINUTE, Service, Settings};

/// Returns the spans that ended, with their fields.
fn ended(log: &Log) -> Vec<String> {
    let text = log.text();
    let lines = text.lines().filter(|line| line.contains(": close "));
    lines.map(|line| line.split_once("keyvault.").unwrap().1.split_once("}: ").unwrap().0.to_owned() + "}").collect()
}

#[tokio::test(start_paused = true)]
async fn each_start_and_each_refresh_is_a_span_with_its_outcome() {
    let log = Log::with_spans();
    let service = Service::new();
    service.vault.set("password", "canary-one").unwrap();
    let live: Live<Settings> = service.layered().refresh_every(MINUTE).start().await.unwrap();
    live.refresh_now().await.unwrap();
    service.vault.set("password", "canary-two").unwrap();
    live.refresh_now().await.unwrap();
    service.vault.fail(Error::new(ErrorKind::Unavailable, "vault is down"));
    live.refresh_now().await.unwrap_err();
    let expected = [
        r#"start{outcome="loaded"}"#,
        r#"refresh{kind="full" outcome="unchanged" generation=1}"#,
        r#"refresh{kind="full" outcome="changed" generation=2}"#,
        r#"refresh{kind="full" outcome="failed" generation=2 otel.status_code="ERROR"}"#,
    ];
    assert_eq!(ended(&log), expected, "{}", log.text());
    // The event with the error is inside of the span.
    let failed = r#"keyvault.refresh{kind="full"}: keyvault::live"#;
    let event = log.text().lines().any(|line| line.contains(failed) && line.contains("vault is down"));
    assert!(event, "{}", log.text());
    assert_free_of(&log.text(), &["canary"]);

    live.shutdown().await;
    let log = Log::with_spans();
    service.layered().startup_deadline(MINUTE).start::<Settings>().await.unwrap_err();
    assert_eq!(ended(&log), [r#"start{outcome="failed" otel.status_code="ERROR"}"#], "{}", log.text());
}

#[tokio::test(start_paused = true)]
async fn a_refresh_of_what_is_due_and_one_that_is_debounced_say_so() {
    let log = Log::with_spans();
    let service = Service::new();
    let builder = service
        .layered()
        .refresh_every(MINUTE * 60)
        .refresh_secret_every("password", MINUTE)
        .debounce(MINUTE, MINUTE * 10);
    let _live: Live<Settings> = builder.start().await.unwrap();
    service.vault.set("password", "canary-two").unwrap();
    tokio::time::sleep(MINUTE * 3 / 2).await;
    let ended = ended(&log);
    let expected = r#"refresh{kind="partial" outcome="debounced" generation=1}"#;
    assert!(ended.iter().any(|span| span == expected), "{}", log.text());
    assert_free_of(&log.text(), &["canary"]);
}
