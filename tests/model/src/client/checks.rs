//! The checks of the rate limit and the authorizer, which are visible only in this module.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_core::time::OffsetDateTime;
use shuttle::future::{block_on, spawn, yield_now};
use tokio::time::Instant;

use super::authorizer::Authorizer;
use super::rate_limit::RateLimit;

/// Checks three tasks that each send two requests to a vault that admits one at a time, and one that stops waiting.
pub fn each_request_gets_a_permit_and_one_is_in_flight_at_a_time() {
    block_on(async {
        let rate_limit = RateLimit::new(396);
        let far = Instant::now() + Duration::from_secs(3_600);
        let permit = rate_limit.acquire(far).await.ok();
        // A refusal without a cool-off, which sets the concurrency limit to one.
        if let Some(permit) = permit {
            permit.throttled(Some(Duration::ZERO));
        }
        let in_flight = Arc::new(AtomicUsize::new(0));
        let senders = (0..3).map(|_| {
            let (rate_limit, in_flight) = (Arc::clone(&rate_limit), Arc::clone(&in_flight));
            spawn(async move {
                for _ in 0..2 {
                    let permit = rate_limit.acquire(far).await.ok();
                    assert!(permit.is_some(), "the deadline is far");
                    assert_eq!(in_flight.fetch_add(1, Ordering::SeqCst), 0, "one at a time");
                    yield_now().await;
                    in_flight.fetch_sub(1, Ordering::SeqCst);
                }
            })
        });
        let senders: Vec<_> = senders.collect();
        let cancelled = spawn({
            let rate_limit = Arc::clone(&rate_limit);
            async move {
                let acquire = rate_limit.acquire(far);
                let mut acquire = std::pin::pin!(acquire);
                let once = std::future::poll_fn(|context| {
                    _ = acquire.as_mut().poll(context);
                    std::task::Poll::Ready(())
                });
                once.await;
                yield_now().await;
            }
        });
        _ = cancelled.await;
        for task in senders {
            assert!(task.await.is_ok());
        }
    });
}

/// Checks three tasks that need a token at once, and whose token the vault then rejects.
pub fn concurrent_requests_fetch_one_token_and_one_more_when_it_is_rejected() {
    block_on(async {
        let credential = Arc::new(CountingCredential::default());
        let authorizer = Arc::new(Authorizer::new(Arc::clone(&credential) as Arc<dyn TokenCredential>, "s".to_owned()));
        let tasks: Vec<_> = (0..3)
            .map(|_| {
                let authorizer = Arc::clone(&authorizer);
                spawn(async move {
                    let first = authorizer.token().await.ok();
                    assert!(first.is_some(), "a token is replaced, never removed");
                    let first = first.into_iter().next_back();
                    match first {
                        Some(first) if first.secret() == "1" => {
                            let next = authorizer.replace(&first, None).await;
                            assert!(matches!(next, Ok(Some(token)) if token.secret() == "2"));
                        }
                        // It came after the token of the others was rejected.
                        first => assert_eq!(first.as_deref().map(|token| token.secret()), Some("2")),
                    }
                })
            })
            .collect();
        for task in tasks {
            assert!(task.await.is_ok());
        }
        assert_eq!(credential.0.load(Ordering::SeqCst), 2);
    });
}

/// A credential whose tokens are "1", "2", "3".
#[derive(Default)]
struct CountingCredential(AtomicUsize);

#[async_trait::async_trait]
impl TokenCredential for CountingCredential {
    async fn get_token(&self, _: &[&str], _: Option<TokenRequestOptions<'_>>) -> azure_core::Result<AccessToken> {
        yield_now().await;
        let number = self.0.fetch_add(1, Ordering::SeqCst) + 1;
        yield_now().await;
        Ok(AccessToken::new(number.to_string(), OffsetDateTime::now_utc() + Duration::from_secs(3_600)))
    }
}

impl fmt::Debug for CountingCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CountingCredential")
    }
}
