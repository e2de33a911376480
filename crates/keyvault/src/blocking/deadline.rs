//! A deadline for callers on any runtime, or on none.

use std::future::pending;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::time::{Sleep, sleep};

use super::worker::Worker;
use crate::time::runtime_fault;

/// Waits for a background task that keeps the deadline `limit` by itself as long as its runtime runs. `None` if it has
/// not answered one second later.
///
/// Only the threads of a multi-threaded runtime drive its timers at any time. Other callers get a timer of a thread
/// that all of them share. If that thread cannot start, a caller without timers has no limit: a limit of zero would
/// report a task that runs as one that does not.
pub(crate) async fn within<T>(limit: Duration, future: impl Future<Output = T>) -> Option<T> {
    let limit = limit.saturating_add(GRACE);
    let timer = runtime_fault().is_none().then(|| sleep(limit));
    let runs = timer.is_some() && Handle::current().runtime_flavor() == RuntimeFlavor::MultiThread;
    let shared_timer = if runs { None } else { shared_timer(limit) };
    tokio::select! {
        biased;
        answer = future => Some(answer),
        () = elapsed(timer) => None,
        () = elapsed(shared_timer) => None,
    }
}

async fn elapsed(timer: Option<Sleep>) {
    match timer {
        Some(timer) => timer.await,
        None => pending().await,
    }
}

/// Returns a timer that needs no runtime of the caller. `None` if its thread cannot start.
fn shared_timer(limit: Duration) -> Option<Sleep> {
    static TIMERS: Mutex<Option<Worker>> = Mutex::new(None);
    let mut timers = TIMERS.lock().unwrap_or_else(PoisonError::into_inner);
    if timers.is_none() {
        *timers = Worker::start().ok();
    }
    timers.as_ref().map(|worker| worker.enter(|| sleep(limit)))
}

/// The task's own error, which names the cause, comes first.
const GRACE: Duration = Duration::from_secs(1);
