//! What is checked of turns and tokens: these see only each other, so it is done here.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_core::time::OffsetDateTime;
use shuttle::future::{block_on, spawn, yield_now};
use tokio::time::Instant;

use super::authorizer::Authorizer;
use super::pace::Pace;

/// Three who ask twice a vault that takes one request at a time. One gives up while it waits.
pub fn everybody_has_a_turn_and_one_at_a_time() {
    block_on(async {
        let pace = Pace::new(396);
        let far = Instant::now() + Duration::from_secs(3_600);
        let turn = pace.turn(far).await.ok();
        // Refused, but for no time at all: what is left is that one may go at a time.
        if let Some(turn) = turn {
            turn.refused(Some(Duration::ZERO));
        }
        let under_way = Arc::new(AtomicUsize::new(0));
        let who_asks = (0..3).map(|_| {
            let (pace, under_way) = (Arc::clone(&pace), Arc::clone(&under_way));
            spawn(async move {
                for _ in 0..2 {
                    let turn = pace.turn(far).await.ok();
                    assert!(turn.is_some(), "the deadline is far");
                    assert_eq!(under_way.fetch_add(1, Ordering::SeqCst), 0, "one at a time");
                    yield_now().await;
                    under_way.fetch_sub(1, Ordering::SeqCst);
                }
            })
        });
        let who_asks: Vec<_> = who_asks.collect();
        let gives_up = spawn({
            let pace = Arc::clone(&pace);
            async move {
                let turn = pace.turn(far);
                let mut turn = std::pin::pin!(turn);
                let once = std::future::poll_fn(|context| {
                    _ = turn.as_mut().poll(context);
                    std::task::Poll::Ready(())
                });
                once.await;
                yield_now().await;
            }
        });
        _ = gives_up.await;
        for task in who_asks {
            assert!(task.await.is_ok());
        }
    });
}

/// Three who need a token at once, and whose token is then refused.
pub fn a_token_is_fetched_once_for_all_and_once_more_for_all_who_were_refused() {
    block_on(async {
        let credential = Arc::new(Numbers::default());
        let authorizer = Arc::new(Authorizer::new(Arc::clone(&credential) as Arc<dyn TokenCredential>, "s".to_owned()));
        let tasks: Vec<_> = (0..3)
            .map(|_| {
                let authorizer = Arc::clone(&authorizer);
                spawn(async move {
                    let first = authorizer.token().await.ok();
                    assert!(first.is_some(), "a token is replaced, and never taken away");
                    let first = first.into_iter().next_back();
                    match first {
                        Some(first) if first.secret() == "1" => {
                            let next = authorizer.replace(&first, None).await;
                            assert!(matches!(next, Ok(Some(token)) if token.secret() == "2"));
                        }
                        // It came after the others had been refused theirs.
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

/// Hands out "1", "2", "3".
#[derive(Default)]
struct Numbers(AtomicUsize);

#[async_trait::async_trait]
impl TokenCredential for Numbers {
    async fn get_token(&self, _: &[&str], _: Option<TokenRequestOptions<'_>>) -> azure_core::Result<AccessToken> {
        yield_now().await;
        let number = self.0.fetch_add(1, Ordering::SeqCst) + 1;
        yield_now().await;
        Ok(AccessToken::new(number.to_string(), OffsetDateTime::now_utc() + Duration::from_secs(3_600)))
    }
}

impl fmt::Debug for Numbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Numbers")
    }
}
