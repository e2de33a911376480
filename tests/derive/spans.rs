//! Each build of a derived resource is a span of `tracing`, with its outcome and without a value.

use keyvault_test_support::canary::assert_free_of;
use keyvault_test_support::deadline::within_an_hour;
use keyvault_test_support::log::Log;

use super::service::{MINUTE, Service};

#[tokio::test(start_paused = true)]
async fn each_build_is_a_span_with_its_outcome() {
    let log = Log::with_spans();
    let service = Service::new();
    service.vault.set("database--password", "canary").unwrap();
    let live = service.live().await;
    let pool = service.derive(&live).retry(MINUTE, MINUTE).await.unwrap();
    let mut watcher = pool.watch();
    for password in ["bad", "second"] {
        service.rotate(&live, password).await;
        within_an_hour(watcher.next()).await.unwrap();
    }
    let text = log.text();
    let builds = text.lines().filter(|line| line.contains(" keyvault.derive{") && line.contains(": close "));
    let builds: Vec<&str> = builds.map(|line| line.split(" keyvault.derive").nth(1).unwrap()).collect();
    for (build, expected) in builds.iter().zip([
        r#"{keys=["database"] generation=1 outcome="built"}: "#,
        r#"{keys=["database"] generation=2 outcome="failed" otel.status_code="ERROR"}: "#,
        r#"{keys=["database"] generation=3 outcome="built"}: "#,
    ]) {
        assert!(build.starts_with(expected), "{expected}\n{text}");
    }
    assert_eq!(builds.len(), 3, "{text}");
    assert_free_of(&text, &["canary"]);
}
