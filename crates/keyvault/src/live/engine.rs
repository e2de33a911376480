//! The loop that replaces settings: a pause and a step.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use serde::de::DeserializeOwned;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until, timeout};

use super::builder::Timing;
use super::health::{Health, Pulse};
use super::schedule::Schedule;
use super::validate::{Rejection, Validate};
use super::watcher::Change;
use super::{Live, Published, PublishedCell};
use crate::error::{Error, ErrorKind, Result};
use crate::layers::Layers;
use crate::load::{Facts, contained, load};
use crate::name_map::NameMap;
use crate::origin::Origins;
use crate::resolver::Resolver;
use crate::sealed::Sealer;
use crate::status::ReferenceStatus;

/// What makes settings: the same for the first and for every later ones.
pub(super) struct Engine<L, V> {
    pub(super) resolver: Resolver,
    pub(super) layers: L,
    pub(super) names: Option<NameMap>,
    pub(super) validator: V,
    pub(super) timing: Timing,
    pub(super) sealer: Option<Sealer>,
}

/// What the task writes and every handle reads.
pub(super) struct Shared<T> {
    pub(super) published: PublishedCell<T>,
    pub(super) signal: watch::Receiver<Signal>,
    pulse: Mutex<Pulse>,
    max_staleness: Option<Duration>,
    sealer: Option<Sealer>,
}

/// What wakes watchers; what they tell, they read from [`Shared`].
#[derive(Clone, Copy, Default)]
pub(super) struct Signal {
    pub(super) failures: u64,
}

pub(super) enum Command {
    Refresh(oneshot::Sender<Result<Option<Change>>>),
    Shutdown,
}

/// Settings that may be published.
pub(super) struct Built<T> {
    settings: Arc<T>,
    facts: Facts,
}

impl<L: Layers, V> Engine<L, V> {
    /// Publishes the first settings and keeps them current in the background.
    pub(super) fn keep<T>(self, first: Built<T>, pulse: Pulse) -> Live<T>
    where
        T: DeserializeOwned + Send + Sync + 'static,
        V: Validate<T>,
    {
        let (waker, signal) = watch::channel(Signal::default());
        let shared = Arc::new(Shared {
            published: PublishedCell::from_pointee(first.publish(1)),
            signal,
            pulse: Mutex::new(pulse),
            max_staleness: self.timing.max_staleness,
            sealer: self.sealer.clone(),
        });
        let (commands, queue) = mpsc::channel(16);
        let task =
            Task { schedule: Schedule::new(self.timing.interval), shared: Arc::clone(&shared), engine: self, waker };
        tokio::spawn(task.run(queue));
        Live { shared, commands }
    }

    /// Makes settings within `deadline`; none if they would be the published ones.
    pub(super) async fn build<T>(&self, deadline: Duration, published: Option<&Origins>) -> Result<Option<Built<T>>>
    where
        T: DeserializeOwned + Send + Sync + 'static,
        V: Validate<T>,
    {
        self.build_from(&self.resolver, deadline, published).await
    }

    /// Makes settings of what `resolver` answers.
    pub(super) async fn build_from<T>(
        &self,
        resolver: &Resolver,
        deadline: Duration,
        published: Option<&Origins>,
    ) -> Result<Option<Built<T>>>
    where
        T: DeserializeOwned + Send + Sync + 'static,
        V: Validate<T>,
    {
        timeout(deadline, contained(self.build_unbounded(resolver, published))).await.unwrap_or_else(|_| Err(late()))
    }

    async fn build_unbounded<T>(&self, resolver: &Resolver, published: Option<&Origins>) -> Result<Option<Built<T>>>
    where
        T: DeserializeOwned + Send + Sync + 'static,
        V: Validate<T>,
    {
        let loaded = load(resolver, &self.layers, self.names.as_ref()).await?;
        if published.is_some_and(|published| published.changed(loaded.origins()).is_empty()) {
            return Ok(None);
        }
        let (settings, facts) = loaded.into_settings()?;
        let settings = Arc::new(settings);
        match self.validator.validate(&settings).await {
            Ok(()) => Ok(Some(Built { settings, facts })),
            Err(rejection) => Err(refused(rejection, &facts.origins).with_load_report(facts.report)),
        }
    }
}

pub(super) fn late() -> Error {
    Error::new(ErrorKind::Unavailable, "settings were not loaded in time").with_status(ReferenceStatus::FetchTimedOut)
}

fn refused(rejection: Rejection, origins: &Origins) -> Error {
    let error = Error::from_clause(ErrorKind::Rejected, format!("refused by the application: {}", rejection.reason()));
    match rejection.key() {
        Some(key) => error.at(key, origins.get(key).map_or("the merged layers".into(), ToString::to_string)),
        None => error,
    }
}

impl<T> Built<T> {
    fn publish(self, generation: u64) -> Published<T> {
        Published {
            settings: self.settings,
            generation,
            at: SystemTime::now(),
            origins: Arc::new(self.facts.origins),
            snapshot: Arc::new(self.facts.snapshot),
            report: self.facts.report,
        }
    }
}

impl<T> Shared<T> {
    fn pulse(&self) -> MutexGuard<'_, Pulse> {
        self.pulse.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn last_failure(&self) -> Option<Error> {
        self.pulse().last_failure.clone()
    }

    pub(super) fn health(&self) -> Health {
        let published = self.published.load();
        let pulse = self.pulse();
        let mut health = pulse.health(published.generation, self.max_staleness, &published.snapshot);
        health.sealed = self.sealer.as_ref().map(|sealer| {
            let mut sealed = sealer.health();
            sealed.started_from = pulse.sealed_at;
            sealed
        });
        health
    }

    /// Seals the secrets of the published settings, if they are to be sealed.
    fn seal(&self, changed: bool) {
        let Some(sealer) = &self.sealer else { return };
        let (snapshot, age) = (Arc::clone(&self.published.load().snapshot), self.pulse().age());
        sealer.save(&snapshot, age, changed);
    }
}

/// The background task.
struct Task<L, V, T> {
    engine: Engine<L, V>,
    schedule: Schedule,
    shared: Arc<Shared<T>>,
    /// Watchers end when it is dropped.
    waker: watch::Sender<Signal>,
}

/// Why a wait ended.
enum Woken {
    Due,
    Ended,
}

impl<L, V, T> Task<L, V, T>
where
    L: Layers,
    V: Validate<T>,
    T: DeserializeOwned + Send + Sync + 'static,
{
    async fn run(mut self, mut queue: mpsc::Receiver<Command>) {
        let mut pause = match self.shared.last_failure() {
            // The settings are those of a sealed snapshot, and the vault is to be asked as after any failure.
            Some(error) => self.schedule.after_failure(&error, fastrand::f64()),
            None => {
                self.shared.seal(true);
                self.schedule.after_success(fastrand::f64())
            }
        };
        let mut joined = Vec::new();
        while let Woken::Due = self.wait(pause, &mut queue, &mut joined).await {
            let Some(outcome) = self.step_unless_ended(&mut queue, &mut joined).await else { break };
            pause = match &outcome {
                Ok(_) => self.schedule.after_success(fastrand::f64()),
                Err(error) => self.schedule.after_failure(error, fastrand::f64()),
            };
            for reply in joined.drain(..) {
                // Whoever gave up waiting needs no answer.
                _ = reply.send(outcome.clone());
            }
        }
        self.shared.pulse().next_refresh = None;
        if let Some(sealer) = &self.shared.sealer {
            sealer.finish().await;
        }
    }

    async fn wait(&self, pause: Duration, queue: &mut mpsc::Receiver<Command>, joined: &mut Vec<Reply>) -> Woken {
        let next = Instant::now() + pause;
        self.shared.pulse().next_refresh = Some(next);
        let mut woken = tokio::select! {
            () = sleep_until(next) => Woken::Due,
            command = queue.recv() => heed(command, joined),
        };
        // Whoever asked before the refresh begins is answered by this one.
        while let (Woken::Due, Ok(command)) = (&woken, queue.try_recv()) {
            woken = heed(Some(command), joined);
        }
        self.shared.pulse().next_refresh = None;
        woken
    }

    /// Takes the step, while everybody who asks for a refresh joins it; none if the end came first.
    async fn step_unless_ended(
        &self,
        queue: &mut mpsc::Receiver<Command>,
        joined: &mut Vec<Reply>,
    ) -> Option<Result<Option<Change>>> {
        let mut step = std::pin::pin!(self.step());
        loop {
            tokio::select! {
                outcome = &mut step => return Some(outcome),
                command = queue.recv() => if let Woken::Ended = heed(command, joined) { return None },
            }
        }
    }

    /// One whole refresh.
    async fn step(&self) -> Result<Option<Change>> {
        let published = self.shared.published.load_full();
        let outcome = self.engine.build(self.engine.timing.refresh_deadline, Some(&published.origins)).await;
        match outcome {
            Ok(None) => {
                self.shared.pulse().succeeded();
                self.shared.seal(false);
                tracing::debug!(generation = published.generation, "settings are unchanged");
                Ok(None)
            }
            Ok(Some(built)) => Ok(Some(self.publish(&published, built))),
            Err(error) => {
                tracing::warn!(%error, generation = published.generation, "settings could not be refreshed and stay");
                self.shared.pulse().failed(error.clone());
                self.waker.send_modify(|signal| signal.failures += 1);
                Err(error)
            }
        }
    }

    fn publish(&self, old: &Published<T>, built: Built<T>) -> Change {
        let new = built.publish(old.generation + 1);
        let change = Change { generation: new.generation, at: new.at, keys: old.origins.changed(&new.origins) };
        self.shared.published.store(Arc::new(new));
        self.shared.pulse().succeeded();
        self.shared.seal(true);
        self.waker.send_modify(|_| {});
        tracing::info!(generation = change.generation, keys = ?change.keys, "settings changed");
        change
    }
}

/// Lets whoever asks for a refresh join it; the end is asked for by command, or by the last handle's going.
fn heed(command: Option<Command>, joined: &mut Vec<Reply>) -> Woken {
    match command {
        Some(Command::Refresh(reply)) => {
            joined.push(reply);
            Woken::Due
        }
        Some(Command::Shutdown) | None => Woken::Ended,
    }
}

type Reply = oneshot::Sender<Result<Option<Change>>>;
