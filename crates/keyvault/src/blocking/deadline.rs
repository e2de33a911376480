//! A deadline for callers on any runtime, or on none.

use std::pin::pin;
use std::time::Duration;

use futures::future::{Either, select};
use tokio::time::{sleep, timeout};

use super::worker::Worker;
use crate::time::runtime_fault;

/// Waits for a background task that keeps the deadline `limit` by itself as long as its runtime runs. `None` if it has
/// not answered one second later.
///
/// A caller without tokio's timers gets them from a thread of its own, which ends with the call. If that thread cannot
/// start, the call has no limit: a limit of zero would report a task that runs as one that does not.
pub(crate) async fn within<T>(limit: Duration, future: impl Future<Output = T>) -> Option<T> {
    let limit = limit.saturating_add(GRACE);
    if runtime_fault().is_none() {
        return timeout(limit, future).await.ok();
    }
    let Ok(worker) = Worker::start() else { return Some(future.await) };
    let timer = worker.enter(|| sleep(limit));
    match select(pin!(future), pin!(timer)).await {
        Either::Left((answer, _)) => Some(answer),
        Either::Right(_) => None,
    }
}

/// The task's own error, which names the cause, comes first.
const GRACE: Duration = Duration::from_secs(1);
