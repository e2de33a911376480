//! The concurrency of core under schedules that [Shuttle](https://docs.rs/shuttle) draws.
//!
//! The library of this package is core, compiled against Shuttle's `tokio`. Shuttle decides at every lock, notification
//! and await which task continues. It detects deadlocks, and runs that never end by their number of steps. It prints a
//! schedule that fails, and `shuttle::replay` repeats it.
//!
//! Each check runs the public API over a store or transport in this process, under schedules drawn at random and by
//! priorities (PCT).
//!
//! Not covered: interleavings inside the atomics of `arc-swap`, inside `moka` and between locks of `std`, each of which
//! is one step here; time, because every sleep ends at once and no timeout ends; and `Live::shutdown`, because
//! Shuttle's `tokio` lacks what it waits for. `tests/hostile/simulation` and `tests/hostile/cancellation` cover those.

#![allow(clippy::unwrap_used, reason = "a check that cannot continue panics at once")]

mod authorizer;
mod rate_limit;
mod refresh;
mod shared_fetch;
mod transport;

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use shuttle::future::{block_on, spawn};
use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::{Config, MaxSteps, Runner};
use tokio::sync::watch;

/// Runs a scenario under many schedules.
fn check<F>(scenario: impl Fn() -> F + Copy + Send + Sync + 'static)
where
    F: Future<Output = ()>,
{
    let mut config = Config::new();
    config.stack_size = 1 << 20;
    config.max_steps = MaxSteps::FailAfter(MAX_STEPS);
    let run = move || block_on(scenario());
    Runner::new(RandomScheduler::new(SCHEDULES), config.clone()).run(run);
    Runner::new(PctScheduler::new(CHANGES_OF_PRIORITY, SCHEDULES), config).run(run);
}

/// Polls a future once and drops it, like a caller with a timeout.
async fn poll_once<O>(future: impl Future<Output = O>) -> Option<O> {
    let mut future = pin!(future);
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// Proves that the checks can fail: the order of two steps is wrong, and only some schedules show it.
#[test]
#[should_panic(expected = "deadlock")]
fn a_wake_before_its_change_is_found() {
    check(async || {
        let (waker, mut woken) = watch::channel(());
        let is_changed = Arc::new(AtomicBool::new(false));
        let waiter = spawn({
            let is_changed = Arc::clone(&is_changed);
            async move {
                while !is_changed.load(Ordering::SeqCst) {
                    woken.changed().await.unwrap();
                }
            }
        });
        waker.send_modify(|()| {});
        is_changed.store(true, Ordering::SeqCst);
        waiter.await.unwrap();
        drop(waker);
    });
}

const SCHEDULES: usize = 1_000;
const CHANGES_OF_PRIORITY: usize = 3;

/// Far more than any scenario takes.
const MAX_STEPS: usize = 50_000;
