//! The facts that [`Health`] is computed from.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::health::{Health, PushHealth, SecretHealth, SecretStatus};
use super::notices::Notices;
use super::publication::Publication;
use super::refresh_queue::EventCounts;
use crate::error::Error;
use crate::resolver::{FetchPlan, KnownSecrets, VersionState};
use crate::secret::SecretId;
use crate::time::Moment;

/// The successes and failures of the loop. Each is a field of its own, so that stale settings cannot look fresh.
#[derive(Debug)]
pub(super) struct HealthState {
    last_success: Moment,
    /// The age of the settings at that moment: those of a sealed snapshot are not new.
    age_then: Duration,
    /// As of when the secrets of the sealed snapshot are, while they are in use.
    pub(super) sealed_at: Option<SystemTime>,
    last_failure: Option<Failure>,
    /// Why the last good load kept earlier versions of secrets.
    pub(super) lapse: Option<Error>,
    pub(super) next_refresh: Option<Instant>,
    consecutive_failures: u32,
    failing: Failing,
    is_revoked: bool,
    /// The versions in use that are not the vault's latest.
    version_states: BTreeMap<SecretId, VersionState>,
    pub(super) notices: Notices,
    /// The number of connected event sources.
    pub(super) sources: usize,
}

/// The failure of a refresh.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) error: Error,
    pub(super) is_revocation: bool,
}

/// The limits beyond which health reports something.
#[derive(Clone, Copy, Debug)]
pub(super) struct HealthLimits {
    pub(super) max_staleness: Option<Duration>,
    pub(super) expiry_notice: Duration,
}

/// The reads that failed and that no later refresh made good.
#[derive(Debug, Default)]
struct Failing {
    /// Everything.
    full: bool,
    single: BTreeSet<SecretId>,
}

impl Failing {
    fn is_empty(&self) -> bool {
        !self.full && self.single.is_empty()
    }

    fn add(&mut self, plan: &FetchPlan) {
        self.full |= plan.is_full;
        if !plan.is_full {
            self.single.extend(plan.due.keys().cloned());
        }
    }

    fn remove(&mut self, plan: &FetchPlan) {
        if plan.is_full {
            *self = Self::default();
        }
        self.single.retain(|id| !plan.due.contains_key(id));
    }
}

impl HealthState {
    /// Creates the state of settings that were just loaded from the vaults.
    pub(super) fn fresh(now: Moment) -> Self {
        Self {
            last_success: now,
            age_then: Duration::ZERO,
            sealed_at: None,
            last_failure: None,
            lapse: None,
            next_refresh: None,
            consecutive_failures: 0,
            failing: Failing::default(),
            is_revoked: false,
            version_states: BTreeMap::new(),
            notices: Notices::default(),
            sources: 0,
        }
    }

    /// Creates the state of settings from a sealed snapshot. They are as old as the snapshot, because the vaults failed
    /// with `error`.
    pub(super) fn from_sealed(now: Moment, sealed_at: SystemTime, error: Error) -> Self {
        let mut state = Self::fresh(now);
        state.age_then = now.time.duration_since(sealed_at).unwrap_or_default();
        state.sealed_at = Some(sealed_at);
        state.failing.full = true;
        state.count(Failure { error, is_revocation: false });
        state
    }

    /// Returns the age of the settings.
    pub(super) fn age(&self, now: Moment) -> Duration {
        self.last_success.until(now).saturating_add(self.age_then)
    }

    /// Records that the vaults answered what `plan` fetches; not all of it, if there is a `lapse`.
    ///
    /// A secret that was read proves nothing about the others.
    pub(super) fn record_answer(&mut self, plan: &FetchPlan, lapse: Option<Error>) {
        self.failing.remove(plan);
        if plan.is_full {
            self.is_revoked = false;
        }
        self.lapse.clone_from(&lapse);
        match lapse {
            Some(error) => self.count(Failure { error, is_revocation: false }),
            None if self.failing.is_empty() => self.consecutive_failures = 0,
            None => {}
        }
    }

    /// Records that the settings match the vaults.
    pub(super) fn record_match(&mut self, now: Moment) {
        (self.last_success, self.age_then, self.sealed_at) = (now, Duration::ZERO, None);
    }

    /// Records that the refresh of `plan` failed.
    pub(super) fn record_failure(&mut self, plan: &FetchPlan, failure: Failure) {
        self.failing.add(plan);
        // Only a full refresh proves that the vault took away nothing else.
        self.failing.full |= failure.is_revocation;
        self.is_revoked |= failure.is_revocation;
        self.count(failure);
    }

    fn count(&mut self, failure: Failure) {
        self.last_failure = Some(failure);
        self.consecutive_failures = self.consecutive_failures.saturating_add(1);
    }

    /// Returns whether the last good version of a secret stays in use because the vault could not be read.
    fn is_kept(&self, id: &SecretId) -> bool {
        let mut kept = self.lapse.iter().flat_map(Error::failures).filter_map(Error::secret);
        kept.any(|kept| kept.latest() == id.latest())
    }

    pub(super) fn last_failure(&self) -> Option<&Failure> {
        self.last_failure.as_ref()
    }

    pub(super) fn consecutive_failures(&self) -> u32 {
        self.consecutive_failures
    }

    /// Records the versions in use that are not the vault's latest.
    pub(super) fn record_versions(&mut self, known: &KnownSecrets) {
        let odd = known.iter().filter(|(_, secret)| *secret.state() != VersionState::Latest);
        self.version_states = odd.map(|(id, secret)| (id.clone(), secret.state().clone())).collect();
    }

    /// Returns the health of published settings.
    pub(super) fn health(
        &self,
        publication: &Publication,
        events: EventCounts,
        limits: HealthLimits,
        now: Moment,
    ) -> Health {
        let age = self.age(now);
        let last_failure = self.last_failure.as_ref().filter(|_| self.consecutive_failures > 0);
        Health {
            generation: publication.generation,
            age,
            is_too_old: limits.max_staleness.is_some_and(|max| age > max),
            is_revoked: self.is_revoked,
            consecutive_failures: self.consecutive_failures,
            kept: self.lapse.as_ref().map(|lapse| lapse.failures().to_vec()).unwrap_or_default(),
            last_error: last_failure.map(|failure| failure.error.clone()),
            next_refresh: self.next_refresh.map(|next| next.saturating_duration_since(now.instant)),
            secrets: self.secrets(publication, limits, now.time),
            push: self.push(events, now.instant),
            sealed: None,
        }
    }

    fn secrets(&self, publication: &Publication, limits: HealthLimits, now: SystemTime) -> Vec<SecretHealth> {
        let health = publication.snapshot.iter().map(|(asked, secret)| {
            let status = SecretStatus::of(secret, self.version_states.get(asked), now, limits.expiry_notice);
            let is_kept = status != SecretStatus::Expired && self.is_kept(secret.id());
            SecretHealth::new(secret, if is_kept { SecretStatus::Kept } else { status })
        });
        health.collect()
    }

    fn push(&self, EventCounts { received, heeded, last }: EventCounts, now: Instant) -> Option<PushHealth> {
        let last_event = last.map(|last| now.saturating_duration_since(last));
        let push = PushHealth { received, heeded, last_event, sources: self.sources };
        (received > 0 || self.sources > 0).then_some(push)
    }
}
