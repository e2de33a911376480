//! A constant load.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use crate::Result;

/// A constant load: several workers that repeat one operation and count its results.
pub struct Load {
    stop: watch::Sender<bool>,
    workers: JoinSet<Counts>,
}

/// The results of a load.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// The number of operations that succeeded.
    pub succeeded: u64,
    /// The number of operations that failed.
    pub failed: u64,
    /// The duration of the slowest operation.
    pub slowest: Duration,
    /// The error of the first operation that failed.
    pub first_failure: Option<String>,
}

impl Load {
    /// Starts `workers` tasks. Each repeats `operation` every `pause`, or at once if the operation took longer.
    pub fn start<F, Fut>(workers: usize, pause: Duration, operation: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result> + Send + 'static,
    {
        let (stop, stopped) = watch::channel(false);
        let operation = Arc::new(operation);
        let worker = |_| repeat_until_stopped(Arc::clone(&operation), pause, stopped.clone());
        Self { stop, workers: (0..workers).map(worker).collect() }
    }

    /// Stops the workers, waits for their last operations, and returns the totals.
    pub async fn stop(self) -> Counts {
        self.stop.send_replace(true);
        let counts = self.workers.join_all().await;
        counts.into_iter().reduce(Counts::add).unwrap_or_default()
    }
}

impl fmt::Debug for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Load").field("workers", &self.workers.len()).finish_non_exhaustive()
    }
}

async fn repeat_until_stopped<F, Fut>(operation: Arc<F>, pause: Duration, stopped: watch::Receiver<bool>) -> Counts
where
    F: Fn() -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result> + Send + 'static,
{
    let mut counts = Counts::default();
    let mut ticks = interval(pause);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !*stopped.borrow() {
        ticks.tick().await;
        let started = Instant::now();
        match operation().await {
            Ok(()) => counts.succeeded += 1,
            Err(error) => {
                counts.failed += 1;
                counts.first_failure.get_or_insert_with(|| error.to_string());
            }
        }
        counts.slowest = counts.slowest.max(started.elapsed());
    }
    counts
}

impl Counts {
    fn add(self, other: Self) -> Self {
        Self {
            succeeded: self.succeeded + other.succeeded,
            failed: self.failed + other.failed,
            slowest: self.slowest.max(other.slowest),
            first_failure: self.first_failure.or(other.first_failure),
        }
    }

    /// Prints the counts and checks that every operation succeeded.
    ///
    /// # Errors
    ///
    /// An operation failed, or no operation ran.
    pub fn check(&self) -> Result {
        let Self { succeeded, failed, slowest, .. } = self;
        println!("{succeeded} operations succeeded, {failed} failed; the slowest took {} ms", slowest.as_millis());
        match &self.first_failure {
            Some(error) => {
                Err(format!("{failed} of {} operations failed, the first with: {error}", succeeded + failed).into())
            }
            None if *succeeded == 0 => Err("no operation ran".into()),
            None => Ok(()),
        }
    }
}
