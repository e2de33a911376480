//! What makes settings: the same for the first and for every later ones.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use serde::de::DeserializeOwned;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use super::builder::Timing;
use super::clock::WallClock;
use super::events::Events;
use super::health::{Health, Pulse};
use super::inbox::Inbox;
use super::start::First;
use super::task::{Intake, Task};
use super::validate::{Rejection, Validate};
use super::{Live, Published, PublishedCell};
use crate::check::Rules;
use crate::errand::Errand;
use crate::error::{Error, ErrorKind, Result};
use crate::held::Held;
use crate::layers::Layers;
use crate::load::{Facts, contained, load};
use crate::name_map::NameMap;
use crate::origin::Origins;
use crate::policy::Policies;
use crate::report::Report;
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
    pub(super) clock: WallClock,
    pub(super) sealer: Option<Sealer>,
    pub(super) policies: Policies,
}

/// What the task writes and every handle reads.
pub(super) struct Shared<T> {
    pub(super) published: PublishedCell<T>,
    pub(super) signal: watch::Receiver<Signal>,
    pub(super) inbox: Inbox,
    pulse: Mutex<Pulse>,
    max_staleness: Option<Duration>,
    pub(super) sealer: Option<Sealer>,
}

/// What wakes watchers; what they tell, they read from [`Shared`].
#[derive(Clone, Copy, Default)]
pub(super) struct Signal {
    pub(super) failures: u64,
}

/// What came of a load.
pub(super) struct Build<T> {
    /// None if the settings would be the published ones.
    pub(super) built: Option<Built<T>>,
    pub(super) report: Arc<Report>,
    /// Why some settings keep an earlier version of a secret; none if none does.
    pub(super) lapse: Option<Error>,
}

/// Settings that may be published.
pub(super) struct Built<T> {
    settings: Arc<T>,
    facts: Facts,
}

impl<L: Layers, V> Engine<L, V> {
    /// Publishes the first settings and leaves the later ones to a task.
    pub(super) fn keep<T>(self, First { built, errand, pulse }: First<T>, events: Events) -> Live<T>
    where
        T: DeserializeOwned + Send + Sync + 'static,
        V: Validate<T>,
    {
        let (waker, signal) = watch::channel(Signal::default());
        let shared = Arc::new(Shared {
            published: PublishedCell::from_pointee(built.publish(1)),
            signal,
            inbox: Inbox::new(self.resolver.clone(), self.names.clone(), self.timing.event_spread),
            pulse: Mutex::new(pulse),
            max_staleness: self.timing.max_staleness,
            sealer: self.sealer.clone(),
        });
        let mut held = Held::default();
        held.commit(errand.into_found());
        let (commands, queue) = mpsc::channel(16);
        let task = Task::new(self, held, Arc::clone(&shared), waker);
        tokio::spawn(task.run(Intake { commands: queue, events }));
        Live { shared, commands }
    }

    /// Makes settings within `deadline`, unless they would be the published ones.
    pub(super) async fn build<T>(
        &self,
        deadline: Duration,
        published: Option<&Published<T>>,
        errand: &Errand,
    ) -> Result<Build<T>>
    where
        T: DeserializeOwned + Send + Sync + 'static,
        V: Validate<T>,
    {
        self.build_from(&self.resolver, deadline, published, errand).await
    }

    /// Makes settings of what `resolver` answers.
    pub(super) async fn build_from<T>(
        &self,
        resolver: &Resolver,
        deadline: Duration,
        published: Option<&Published<T>>,
        errand: &Errand,
    ) -> Result<Build<T>>
    where
        T: DeserializeOwned + Send + Sync + 'static,
        V: Validate<T>,
    {
        let step = contained(self.build_unbounded(resolver, published, errand));
        timeout(deadline, step).await.unwrap_or_else(|_| Err(late()))
    }

    async fn build_unbounded<T>(
        &self,
        resolver: &Resolver,
        published: Option<&Published<T>>,
        errand: &Errand,
    ) -> Result<Build<T>>
    where
        T: DeserializeOwned + Send + Sync + 'static,
        V: Validate<T>,
    {
        let rules = Rules { policies: Some(&self.policies), last: published.map(|published| &*published.snapshot) };
        let loaded = load(resolver, &self.layers, self.names.as_ref(), errand, rules).await?;
        let (report, lapse) = (Arc::clone(&loaded.facts().report), Error::join(loaded.facts().lapses.clone()));
        if published.is_some_and(|published| published.origins.changed(loaded.origins()).is_empty()) {
            return Ok(Build { built: None, report, lapse });
        }
        let (settings, facts) = loaded.into_settings()?;
        let settings = Arc::new(settings);
        match self.validator.validate(&settings).await {
            Ok(()) => Ok(Build { built: Some(Built { settings, facts }), report, lapse }),
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
    pub(super) fn publish(self, generation: u64) -> Published<T> {
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
    pub(super) fn pulse(&self) -> MutexGuard<'_, Pulse> {
        self.pulse.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn last_failure(&self) -> Option<Error> {
        self.pulse().last_failure.clone()
    }

    /// Tells why some settings have an earlier version of a secret; none if none has.
    pub(super) fn lapse(&self) -> Option<Error> {
        self.pulse().lapse.clone()
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

    /// Seals the secrets of the published settings, if they are to be sealed. They are as old as the pulse says.
    pub(super) fn seal(&self, changed: bool) {
        let Some(sealer) = &self.sealer else { return };
        let (snapshot, age) = (Arc::clone(&self.published.load().snapshot), self.pulse().age());
        sealer.save(&snapshot, age, changed);
    }
}
