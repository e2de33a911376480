//! How fresh the settings are.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use crate::error::Error;
use crate::sealed::SealedHealth;
use crate::secret::SecretId;
use crate::snapshot::Snapshot;

/// How fresh the settings are, and what went wrong last. Holds no value.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub struct Health {
    /// Which settings are current: 1 are those of the start.
    pub generation: u64,
    /// How long ago the settings were last found to be what the vaults hold.
    pub age: Duration,
    /// Whether `age` is beyond the maximum staleness, if one was set.
    pub is_too_old: bool,
    /// How many refreshes failed since the last one that succeeded, in all or for a secret whose last good version stayed.
    pub consecutive_failures: u32,
    /// Why the last refresh failed; none if it succeeded.
    pub last_error: Option<Error>,
    /// Why settings have an earlier version of a secret, by [`Policy::KeepLastGood`](crate::Policy::KeepLastGood): an error
    /// for each, with its setting. Empty if none has.
    pub kept: Vec<Error>,
    /// How long until the next refresh begins; none while one is running or after the end.
    pub next_refresh: Option<Duration>,
    /// The secrets that were read for the current settings.
    pub secrets: Vec<SecretHealth>,
    /// How it stands with the sealed snapshot; none if there is to be none.
    pub sealed: Option<SealedHealth>,
}

/// One secret behind the current settings.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub struct SecretHealth {
    /// Which secret, with its version.
    pub id: SecretId,
    /// When its value stops being valid, if that was set.
    pub expires: Option<SystemTime>,
}

impl Health {
    /// Tells whether a readiness probe may show green: settings are not older than allowed.
    ///
    /// A failed refresh alone is no reason for red, as long as the last good settings are young enough.
    pub fn is_healthy(&self) -> bool {
        !self.is_too_old
    }

    /// Tells whether the settings are those of a sealed snapshot: the program started in an outage that lasts.
    pub fn is_stale(&self) -> bool {
        self.sealed.as_ref().is_some_and(|sealed| sealed.started_from.is_some())
    }
}

/// What a health is told from. Each of the three is its own field, so that old settings cannot look fresh.
#[derive(Debug)]
pub(super) struct Pulse {
    pub(super) last_success: Instant,
    /// How old the settings were at that moment: those of a sealed snapshot are not new.
    age_then: Duration,
    /// When the secrets of the sealed snapshot were last known good, while they are in use.
    pub(super) sealed_at: Option<SystemTime>,
    pub(super) last_failure: Option<Error>,
    /// Why the last load that gave settings kept earlier versions of secrets.
    pub(super) lapse: Option<Error>,
    pub(super) next_refresh: Option<Instant>,
    pub(super) consecutive_failures: u32,
    /// Whether one of the consecutive failures was of a pass that asked for everything.
    is_failing: bool,
}

impl Pulse {
    pub(super) fn started() -> Self {
        Self {
            last_success: Instant::now(),
            age_then: Duration::ZERO,
            sealed_at: None,
            last_failure: None,
            lapse: None,
            next_refresh: None,
            consecutive_failures: 0,
            is_failing: false,
        }
    }

    /// The settings are as old as the snapshot, for the vault failed.
    pub(super) fn started_from_sealed(sealed_at: SystemTime, failure: Error) -> Self {
        let mut pulse = Self::started();
        pulse.age_then = SystemTime::now().duration_since(sealed_at).unwrap_or_default();
        pulse.sealed_at = Some(sealed_at);
        pulse.failed(failure, true);
        pulse
    }

    /// Tells how old the settings are.
    pub(super) fn age(&self) -> Duration {
        self.last_success.elapsed().saturating_add(self.age_then)
    }

    /// One secret that could be read says nothing about the others: only a complete pass makes settings fresh.
    pub(super) fn succeeded(&mut self, is_complete: bool) {
        self.lapse = None;
        if is_complete {
            self.last_success = Instant::now();
            (self.age_then, self.sealed_at) = (Duration::ZERO, None);
            self.is_failing = false;
        }
        if !self.is_failing {
            self.consecutive_failures = 0;
        }
    }

    pub(super) fn failed(&mut self, error: Error, is_complete: bool) {
        self.is_failing |= is_complete;
        self.last_failure = Some(error);
        self.consecutive_failures = self.consecutive_failures.saturating_add(1);
    }

    /// The settings are not what the vaults hold, so their age goes on growing.
    pub(super) fn lapsed(&mut self, lapse: Error, is_complete: bool) {
        self.failed(lapse.clone(), is_complete);
        self.lapse = Some(lapse);
    }

    pub(super) fn health(&self, generation: u64, max_staleness: Option<Duration>, snapshot: &Snapshot) -> Health {
        let age = self.age();
        let secrets = snapshot
            .iter()
            .map(|(_, secret)| SecretHealth { id: secret.id().clone(), expires: secret.properties().expires });
        Health {
            generation,
            age,
            is_too_old: max_staleness.is_some_and(|max| age > max),
            consecutive_failures: self.consecutive_failures,
            kept: self.lapse.as_ref().map(|lapse| lapse.failures().to_vec()).unwrap_or_default(),
            last_error: self.last_failure.clone().filter(|_| self.consecutive_failures > 0),
            next_refresh: self.next_refresh.map(|next| next.saturating_duration_since(Instant::now())),
            secrets: secrets.collect(),
            sealed: None,
        }
    }
}
