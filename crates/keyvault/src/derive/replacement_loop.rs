//! The task that replaces a resource: wait until a build is due, build, publish.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};

use super::derived::{CurrentResource, Derived, Shutdown};
use super::factory::{Built, Factory};
use super::health::DerivedState;
use super::keys::changed;
use super::retry::RetryContext;
use crate::error::{Error, ErrorKind, Result};
use crate::live::{ChangeFeed, Publication};
use crate::settings::Origins;
use crate::time::instant_after;

/// The background task.
struct ReplacementLoop<T, R> {
    factory: Factory<T, R>,
    current: Arc<ArcSwap<CurrentResource<R>>>,
    failed: Option<FailedBuild>,
    state: StateSender,
}

/// The state of the resource. Watchers end when it is dropped.
struct StateSender(watch::Sender<DerivedState>);

/// A build that failed: the origins of its settings, and when it is retried.
struct FailedBuild {
    origins: Arc<Origins>,
    retry: Instant,
}

/// Builds the first resource, with retries for `deadline`, and spawns the task that replaces it.
pub(super) async fn start<T, R>(
    mut factory: Factory<T, R>,
    feed: ChangeFeed,
    retry: RetryContext,
    deadline: Duration,
) -> Result<Derived<R>>
where
    T: Send + Sync + 'static,
    R: Send + Sync + 'static,
{
    let deadline = instant_after(Instant::now(), deadline);
    let mut failures = 0;
    let (publication, resource) = loop {
        let error = match factory.build().await {
            (publication, Ok(first)) => break (publication, first),
            (_, Err(error)) => error,
        };
        failures += 1;
        let pause = factory.backoff.jittered(failures, fastrand::f64());
        if instant_after(Instant::now(), pause) >= deadline {
            return Err(error);
        }
        tracing::warn!(%error, ?pause, keys = ?factory.keys, "derived resource could not be built yet");
        sleep(pause).await;
    };
    let origins = Arc::clone(&publication.origins);
    let current = Arc::new(ArcSwap::from_pointee(CurrentResource { resource, origins }));
    let (sender, state) = watch::channel(DerivedState::new(publication.generation));
    let (commands, queue) = mpsc::channel(1);
    let sender = StateSender(sender);
    let drain_deadline = factory.drains.deadline;
    let replacement = ReplacementLoop { factory, current: Arc::clone(&current), failed: None, state: sender };
    tokio::spawn(replacement.run(feed, queue));
    Ok(Derived { current, state, commands, drain_deadline, retry: Some(Arc::new(retry)), fixed: None })
}

impl<T, R> ReplacementLoop<T, R>
where
    T: Send + Sync + 'static,
    R: Send + Sync + 'static,
{
    /// Follows the settings until the last handle is gone or asks for the end, and then ends the resource.
    async fn run(mut self, mut feed: ChangeFeed, mut commands: mpsc::Receiver<Shutdown>) {
        let ended = tokio::select! {
            command = commands.recv() => Some(command),
            () = self.follow(&mut feed) => None,
        };
        self.factory.discard_candidate();
        self.state.end(feed.loss().filter(|_| ended.is_none()));
        drop(feed);
        let is_shutdown = match ended {
            Some(command) => command.is_some(),
            // Readers keep the last resource. It ends when the last handle is gone.
            None => commands.recv().await.is_some(),
        };
        let Self { factory: Factory { mut drains, .. }, current, state, .. } = self;
        let last = Arc::clone(&current.load().resource);
        // The drain gets the last reference of ours.
        drop(current);
        if is_shutdown {
            drains.discard(last)
        } else {
            drains.retire(last)
        }
        drains.end_all(is_shutdown).await;
        drop(state);
    }

    /// Replaces the resource until the settings are no longer refreshed.
    async fn follow(&mut self, feed: &mut ChangeFeed) {
        loop {
            let due = self.due(&feed.publication());
            tokio::select! {
                change = feed.changed() => match change {
                    Some(_) => continue,
                    None => return,
                },
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {}
            }
            tokio::select! {
                () = end_of(feed) => return,
                built = self.factory.build() => self.take(built),
            }
        }
    }

    /// Returns when the next build is due; `None` if the current resource matches the settings.
    fn due(&mut self, publication: &Publication) -> Option<Instant> {
        let keys = &self.factory.keys;
        if changed(keys, &self.current.load().origins, &publication.origins).is_empty() {
            self.failed = None;
            self.state.0.send_if_modified(|state| state.catch_up(publication.generation));
            return None;
        }
        self.state.0.send_if_modified(DerivedState::fall_behind);
        // New settings are tried at once; those that failed wait for their retry.
        let again = self.failed.as_ref().filter(|last| changed(keys, &last.origins, &publication.origins).is_empty());
        Some(again.map_or_else(Instant::now, |failed| failed.retry))
    }

    /// Takes over the result of a build.
    fn take(&mut self, (publication, built): Built<R>) {
        let (generation, origins) = (publication.generation, Arc::clone(&publication.origins));
        let keys = changed(&self.factory.keys, &self.current.load().origins, &origins);
        match built {
            Ok(resource) => {
                self.failed = None;
                let old = self.current.swap(Arc::new(CurrentResource { resource, origins }));
                self.state.0.send_modify(|state| state.replace(generation));
                tracing::info!(generation, ?keys, "derived resource replaced");
                let resource = Arc::clone(&old.resource);
                // The drain gets the last reference of ours.
                drop(old);
                self.factory.drains.retire(resource);
            }
            Err(error) => {
                let failures = self.state.0.borrow().consecutive_failures.saturating_add(1);
                let pause = self.factory.backoff.jittered(failures, fastrand::f64());
                tracing::warn!(%error, ?keys, ?pause, "derived resource could not be replaced and stays");
                let retry = instant_after(Instant::now(), pause);
                self.state.0.send_modify(|state| state.fail(error, retry));
                self.failed = Some(FailedBuild { origins, retry });
            }
        }
    }
}

impl StateSender {
    /// Records the end of the task; with its reason, if it is not one that a handle asked for.
    fn end(&self, reason: Option<Error>) {
        self.0.send_modify(|state| state.end(reason));
    }
}

/// Records the end of a task that ends in any other way than [`run`](ReplacementLoop::run) intends.
impl Drop for StateSender {
    fn drop(&mut self) {
        if !self.0.borrow().is_following {
            return;
        }
        let clause = match thread::panicking() {
            true => "derived resource no longer follows its settings: its background task panicked",
            false => "derived resource no longer follows its settings: the runtime of its task was shut down",
        };
        self.end(Some(Error::new(ErrorKind::Unavailable, clause)));
    }
}

/// Waits for the end of the refresh loop. No change is missed: each build is followed by a look at the publication.
async fn end_of(feed: &mut ChangeFeed) {
    while feed.changed().await.is_some() {}
}
