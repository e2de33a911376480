//! Resources that were replaced and have not ended yet.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};

use super::recipe::Keys;

/// The old resources, the oldest first, each in a task of its own that waits out the grace and drains it.
pub(super) struct Old<R> {
    keys: Keys,
    farewell: Farewell<R>,
    leaving: VecDeque<Leaving>,
}

/// How a resource ends.
pub(super) struct Farewell<R> {
    /// None: it is dropped, and ends when nobody holds it any more.
    pub(super) drain: Option<Drain<R>>,
    pub(super) grace: Duration,
    pub(super) deadline: Duration,
    /// How many may be on their way at a time.
    pub(super) most: usize,
}

pub(super) type Drain<R> = Arc<dyn Fn(Arc<R>) -> BoxFuture<'static, ()> + Send + Sync>;

struct Leaving {
    /// Dropped, it ends the grace.
    grace: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl<R: Send + Sync + 'static> Old<R> {
    pub(super) fn new(keys: Keys, farewell: Farewell<R>) -> Self {
        Self { keys, farewell, leaving: VecDeque::new() }
    }

    /// Takes a resource that may still be in use: it is drained after the grace.
    pub(super) fn retire(&mut self, old: Arc<R>) {
        self.leave(old, self.farewell.grace);
    }

    /// Takes a resource that nobody used, or that nobody shall use any more: it is drained at once.
    pub(super) fn discard(&mut self, unused: Arc<R>) {
        self.leave(unused, Duration::ZERO);
    }

    /// Tells how many there are.
    pub(super) fn len(&mut self) -> usize {
        self.leaving.retain(|leaving| !leaving.task.is_finished());
        self.leaving.len()
    }

    /// Sees to it that one more may come: the oldest have their grace cut short and are waited for.
    pub(super) async fn make_room(&mut self) {
        while self.len() >= self.farewell.most {
            self.oldest_ended().await;
        }
    }

    /// Cuts every grace short and waits for all.
    pub(super) async fn all_ended_now(&mut self) {
        self.leaving.iter_mut().for_each(|leaving| leaving.grace = None);
        self.all_ended().await;
    }

    /// Waits for all, with their grace.
    pub(super) async fn all_ended(&mut self) {
        for leaving in self.leaving.drain(..) {
            let Leaving { grace: _whole, task } = leaving;
            // The task catches what it runs; an error can only be the end of the runtime.
            _ = task.await;
        }
    }

    async fn oldest_ended(&mut self) {
        if let Some(oldest) = self.leaving.front_mut() {
            oldest.grace = None;
            _ = (&mut oldest.task).await;
        }
    }

    fn leave(&mut self, old: Arc<R>, grace: Duration) {
        let Some(drain) = self.farewell.drain.clone() else { return drop_contained(old) };
        let until = Instant::now() + grace;
        let (sender, cut_short) = oneshot::channel::<()>();
        let (keys, deadline) = (self.keys.clone(), self.farewell.deadline);
        let task = tokio::spawn(async move {
            // Either way the grace is over.
            _ = timeout_at(until, cut_short).await;
            match timeout(deadline, drained(&drain, old)).await {
                Ok(Ok(())) => {}
                Ok(Err(_panic)) => tracing::warn!(?keys, "draining an old derived resource panicked"),
                Err(_elapsed) => tracing::warn!(?keys, ?deadline, "an old derived resource was not drained in time"),
            }
        });
        self.leaving.push_back(Leaving { grace: Some(sender), task });
    }
}

async fn drained<R: Send + Sync>(drain: &Drain<R>, old: Arc<R>) -> std::thread::Result<()> {
    // The call is the application's code as well as what comes of it.
    AssertUnwindSafe(async { drain(old).await }).catch_unwind().await
}

/// The destructor is the application's code.
fn drop_contained<R>(old: Arc<R>) {
    _ = catch_unwind(AssertUnwindSafe(move || drop(old)));
}
