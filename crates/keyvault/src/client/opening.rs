//! How connections are opened: one ahead of all others.

use std::error::Error as StdError;
use std::fmt;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use hyper_util::client::legacy::connect::Connection;
use tokio::sync::{Mutex, Semaphore, SemaphorePermit};
use tokio::time::{sleep, timeout};
use tower_layer::Layer;
use tower_service::Service;

use super::pace::Pace;
use super::traffic::Counters;

/// What is known of the connections to one vault.
///
/// A pool opens a connection for every request that finds none, and only afterwards learns that over HTTP/2 one carries
/// them all. So while the first is being opened the others wait for it: over HTTP/2 they need none of their own, over
/// HTTP/1.1 they open theirs then, all at once.
pub(super) struct Opening {
    /// Has one place until the very first connection is open, and is closed from then on.
    first: Semaphore,
    /// Held by who opens one, which may also be a later one: nobody is told when the pool has none any more.
    turn: Mutex<()>,
    /// How many connections were opened that carry any number of requests.
    shared: AtomicU64,
    speaks_http1: AtomicBool,
    counters: Arc<Counters>,
    pace: Arc<Pace>,
}

impl Opening {
    pub(super) fn new(counters: Arc<Counters>, pace: Arc<Pace>) -> Arc<Self> {
        let (turn, shared, speaks_http1) = Default::default();
        Arc::new(Self { first: Semaphore::new(1), turn, shared, speaks_http1, counters, pace })
    }

    /// Waits until the very first connection is open, unless nobody opens it yet: then it is for who has the permit to do.
    ///
    /// The pool makes ready to open a connection for each request that finds none, and gives it up in the background when there
    /// is one after all. That comes at a bad time: while the first requests are to be sent.
    pub(super) async fn follow(&self) -> Option<SemaphorePermit<'_>> {
        timeout(LONGEST_LEAD, self.first.acquire()).await.ok()?.ok()
    }

    async fn open<C: Connection>(
        &self,
        connect: impl Future<Output = Result<C, BoxError>> + Send,
    ) -> Result<C, BoxError> {
        let shared_before = self.shared.load(Ordering::Acquire);
        if !self.speaks_http1.load(Ordering::Acquire) {
            let turn = self.turn.lock().await;
            if self.shared.load(Ordering::Acquire) > shared_before {
                drop(turn);
                // The pool gives the new connection to whoever waits, and has no use for what comes of this.
                sleep(HANDED_OUT_BY_THEN).await;
                return Err(Box::new(Superfluous));
            }
            if !self.speaks_http1.load(Ordering::Acquire) {
                return self.noted(connect.await);
            }
        }
        self.noted(connect.await)
    }

    fn noted<C: Connection>(&self, connection: Result<C, BoxError>) -> Result<C, BoxError> {
        if let Ok(connection) = &connection {
            self.first.close();
            self.counters.connected();
            let shared = connection.connected().is_negotiated_h2();
            self.speaks_http1.store(!shared, Ordering::Release);
            if shared {
                self.shared.fetch_add(1, Ordering::Release);
                self.pace.widen();
            }
        }
        connection
    }
}

/// Puts [`Opening`] around what makes connections.
#[derive(Clone)]
pub(super) struct OneAhead(pub(super) Arc<Opening>);

impl<S> Layer<S> for OneAhead {
    type Service = Opener<S>;

    fn layer(&self, connector: S) -> Opener<S> {
        Opener { connector, opening: Arc::clone(&self.0) }
    }
}

/// What makes connections, one ahead of all others.
#[derive(Clone)]
pub(super) struct Opener<S> {
    connector: S,
    opening: Arc<Opening>,
}

impl<S, R> Service<R> for Opener<S>
where
    S: Service<R, Error = BoxError> + Clone + Send + 'static,
    S::Response: Connection + Send,
    S::Future: Send,
    R: Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<S::Response, BoxError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.connector.poll_ready(context)
    }

    fn call(&mut self, to: R) -> Self::Future {
        let clone = self.connector.clone();
        // The one that was polled is the one that is ready.
        let mut connector = mem::replace(&mut self.connector, clone);
        let opening = Arc::clone(&self.opening);
        async move { opening.open(async move { connector.call(to).await }).await }.boxed()
    }
}

type BoxError = Box<dyn StdError + Send + Sync>;

/// Said of a connection that was not opened because another one carries everything.
#[derive(Debug)]
struct Superfluous;

impl fmt::Display for Superfluous {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("another connection was opened and is shared")
    }
}

impl StdError for Superfluous {}

/// A connection takes less, unless nobody answers. Then nobody waits for the others to find that out, one by one.
const LONGEST_LEAD: Duration = Duration::from_secs(1);

/// The time from a handshake to the pool's handing out, and much more.
const HANDED_OUT_BY_THEN: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use futures::future::{join, join_all};
    use hyper_util::client::legacy::connect::Connected;
    use tokio::time::Instant;

    use super::*;

    struct Line;

    impl Connection for Line {
        fn connected(&self) -> Connected {
            Connected::new().negotiated_h2()
        }
    }

    fn opening() -> Arc<Opening> {
        Opening::new(Arc::default(), Pace::new(4_000))
    }

    #[tokio::test(start_paused = true)]
    async fn all_but_one_wait_for_the_first_connection() {
        let (opening, begun) = (opening(), Instant::now());
        let first = opening.follow().await;
        assert!(first.is_some());
        let others = join_all((0..9).map(async |_| (opening.follow().await.is_none(), begun.elapsed())));
        let open = async {
            sleep(Duration::from_millis(30)).await;
            opening.open(async { Ok(Line) }).await.unwrap();
        };
        let (others, ()) = join(others, open).await;
        assert!(others.iter().all(|other| *other == (true, Duration::from_millis(30))), "{others:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_takes_over_or_goes_on() {
        let (opening, begun) = (opening(), Instant::now());
        let first = opening.follow().await;
        assert!(opening.follow().await.is_none() && begun.elapsed() == LONGEST_LEAD, "nobody waits for ever");
        drop(first);
        assert!(opening.follow().await.is_some() && begun.elapsed() == LONGEST_LEAD, "the first came to nothing");
    }
}
