//! Users who never stop asking.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use crate::Outcome;

/// A constant load: so many workers, each of which asks again and again and counts what it gets.
pub struct Load {
    stop: watch::Sender<bool>,
    workers: JoinSet<Counts>,
}

/// What a load got.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// How often it got what it asked for.
    pub served: u64,
    /// How often it did not.
    pub failed: u64,
    /// How long it waited at most.
    pub slowest: Duration,
    /// Why it first failed.
    pub first_failure: Option<String>,
}

impl Load {
    /// Begins: each of `workers` does `work` every `pause`, or as soon as the last is done.
    pub fn begin<F, Fut>(workers: usize, pause: Duration, work: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Outcome> + Send + 'static,
    {
        let (stop, stopped) = watch::channel(false);
        let work = Arc::new(work);
        let worker = |_| work_until_stopped(Arc::clone(&work), pause, stopped.clone());
        Self { stop, workers: (0..workers).map(worker).collect() }
    }

    /// Ends, when everything that was asked for is answered.
    pub async fn end(self) -> Counts {
        self.stop.send_replace(true);
        let counts = self.workers.join_all().await;
        counts.into_iter().reduce(Counts::add).unwrap_or_default()
    }
}

impl std::fmt::Debug for Load {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Load").field("workers", &self.workers.len()).finish_non_exhaustive()
    }
}

async fn work_until_stopped<F, Fut>(work: Arc<F>, pause: Duration, stopped: watch::Receiver<bool>) -> Counts
where
    F: Fn() -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Outcome> + Send + 'static,
{
    let mut counts = Counts::default();
    let mut ticks = interval(pause);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !*stopped.borrow() {
        ticks.tick().await;
        let asked = Instant::now();
        match work().await {
            Ok(()) => counts.served += 1,
            Err(error) => {
                counts.failed += 1;
                counts.first_failure.get_or_insert_with(|| error.to_string());
            }
        }
        counts.slowest = counts.slowest.max(asked.elapsed());
    }
    counts
}

impl Counts {
    fn add(self, other: Self) -> Self {
        Self {
            served: self.served + other.served,
            failed: self.failed + other.failed,
            slowest: self.slowest.max(other.slowest),
            first_failure: self.first_failure.or(other.first_failure),
        }
    }

    /// Says how it went.
    ///
    /// # Errors
    ///
    /// Something failed, or nothing was asked for.
    pub fn all_served(&self) -> Outcome {
        let Self { served, failed, slowest, .. } = self;
        println!("served {served}, failed {failed}; the slowest took {} ms", slowest.as_millis());
        match &self.first_failure {
            Some(reason) => Err(format!("{failed} of {} failed, the first: {reason}", served + failed).into()),
            None if *served == 0 => Err("nothing was asked for".into()),
            None => Ok(()),
        }
    }
}
