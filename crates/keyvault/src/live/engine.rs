//! What makes settings: the same for the first and for every later ones.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use serde::de::DeserializeOwned;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout};

use super::builder::{Choices, Timing};
use super::clock::{Moment, WallClock};
use super::due::NextDue;
use super::events::Events;
use super::health::Health;
use super::inbox::Inbox;
use super::pulse::{Failure, Pulse, Scene};
use super::settle::Settling;
use super::start::First;
use super::task::{Intake, Task};
use super::validate::{Validate, ValidationError};
use super::{Live, Published, PublishedCell};
use crate::error::{Error, ErrorKind, Result};
use crate::names::NameMap;
use crate::report::{ReferenceStatus, Report};
use crate::resolver::{Facts, FetchPlan, ResolveContext, Resolver, contained, load};
use crate::sealed::SealedWriter;
use crate::settings::{Layers, Origins, Policies};

/// What makes settings: the same for the first and for every later ones.
pub(super) struct Engine<L, V> {
    pub(super) resolver: Resolver,
    pub(super) layers: L,
    pub(super) names: Option<NameMap>,
    pub(super) validator: V,
    pub(super) timing: Timing,
    pub(super) sealer: Option<SealedWriter>,
    pub(super) policies: Policies,
    pub(super) choices: Choices,
    pub(super) clock: WallClock,
}

/// What the task writes and every handle reads.
pub(super) struct Shared<T> {
    pub(super) published: PublishedCell<T>,
    /// Which settings are published, for who wants to know no more: it follows them.
    pub(super) generation: AtomicU64,
    pub(super) signal: watch::Receiver<Signal>,
    pub(super) inbox: Inbox,
    pub(super) due: NextDue,
    pub(super) expiry_notice: Duration,
    pulse: Mutex<Pulse>,
    clock: WallClock,
    max_staleness: Option<Duration>,
    pub(super) sealer: Option<SealedWriter>,
}

/// What wakes watchers; what they tell, they read from [`Shared`].
#[derive(Clone, Copy, Default)]
pub(super) struct Signal {
    pub(super) failures: u64,
}

/// What came of a load.
pub(super) struct Build<T> {
    pub(super) made: Made<T>,
    pub(super) report: Arc<Report>,
    /// Why some settings keep an earlier version of a secret; none if none does.
    pub(super) lapse: Option<Error>,
}

/// Settings that may be published.
pub(super) struct Built<T> {
    settings: Arc<T>,
    /// The keys that the settings before did not have, or with other values.
    changed: Vec<String>,
    facts: Facts,
}

/// What a build came to.
pub(super) enum Made<T> {
    /// The settings would be the published ones.
    Same,
    /// They would not, and something may change still.
    Settling(Settling),
    /// New settings, which may be published.
    New(Built<T>),
}

impl<L: Layers, V> Engine<L, V> {
    /// Tells the time.
    pub(super) fn now(&self) -> Moment {
        self.clock.moment()
    }

    /// Publishes the first settings and leaves the later ones to a task.
    pub(super) fn keep<T>(self, First { built, errand, mut pulse }: First<T>, events: Events) -> Live<T>
    where
        T: DeserializeOwned + Send + Sync + 'static,
        V: Validate<T>,
    {
        let (waker, signal) = watch::channel(Signal::default());
        pulse.sources = events.len();
        let shared = Arc::new(Shared {
            published: PublishedCell::from_pointee(built.publish(1, self.clock.now())),
            generation: AtomicU64::new(1),
            signal,
            inbox: Inbox::new(self.resolver.clone(), self.names.clone(), self.timing.event_spread),
            due: NextDue::never(Instant::now()),
            expiry_notice: self.timing.expiry_notice,
            pulse: Mutex::new(pulse),
            clock: self.clock.clone(),
            max_staleness: self.timing.max_staleness,
            sealer: self.sealer.clone(),
        });
        let (commands, queue) = mpsc::channel(16);
        let task = Task::new(self, errand, Arc::clone(&shared), waker);
        tokio::spawn(task.run(Intake { commands: queue, events }));
        Live { shared, commands }
    }

    /// Makes settings within `deadline`, unless they would be the published ones or `settling` tells that they have not
    /// settled.
    pub(super) async fn build<T>(
        &self,
        deadline: Duration,
        published: Option<&Published<T>>,
        errand: &FetchPlan,
        settling: impl Fn(&Origins) -> Option<Settling> + Send + Sync,
    ) -> Result<Build<T>>
    where
        T: DeserializeOwned + Send + Sync + 'static,
        V: Validate<T>,
    {
        self.build_from(&self.resolver, deadline, published, errand, settling).await
    }

    /// Makes settings of what `resolver` answers.
    pub(super) async fn build_from<T>(
        &self,
        resolver: &Resolver,
        deadline: Duration,
        published: Option<&Published<T>>,
        errand: &FetchPlan,
        settling: impl Fn(&Origins) -> Option<Settling> + Send + Sync,
    ) -> Result<Build<T>>
    where
        T: DeserializeOwned + Send + Sync + 'static,
        V: Validate<T>,
    {
        let step = contained(self.build_unbounded(resolver, published, errand, settling));
        timeout(deadline, step).await.unwrap_or_else(|_| Err(late()))
    }

    async fn build_unbounded<T>(
        &self,
        resolver: &Resolver,
        published: Option<&Published<T>>,
        errand: &FetchPlan,
        settling: impl Fn(&Origins) -> Option<Settling> + Send + Sync,
    ) -> Result<Build<T>>
    where
        T: DeserializeOwned + Send + Sync + 'static,
        V: Validate<T>,
    {
        let rules =
            ResolveContext { policies: Some(&self.policies), last: published.map(|published| &*published.snapshot) };
        let loaded = load(resolver, &self.layers, self.names.as_ref(), errand, rules).await?;
        let (report, lapse) = (Arc::clone(&loaded.facts().report), Error::join(loaded.facts().lapses.clone()));
        let build = |made| Build { made, report, lapse };
        let changed = published.map(|published| published.origins.changed(loaded.origins()));
        if changed.as_ref().is_some_and(Vec::is_empty) {
            return Ok(build(Made::Same));
        }
        if let Some(settling) = settling(loaded.origins()) {
            return Ok(build(Made::Settling(settling)));
        }
        let (settings, facts) = loaded.into_settings()?;
        let settings = Arc::new(settings);
        match self.validator.validate(&settings).await {
            Ok(()) => Ok(build(Made::New(Built { settings, changed: changed.unwrap_or_default(), facts }))),
            Err(rejection) => Err(refused(rejection, &facts.origins).with_load_report(facts.report)),
        }
    }
}

pub(super) fn late() -> Error {
    Error::new(ErrorKind::Unavailable, "settings were not loaded in time").with_status(ReferenceStatus::FetchTimedOut)
}

fn refused(rejection: ValidationError, origins: &Origins) -> Error {
    let error =
        Error::from_clause(ErrorKind::InvalidSettings, format!("refused by the application: {}", rejection.reason()));
    match rejection.key() {
        Some(key) => error.at(key, origins.get(key).map_or("the merged layers".into(), ToString::to_string)),
        None => error,
    }
}

impl<T> Built<T> {
    pub(super) fn publish(self, generation: u64, at: SystemTime) -> Published<T> {
        Published {
            settings: self.settings,
            changed: self.changed.into(),
            generation,
            at,
            origins: Arc::new(self.facts.origins),
            snapshot: Arc::new(self.facts.snapshot),
            report: self.facts.report,
        }
    }
}

impl<T> Shared<T> {
    pub(super) fn pulse(&self) -> MutexGuard<'_, Pulse> {
        self.pulse.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn last_failure(&self) -> Option<Failure> {
        self.pulse().last_failure().cloned()
    }

    fn now(&self) -> Moment {
        self.clock.moment()
    }

    /// Tells whether a refresh is due or running.
    pub(super) fn is_due(&self) -> bool {
        self.due.is_due(self.now())
    }

    /// Tells why some settings have an earlier version of a secret; none if none has.
    pub(super) fn lapse(&self) -> Option<Error> {
        self.pulse().lapse.clone()
    }

    pub(super) fn health(&self) -> Health {
        let published = self.published.load();
        let scene = Scene {
            generation: published.generation,
            snapshot: &published.snapshot,
            news: self.inbox.news(),
            now: self.now(),
            max_staleness: self.max_staleness,
            expiry_notice: self.expiry_notice,
        };
        let pulse = self.pulse();
        let mut health = pulse.health(&scene);
        health.sealed = self.sealer.as_ref().map(|sealer| {
            let mut sealed = sealer.health();
            sealed.started_from = pulse.sealed_at;
            sealed
        });
        health
    }

    /// Seals the secrets of the published settings, if they are to be sealed. They are as old as the pulse says.
    pub(super) fn seal(&self, changed: bool) {
        let Some(sealer) = &self.sealer else { return };
        let (snapshot, now) = (Arc::clone(&self.published.load().snapshot), self.now());
        let age = self.pulse().age(now);
        sealer.save(&snapshot, age, changed);
    }
}
