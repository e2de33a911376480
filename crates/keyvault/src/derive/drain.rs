//! Replaced resources that have not ended yet.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};

use super::factory::Resource;
use super::keys::Keys;
use crate::time::instant_after;

/// The replaced resources, the oldest first. Each has a task of its own that waits out the grace and drains it.
pub(super) struct Drains {
    keys: Keys,
    options: DrainOptions,
    running: VecDeque<RunningDrain>,
}

/// How replaced resources end.
#[derive(Clone, Copy, Debug)]
pub(super) struct DrainOptions {
    /// How long a replaced resource may stay in use.
    pub(super) grace: Duration,
    /// The longest time that a drain may take.
    pub(super) deadline: Duration,
    /// How many replaced resources may exist.
    pub(super) most: usize,
}

struct RunningDrain {
    /// Dropping it ends the grace.
    grace: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Drains {
    pub(super) fn new(keys: Keys, options: DrainOptions) -> Self {
        Self { keys, options, running: VecDeque::new() }
    }

    /// Drains a resource that may still be in use, after the grace.
    pub(super) fn retire(&mut self, old: Arc<dyn Resource>) {
        self.begin(old, self.options.grace);
    }

    /// Drains a resource at once, because it was never used or its use ends now.
    pub(super) fn discard(&mut self, unused: Arc<dyn Resource>) {
        self.begin(unused, Duration::ZERO);
    }

    /// Returns the number of resources that have not ended.
    fn len(&mut self) -> usize {
        self.running.retain(|drain| !drain.task.is_finished());
        self.running.len()
    }

    /// Waits until one more resource may be replaced: cuts the grace of the oldest short and waits for its end.
    pub(super) async fn make_room(&mut self) {
        while self.len() >= self.options.most {
            self.end_oldest().await;
        }
    }

    /// Cuts every grace short and waits for all drains.
    pub(super) async fn end_all_now(&mut self) {
        self.running.iter_mut().for_each(|drain| drain.grace = None);
        self.end_all().await;
    }

    /// Waits for all drains, with their grace.
    pub(super) async fn end_all(&mut self) {
        for drain in self.running.drain(..) {
            let RunningDrain { grace: _whole, task } = drain;
            // The task catches panics; an error can only be the end of the runtime.
            _ = task.await;
        }
    }

    async fn end_oldest(&mut self) {
        if let Some(oldest) = self.running.front_mut() {
            oldest.grace = None;
            _ = (&mut oldest.task).await;
        }
    }

    fn begin(&mut self, old: Arc<dyn Resource>, grace: Duration) {
        if !old.has_drain() {
            return drop_contained(old);
        }
        let until = instant_after(Instant::now(), grace);
        let (sender, cut_short) = oneshot::channel::<()>();
        let (keys, deadline) = (self.keys.clone(), self.options.deadline);
        let task = tokio::spawn(async move {
            // The grace ends in time or is cut short.
            _ = timeout_at(until, cut_short).await;
            // The call is the application's code, like its future.
            let drain = AssertUnwindSafe(async { old.drain().await }).catch_unwind();
            match timeout(deadline, drain).await {
                Ok(Ok(())) => {}
                Ok(Err(_panic)) => tracing::warn!(?keys, "draining an old derived resource panicked"),
                Err(_elapsed) => tracing::warn!(?keys, ?deadline, "an old derived resource was not drained in time"),
            }
        });
        self.running.push_back(RunningDrain { grace: Some(sender), task });
    }
}

/// Drops a resource, whose destructor is the application's code.
fn drop_contained(old: Arc<dyn Resource>) {
    _ = catch_unwind(AssertUnwindSafe(move || drop(old)));
}
