//! The task that replaces a resource: wait until a build is due, build, publish.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};

use super::drain::Drains;
use super::factory::{Resource, ResourceFactory, build_and_probe};
use super::health::DerivedState;
use super::keys::Keys;
use crate::error::{Error, Result};
use crate::live::{ChangeFeed, Publication};
use crate::metrics;
use crate::settings::Origins;
use crate::time::{Backoff, instant_after};

/// Builds resources from settings, one at a time.
pub(super) struct Builds {
    pub(super) factory: Box<dyn ResourceFactory>,
    pub(super) keys: Keys,
    pub(super) deadline: Duration,
    pub(super) backoff: Backoff,
    pub(super) drains: Drains,
    /// Built and not accepted yet.
    pub(super) candidate: Option<Arc<dyn Resource>>,
}

/// Asks the task to end.
pub(super) struct Shutdown;

/// The handle to the task, without the type of the resource.
#[derive(Clone)]
pub(super) struct TaskHandle {
    pub(super) state: watch::Receiver<DerivedState>,
    pub(super) commands: mpsc::Sender<Shutdown>,
}

/// Why the task ends.
enum End {
    /// The settings are no longer refreshed.
    Settings,
    /// The last handle is gone.
    Handles,
    Shutdown,
}

/// A build that failed, and the origins of its settings.
struct FailedBuild {
    origins: Arc<Origins>,
    retry: Instant,
}

/// A resource that was built, and the publication of its settings.
type Built = (Arc<Publication>, Result<Arc<dyn Resource>>);

impl Builds {
    /// Builds the first resource, with retries until `deadline`, and spawns the task that replaces it.
    pub(super) fn start(mut self, feed: ChangeFeed, deadline: Duration) -> BoxFuture<'static, Result<TaskHandle>> {
        async move {
            let (publication, current) = self.first(deadline).await?;
            let origins = Arc::clone(&publication.origins);
            current.publish(Arc::clone(&origins));
            let (state, receiver) = watch::channel(DerivedState::new(publication.generation));
            let (commands, queue) = mpsc::channel(1);
            tokio::spawn(Task { builds: self, current, origins, state }.run(feed, queue));
            Ok(TaskHandle { state: receiver, commands })
        }
        .boxed()
    }

    async fn first(&mut self, deadline: Duration) -> Result<(Arc<Publication>, Arc<dyn Resource>)> {
        let deadline = instant_after(Instant::now(), deadline);
        let mut failures = 0;
        loop {
            let (publication, built) = self.build().await;
            let error = match built {
                Ok(first) => return Ok((publication, first)),
                Err(error) => error,
            };
            failures += 1;
            let pause = self.backoff.jittered(failures, fastrand::f64());
            if instant_after(Instant::now(), pause) >= deadline {
                return Err(error);
            }
            tracing::warn!(%error, ?pause, keys = ?self.keys, "derived resource could not be built yet");
            sleep(pause).await;
        }
    }

    /// Builds a resource from the newest settings. One that fails its probe is drained.
    async fn build(&mut self) -> Built {
        self.drains.make_room().await;
        let building = self.factory.build();
        let publication = Arc::clone(&building.publication);
        let built = build_and_probe(building, self.deadline, &mut self.candidate).await;
        self.discard_candidate();
        metrics::built(&self.keys.0, built.is_ok());
        (publication, built)
    }

    fn discard_candidate(&mut self) {
        if let Some(unaccepted) = self.candidate.take() {
            self.drains.discard(unaccepted);
        }
    }
}

/// The background task.
struct Task {
    builds: Builds,
    current: Arc<dyn Resource>,
    /// The origins of the settings that the current resource was built from.
    origins: Arc<Origins>,
    /// Watchers end when it is dropped.
    state: watch::Sender<DerivedState>,
}

impl Task {
    async fn run(mut self, feed: ChangeFeed, mut queue: mpsc::Receiver<Shutdown>) {
        let mut end = self.follow(feed, &mut queue).await;
        self.builds.discard_candidate();
        self.state.send_modify(DerivedState::end);
        if let End::Settings = end {
            // Readers keep the last resource. It ends when the last handle is gone.
            end = ended(queue.recv().await);
        }
        let Self { builds, current, state, .. } = self;
        let Builds { mut drains, factory, .. } = builds;
        // The factory holds the place of the current resource, which must not outlive the drain.
        drop(factory);
        if let End::Shutdown = end {
            drains.discard(current);
            drains.end_all_now().await;
        } else {
            drains.retire(current);
            drains.end_all().await;
        }
        drop(state);
    }

    async fn follow(&mut self, mut feed: ChangeFeed, queue: &mut mpsc::Receiver<Shutdown>) -> End {
        let mut failed = None;
        loop {
            let due = self.due(&feed.publication(), &mut failed);
            tokio::select! {
                command = queue.recv() => return ended(command),
                change = feed.changed() => match change {
                    Some(_) => continue,
                    None => return End::Settings,
                },
                () = at(due) => {}
            }
            tokio::select! {
                command = queue.recv() => return ended(command),
                () = end_of(&mut feed) => return End::Settings,
                built = self.builds.build() => failed = self.take(built),
            }
        }
    }

    /// Returns when the next build is due; `None` if the current resource matches the settings.
    fn due(&self, publication: &Publication, failed: &mut Option<FailedBuild>) -> Option<Instant> {
        let keys = &self.builds.keys;
        if keys.changed(&self.origins, &publication.origins).is_empty() {
            *failed = None;
            self.state.send_if_modified(|state| state.catch_up(publication.generation));
            return None;
        }
        self.state.send_if_modified(DerivedState::fall_behind);
        // New settings are tried at once; those that failed wait for their retry.
        let again = failed.as_ref().filter(|failed| keys.changed(&failed.origins, &publication.origins).is_empty());
        Some(again.map_or_else(Instant::now, |failed| failed.retry))
    }

    /// Takes over the result of a build.
    fn take(&mut self, (publication, built): Built) -> Option<FailedBuild> {
        let changed = self.builds.keys.changed(&self.origins, &publication.origins);
        match built {
            Ok(new) => {
                self.replace(new, &publication, &changed);
                None
            }
            Err(error) => Some(self.fail(error, &publication, &changed)),
        }
    }

    fn replace(&mut self, new: Arc<dyn Resource>, publication: &Publication, changed: &[String]) {
        self.origins = Arc::clone(&publication.origins);
        new.publish(Arc::clone(&self.origins));
        let old = std::mem::replace(&mut self.current, new);
        self.state.send_modify(|state| state.replace(publication.generation));
        tracing::info!(generation = publication.generation, keys = ?changed, "derived resource replaced");
        self.builds.drains.retire(old);
    }

    fn fail(&mut self, error: Error, publication: &Publication, changed: &[String]) -> FailedBuild {
        let failures = self.state.borrow().consecutive_failures.saturating_add(1);
        let pause = self.builds.backoff.jittered(failures, fastrand::f64());
        tracing::warn!(%error, keys = ?changed, ?pause, "derived resource could not be replaced and stays");
        let retry = instant_after(Instant::now(), pause);
        self.state.send_modify(|state| state.fail(error, retry));
        FailedBuild { origins: Arc::clone(&publication.origins), retry }
    }
}

fn ended(command: Option<Shutdown>) -> End {
    match command {
        Some(Shutdown) => End::Shutdown,
        None => End::Handles,
    }
}

async fn at(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => pending().await,
    }
}

/// Waits for the end of the refresh loop. No change is missed: each build is followed by a look at the publication.
async fn end_of(feed: &mut ChangeFeed) {
    while feed.changed().await.is_some() {}
}
