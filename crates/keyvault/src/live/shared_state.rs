//! The state that the loop writes and every handle reads.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use tokio::sync::watch;

use super::health::Health;
use super::health_state::{Failure, HealthLimits, HealthState};
use super::publication::Publication;
use super::refresh_queue::RefreshQueue;
use crate::error::Error;
use crate::sealed::SealedWriter;
use crate::time::{Moment, WallClock};

/// Everything that the loop shares with its handles, except the typed settings.
pub(super) struct SharedState {
    /// The current publication. The loop stores the typed settings first, so they are never older than this.
    pub(super) publication: ArcSwap<Publication>,
    pub(super) signal: watch::Receiver<Signal>,
    pub(super) queue: RefreshQueue,
    pub(super) clock: WallClock,
    pub(super) limits: HealthLimits,
    pub(super) sealed_writer: Option<SealedWriter>,
    pub(super) health: Mutex<HealthState>,
}

/// The signal that wakes watchers. They read the rest from [`SharedState`].
#[derive(Clone, Copy, Default)]
pub(super) struct Signal {
    pub(super) failures: u64,
}

impl SharedState {
    /// Locks the facts that health is computed from.
    pub(super) fn health_state(&self) -> MutexGuard<'_, HealthState> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the last failure; `None` if no refresh failed yet.
    pub(super) fn last_failure(&self) -> Option<Failure> {
        self.health_state().last_failure().cloned()
    }

    /// Returns why some settings keep an earlier version of a secret; `None` if each has the latest.
    pub(super) fn lapse(&self) -> Option<Error> {
        self.health_state().lapse.clone()
    }

    /// Returns the time by both clocks.
    pub(super) fn now(&self) -> Moment {
        self.clock.moment()
    }

    /// Returns whether a refresh is due or running.
    pub(super) fn is_due(&self) -> bool {
        self.queue.is_due(self.now())
    }

    /// Returns the health of the current settings.
    pub(super) fn health(&self) -> Health {
        let (publication, now) = (self.publication.load(), self.now());
        let events = self.queue.event_counts();
        let state = self.health_state();
        let mut health = state.health(&publication, events, self.limits, now);
        health.sealed = self.sealed_writer.as_ref().map(|sealed_writer| {
            let mut sealed = sealed_writer.health();
            sealed.started_from = state.sealed_at;
            sealed
        });
        health
    }

    /// Seals the secrets of the published settings, if a sealed snapshot is configured.
    pub(super) fn seal(&self, changed: bool) {
        let Some(sealed_writer) = &self.sealed_writer else { return };
        let (snapshot, now) = (Arc::clone(&self.publication.load().snapshot), self.now());
        let age = self.health_state().age(now);
        sealed_writer.save(&snapshot, age, changed);
    }
}
