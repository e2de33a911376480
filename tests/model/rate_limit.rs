//! The rate limit of a vault.

use std::sync::Arc;

use keyvault_model::ErrorKind;
use shuttle::future::spawn;

use crate::transport::{Answer, CountingCredential, FakeTransport};
use crate::{check, poll_once};

/// The first answer is a 429, which sets the concurrency limit to one, and no success raises it again. A caller that
/// leaves the queue wakes the next one.
#[test]
fn each_attempt_gets_a_permit_and_one_is_in_flight_at_a_time() {
    check(async || {
        let transport = FakeTransport::new(|request| match request.number {
            0 => Answer::Throttled,
            _ => Answer::BrokenConnection,
        });
        let client = transport.client(&Arc::new(CountingCredential::default()));
        client.get("a").await.unwrap_err();
        assert_eq!(transport.requests(), ATTEMPTS);
        let callers = [(); 3].map(|()| {
            let client = client.clone();
            spawn(async move { client.get("a").await.unwrap_err().kind() })
        });
        let cancelled = spawn(async move { _ = poll_once(client.get("a")).await });
        for caller in callers {
            assert_eq!(caller.await.unwrap(), ErrorKind::Unavailable);
        }
        cancelled.await.unwrap();
        let requests = transport.requests();
        assert!((4 * ATTEMPTS..=4 * ATTEMPTS + 1).contains(&requests), "{requests}");
        assert_eq!(transport.most_in_flight(), 1);
    });
}

/// The attempts of one request whose connection breaks each time.
const ATTEMPTS: usize = 5;
