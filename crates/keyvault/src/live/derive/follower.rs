//! The task that replaces a resource: a pause and a step.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};

use super::super::{Published, Watcher};
use super::back_off::BackOff;
use super::derived::{Built, Current, Derived};
use super::health::State;
use super::old::Old;
use super::recipe::Recipe;
use crate::error::Result;
use crate::metrics;
use crate::settings::Origins;

/// Makes resources from settings, one at a time.
pub(super) struct Maker<T, R> {
    pub(super) recipe: Recipe<T, R>,
    pub(super) back_off: BackOff,
    pub(super) old: Old<R>,
    /// Built and not proven yet.
    pub(super) candidate: Option<Arc<R>>,
}

/// Asks the task to end.
pub(super) struct Shutdown;

/// Why the task follows no longer.
enum End {
    /// The settings are no longer refreshed.
    Settings,
    /// Nobody has a handle any more.
    Handles,
    Shutdown,
}

/// A build that failed, and with which settings.
struct Failed {
    origins: Arc<Origins>,
    retry: Instant,
}

impl<T, R> Maker<T, R>
where
    T: Send + Sync + 'static,
    R: Send + Sync + 'static,
{
    /// Makes the first resource, trying again until `deadline`, and follows from there.
    pub(super) async fn start(mut self, watcher: Watcher<T>, deadline: Duration) -> Result<Derived<R>> {
        let deadline = Instant::now() + deadline;
        let mut failures = 0;
        let (published, first) = loop {
            let published = watcher.published();
            let error = match self.make(&published).await {
                Ok(first) => break (published, first),
                Err(error) => error,
            };
            failures += 1;
            let pause = self.back_off.pause(failures, fastrand::f64());
            if Instant::now() + pause >= deadline {
                return Err(error);
            }
            tracing::warn!(%error, ?pause, keys = ?self.recipe.keys, "derived resource could not be built yet");
            sleep(pause).await;
        };
        let (news, state) = watch::channel(State::begun(published.generation));
        let origins = Arc::clone(&published.origins);
        let current = Arc::new(Current::from_pointee(Built { resource: first, origins }));
        let (commands, queue) = mpsc::channel(1);
        tokio::spawn(Follower { maker: self, current: Arc::clone(&current), news }.run(watcher, queue));
        Ok(Derived { current, state, commands })
    }

    /// Makes one resource. If it does not come to be good, what was built of it ends.
    async fn make(&mut self, published: &Published<T>) -> Result<Arc<R>> {
        self.old.make_room().await;
        let made = self.recipe.make(published, &mut self.candidate).await;
        self.discard_candidate();
        metrics::built(&self.recipe.keys.0, made.is_ok());
        made
    }

    fn discard_candidate(&mut self) {
        if let Some(unproven) = self.candidate.take() {
            self.old.discard(unproven);
        }
    }
}

/// The background task.
struct Follower<T, R> {
    maker: Maker<T, R>,
    current: Arc<Current<R>>,
    /// Watchers end when it is dropped.
    news: watch::Sender<State>,
}

impl<T, R> Follower<T, R>
where
    T: Send + Sync + 'static,
    R: Send + Sync + 'static,
{
    async fn run(mut self, watcher: Watcher<T>, mut queue: mpsc::Receiver<Shutdown>) {
        let mut end = self.follow(watcher, &mut queue).await;
        self.maker.discard_candidate();
        self.news.send_modify(State::ended);
        if let End::Settings = end {
            // The last resource stays good for its readers. It is ended when they are gone.
            end = ended(queue.recv().await);
        }
        let Self { mut maker, current, news, .. } = self;
        let last = Arc::clone(&current.load().resource);
        drop(current);
        if let End::Shutdown = end {
            maker.old.discard(last);
            maker.old.all_ended_now().await;
        } else {
            maker.old.retire(last);
            maker.old.all_ended().await;
        }
        drop(news);
    }

    async fn follow(&mut self, mut watcher: Watcher<T>, queue: &mut mpsc::Receiver<Shutdown>) -> End {
        let mut failed = None;
        loop {
            let published = watcher.published();
            let due = self.due(&published, &mut failed);
            tokio::select! {
                command = queue.recv() => return ended(command),
                change = watcher.changed() => match change {
                    Some(_) => continue,
                    None => return End::Settings,
                },
                () = at(due) => {}
            }
            tokio::select! {
                command = queue.recv() => return ended(command),
                () = outlived(&mut watcher) => return End::Settings,
                made = self.maker.make(&published) => failed = self.take(&published, made),
            }
        }
    }

    /// Tells when the next build is due; never, if the current resource is what the settings say.
    fn due(&self, published: &Published<T>, failed: &mut Option<Failed>) -> Option<Instant> {
        let keys = &self.maker.recipe.keys;
        if keys.changed(&self.current.load().origins, &published.origins).is_empty() {
            *failed = None;
            self.news.send_if_modified(|state| state.caught_up(published.generation));
            return None;
        }
        self.news.send_if_modified(State::fell_behind);
        // New settings are worth a try at once; those that failed wait for their turn.
        let again = failed.as_ref().filter(|failed| keys.changed(&failed.origins, &published.origins).is_empty());
        Some(again.map_or_else(Instant::now, |failed| failed.retry))
    }

    fn take(&mut self, published: &Published<T>, made: Result<Arc<R>>) -> Option<Failed> {
        let keys = &self.maker.recipe.keys;
        let changed = keys.changed(&self.current.load().origins, &published.origins);
        match made {
            Ok(resource) => {
                let new = Built { resource, origins: Arc::clone(&published.origins) };
                // Nothing but the old resource is kept of what was current: whoever ends it is the last to let go of it.
                let old = Arc::clone(&self.current.swap(Arc::new(new)).resource);
                self.news.send_modify(|state| state.replaced(published.generation));
                tracing::info!(generation = published.generation, keys = ?changed, "derived resource replaced");
                self.maker.old.retire(old);
                None
            }
            Err(error) => {
                let failures = self.news.borrow().consecutive_failures.saturating_add(1);
                let pause = self.maker.back_off.pause(failures, fastrand::f64());
                tracing::warn!(%error, keys = ?changed, ?pause, "derived resource could not be replaced and stays");
                let retry = Instant::now() + pause;
                self.news.send_modify(|state| state.failed(error, retry));
                Some(Failed { origins: Arc::clone(&published.origins), retry })
            }
        }
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

/// Waits for the end of the refresh. Changes are not missed: what is published is asked for again after each build.
async fn outlived<T: Send + Sync>(watcher: &mut Watcher<T>) {
    while watcher.changed().await.is_some() {}
}
