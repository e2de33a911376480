//! Replaced resources that have not ended yet.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};

use crate::time::instant_after;

/// The replaced resources, the oldest first. Each has a task of its own that waits out the grace and drains it.
pub(super) struct Drains<R> {
    pub(super) keys: Arc<[String]>,
    pub(super) drain: Option<Drain<R>>,
    /// How long a replaced resource may stay in use.
    pub(super) grace: Duration,
    /// The longest time that a drain may take.
    pub(super) deadline: Duration,
    /// How many replaced resources may exist.
    pub(super) most: usize,
    pub(super) running: VecDeque<RunningDrain>,
}

/// The application's code that ends a resource.
pub(super) type Drain<R> = Arc<dyn Fn(Arc<R>) -> BoxFuture<'static, ()> + Send + Sync>;

pub(super) struct RunningDrain {
    /// Dropping it ends the grace.
    grace: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl<R: Send + Sync + 'static> Drains<R> {
    /// Drains a resource that may still be in use, after the grace.
    pub(super) fn retire(&mut self, old: Arc<R>) {
        self.begin(old, self.grace);
    }

    /// Drains a resource at once, because it was never used or its use ends now.
    pub(super) fn discard(&mut self, unused: Arc<R>) {
        self.begin(unused, Duration::ZERO);
    }

    /// Waits until one more resource may be replaced: cuts the grace of the oldest short and waits for its end.
    pub(super) async fn make_room(&mut self) {
        while self.unfinished() >= self.most
            && let Some(oldest) = self.running.front_mut()
        {
            oldest.grace = None;
            _ = (&mut oldest.task).await;
        }
    }

    fn unfinished(&mut self) -> usize {
        self.running.retain(|drain| !drain.task.is_finished());
        self.running.len()
    }

    /// Waits for all drains, each with its grace unless it is `cut_short`.
    pub(super) async fn end_all(&mut self, cut_short: bool) {
        if cut_short {
            self.running.iter_mut().for_each(|drain| drain.grace = None);
        }
        for RunningDrain { grace: _whole, task } in self.running.drain(..) {
            // The task catches panics; an error can only be the end of the runtime.
            _ = task.await;
        }
    }

    fn begin(&mut self, old: Arc<R>, grace: Duration) {
        let Some(drain) = self.drain.clone() else {
            // The destructor of a resource is the application's code.
            _ = catch_unwind(AssertUnwindSafe(move || drop(old)));
            return;
        };
        let until = instant_after(Instant::now(), grace);
        let (sender, cut_short) = oneshot::channel::<()>();
        let (keys, deadline) = (Arc::clone(&self.keys), self.deadline);
        let task = tokio::spawn(async move {
            // The grace ends in time or is cut short.
            _ = timeout_at(until, cut_short).await;
            // The call is the application's code, like its future, and takes our last reference.
            let drained = AssertUnwindSafe(async move { drain(old).await }).catch_unwind();
            match timeout(deadline, drained).await {
                Ok(Ok(())) => {}
                Ok(Err(_panic)) => tracing::warn!(?keys, "draining an old derived resource panicked"),
                Err(_elapsed) => tracing::warn!(?keys, ?deadline, "an old derived resource was not drained in time"),
            }
        });
        self.running.push_back(RunningDrain { grace: Some(sender), task });
    }
}
