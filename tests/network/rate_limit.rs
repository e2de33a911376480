//! All handles share the rate limit and the cool-off of a throttling vault.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::join_all;
use keyvault::{ErrorKind, SecretClient};
use keyvault_test_support::CONTOSO;
use keyvault_test_support::credential::FakeCredential;
use keyvault_test_support::transport::{FakeResponse, FakeTransport};
use tokio::time::Instant;

#[tokio::test(start_paused = true)]
async fn a_throttling_response_pauses_every_request_to_the_vault() {
    let (client, log) = refusing_once("3");
    for secret in join_all((0..300).map(|_| client.get("a"))).await {
        secret.unwrap();
    }
    let log = log.lock().unwrap();
    let refused = log[0];
    let during = log.iter().filter(|sent| **sent > refused && **sent < refused + Duration::from_secs(3)).count();
    assert_eq!(during, 0, "{log:?}");
    let under_way = log.iter().filter(|sent| **sent == refused).count();
    assert!(under_way <= 100, "{under_way}");
    assert_eq!(log.len(), 301, "one was refused, and sent again");
}

/// Creates a client of a vault that refuses the first request, and a log of the request times.
fn refusing_once(retry_after: &'static str) -> (SecretClient, Arc<Mutex<Vec<Instant>>>) {
    let log = Arc::<Mutex<Vec<Instant>>>::default();
    let seen = Arc::clone(&log);
    let wire = FakeTransport::scripted(move |_| {
        let mut seen = seen.lock().unwrap();
        seen.push(Instant::now());
        Ok(match seen.len() {
            1 => FakeResponse::new(429, "{}").header("retry-after", retry_after),
            _ => FakeResponse::new(200, format!(r#"{{"value":"v","id":"{CONTOSO}/secrets/a/0af1"}}"#)),
        })
    });
    (wire.client(&FakeCredential::fixed("t0ken-t0ken")).build().unwrap(), log)
}

#[tokio::test(start_paused = true)]
async fn requests_beyond_the_rate_limit_wait() {
    let client = paced(Duration::from_secs(60));
    let begun = Instant::now();
    for secret in join_all((0..200).map(|_| client.get("a"))).await {
        secret.unwrap();
    }
    // Ten seconds' worth at once, then 10 per second.
    assert_eq!(begun.elapsed().as_millis() / 100, 100);
    assert_eq!(client.stats().refusals, 0);
}

#[tokio::test(start_paused = true)]
async fn a_permit_that_would_be_granted_too_late_fails_by_the_deadline() {
    let client = paced(Duration::from_secs(5));
    let begun = Instant::now();
    let secrets = join_all((0..200).map(|_| client.get("a"))).await;
    assert!(begun.elapsed() <= Duration::from_secs(5));
    let served = secrets.iter().filter(|secret| secret.is_ok()).count();
    assert!((149..=151).contains(&served), "{served}");
    for error in secrets.into_iter().filter_map(Result::err) {
        assert!(matches!(error.kind(), ErrorKind::Throttled { retry_after: Some(_) }), "{error:?}");
        assert_eq!(error.http_status(), None, "the vault did not report this");
    }
}

/// Creates a client limited to ten requests per second.
fn paced(timeout: Duration) -> SecretClient {
    let wire = FakeTransport::scripted(|_| {
        Ok(FakeResponse::new(200, format!(r#"{{"value":"v","id":"{CONTOSO}/secrets/a/0af1"}}"#)))
    });
    let builder = wire.client(&FakeCredential::fixed("t0ken-t0ken"));
    builder.requests_per_second(10).timeout(timeout).build().unwrap()
}
