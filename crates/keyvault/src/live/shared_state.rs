//! The state that the loop writes and every handle reads.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::health::Health;
use super::health_state::HealthState;
use super::options::Options;
use super::publication::Publication;
use super::refresh_queue::RefreshQueue;
use crate::error::{Error, ErrorKind};
use crate::sealed::SealedWriter;
use crate::time::{Moment, WallClock};

/// Everything that the loop shares with its handles, except the typed settings.
pub(super) struct SharedState {
    /// The current publication. The loop stores the typed settings first, so they are never older than this.
    pub(super) publication: ArcSwap<Publication>,
    /// Wakes watchers, which read the rest from here.
    pub(super) signal: watch::Receiver<()>,
    pub(super) queue: RefreshQueue,
    /// Ends the loop. It is not a command, because the queue of commands is full if the loop does not run.
    pub(super) shutdown: Notify,
    pub(super) clock: WallClock,
    pub(super) options: Options,
    pub(super) sealed_writer: Option<SealedWriter>,
    pub(super) health: Mutex<HealthState>,
    /// When the next refresh begins, by both clocks; `None` while one runs and after the end of the loop.
    pub(super) next_refresh: ArcSwapOption<Moment>,
}

impl SharedState {
    /// Locks the facts that health is computed from.
    pub(super) fn health_state(&self) -> MutexGuard<'_, HealthState> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the time by both clocks.
    pub(super) fn now(&self) -> Moment {
        self.clock.moment()
    }

    /// Records when the next refresh begins, unless one runs. Returns when the next one is due.
    pub(super) fn set_next_refresh(&self, now: Moment, is_running: bool) -> Option<Instant> {
        let instant = self.queue.timetable(|timetable| timetable.next());
        let next = instant.filter(|_| !is_running).map(|instant| {
            let time = now.time + instant.saturating_duration_since(now.instant);
            Arc::new(Moment { instant, time })
        });
        self.next_refresh.store(next);
        instant
    }

    /// Returns whether a refresh is due or running. Takes no lock and allocates nothing.
    ///
    /// Only the time of day shows that a host was suspended.
    pub(super) fn is_due(&self) -> bool {
        let now = self.now();
        self.next_refresh.load().as_deref().is_none_or(|next| next.instant <= now.instant || next.time <= now.time)
    }

    /// Returns the health of the current settings.
    pub(super) fn health(&self) -> Health {
        let (publication, now) = (self.publication.load(), self.now());
        let push = self.queue.push_health(now.instant);
        let next = self.next_refresh.load();
        let state = self.health_state();
        let age = state.age(now);
        let overdue = next.as_deref().map(|next| now.instant.saturating_duration_since(next.instant));
        let stall = overdue.filter(|overdue| *overdue > LONGEST_DELAY && state.is_following).map(|_| not_driven());
        let last_failure = state.last_failure.as_ref().filter(|_| state.consecutive_failures > 0);
        Health {
            generation: publication.generation,
            age,
            is_too_old: self.options.max_staleness.is_some_and(|max| age > max),
            is_revoked: state.is_revoked,
            consecutive_failures: state.consecutive_failures,
            is_following: state.is_following && stall.is_none(),
            last_error: stall.or_else(|| last_failure.map(|last| last.error.clone())),
            kept: state.lapse.as_ref().map(|lapse| lapse.failures().to_vec()).unwrap_or_default(),
            next_refresh: next.as_deref().map(|next| next.instant.saturating_duration_since(now.instant)),
            secrets: state.secrets(&publication.snapshot, self.options.expiry_notice, now.time),
            push,
            sealed: self.sealed_writer.as_ref().map(|writer| {
                let mut sealed = writer.health();
                sealed.started_from = state.sealed_at;
                sealed
            }),
        }
    }

    /// Returns the error of a call after the end of the loop.
    pub(super) fn ended(&self) -> Error {
        let loss = self.health_state().loss.clone();
        loss.unwrap_or_else(|| Error::new(ErrorKind::Unavailable, "settings are no longer refreshed"))
    }

    /// Seals the secrets of the published settings, if a sealed snapshot is configured.
    pub(super) fn seal(&self, changed: bool) {
        let Some(sealed_writer) = &self.sealed_writer else { return };
        let (snapshot, now) = (Arc::clone(&self.publication.load().snapshot), self.now());
        let age = self.health_state().age(now);
        if let Some(as_of) = now.time.checked_sub(age) {
            sealed_writer.save(&snapshot, as_of, changed);
        }
    }
}

/// Returns the error of a loop that does not run although it has not ended.
pub(super) fn not_driven() -> Error {
    Error::new(ErrorKind::Unavailable, "settings are not refreshed: the runtime of the start does not run")
}

/// A task that runs begins its refresh much earlier.
const LONGEST_DELAY: Duration = Duration::from_secs(60);
