//! The facts that [`Health`] is computed from.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::health::{SecretHealth, SecretStatus};
use super::notices::{Notice, Notices};
use super::planned_refresh::{PlannedRefresh, refuses_settings};
use crate::error::Error;
use crate::resolver::{Dates, FetchPlan, KnownSecrets, Snapshot};
use crate::secret::{SecretId, Vault};
use crate::time::Moment;

/// The successes and failures of the loop. Each is a field of its own, so that stale settings cannot look fresh.
pub(super) struct HealthState {
    /// When the last full refresh began that found the published settings.
    last_match: Moment,
    /// As of when the secrets of the sealed snapshot are, while they are in use: they were not new at that moment.
    pub(super) sealed_at: Option<SystemTime>,
    /// How old they were at the start.
    sealed_age: Duration,
    pub(super) last_failure: Option<Failure>,
    /// Why the last good load kept earlier versions of secrets.
    pub(super) lapse: Option<Error>,
    pub(super) consecutive_failures: u32,
    /// Whether a full refresh failed, and none was made good since.
    is_failing: bool,
    /// The vaults that failed while others answered, and were not read since.
    failing_vaults: BTreeSet<Vault>,
    /// The single secrets whose read failed, and was not made good since.
    failing: BTreeSet<SecretId>,
    /// The secrets with a newer version that is not in use, because the settings with it were refused.
    refused: BTreeSet<SecretId>,
    pub(super) is_revoked: bool,
    /// Whether the loop runs.
    pub(super) is_following: bool,
    /// Why the loop ended by itself.
    pub(super) loss: Option<Error>,
    /// The versions in use.
    pub(super) known: Arc<KnownSecrets>,
    pub(super) notices: Notices,
}

/// The failure of a refresh.
#[derive(Clone)]
pub(super) struct Failure {
    pub(super) error: Error,
    pub(super) is_revocation: bool,
}

impl HealthState {
    /// Creates the state of settings from the vaults, by a load that `began` at this time.
    pub(super) fn fresh(began: Moment) -> Self {
        Self {
            last_match: began,
            sealed_at: None,
            sealed_age: Duration::ZERO,
            last_failure: None,
            lapse: None,
            consecutive_failures: 0,
            is_failing: false,
            failing_vaults: BTreeSet::new(),
            failing: BTreeSet::new(),
            refused: BTreeSet::new(),
            is_revoked: false,
            is_following: true,
            loss: None,
            known: Arc::default(),
            notices: Notices::default(),
        }
    }

    /// Creates the state of settings from a sealed snapshot. They are as old as the snapshot, because the vaults failed
    /// with `error`.
    pub(super) fn from_sealed(now: Moment, sealed_at: SystemTime, error: Error) -> Self {
        let mut state = Self::fresh(now);
        state.sealed_at = Some(sealed_at);
        state.sealed_age = now.time.duration_since(sealed_at).unwrap_or_default();
        state.is_failing = true;
        state.count(Failure { error, is_revocation: false });
        state
    }

    /// Returns the age of the settings: the time since the request for the secret that was read longest ago. A pinned
    /// version does not age.
    pub(super) fn age(&self, now: Moment) -> Duration {
        let secrets = self.known.iter().filter(|(id, _)| id.version().is_none()).map(|(_, known)| known.read());
        let age = secrets.map(|read| read.until(now)).fold(self.last_match.until(now), Duration::max);
        age.saturating_add(self.sealed_age)
    }

    /// Records that the vaults answered what `plan` fetches; not all of it, if there is a `lapse`.
    ///
    /// A secret that was read proves nothing about the others.
    pub(super) fn record_answer(&mut self, plan: &FetchPlan, lapse: Option<Error>) {
        if plan.is_full {
            self.is_failing = false;
            self.failing_vaults.retain(|vault| !plan.covers(vault));
            self.failing.retain(|id| !plan.covers(id.vault()));
            self.refused.retain(|id| !plan.covers(id.vault()));
            self.is_revoked &= !self.failing_vaults.is_empty();
        }
        self.failing.retain(|id| !plan.due.contains_key(id));
        self.refused.retain(|id| !plan.due.contains_key(id));
        self.lapse.clone_from(&lapse);
        match lapse {
            Some(error) => self.count(Failure { error, is_revocation: false }),
            None if self.is_failing || !self.failing.is_empty() || !self.failing_vaults.is_empty() => {}
            None => self.consecutive_failures = 0,
        }
    }

    /// Records that the settings match the vaults that a refresh read, the default vault among them.
    pub(super) fn record_match(&mut self, refresh: &PlannedRefresh) {
        self.last_match = refresh.began;
        if refresh.plan.is_complete() {
            (self.sealed_at, self.sealed_age) = (None, Duration::ZERO);
        }
    }

    /// Records that a refresh failed with `error`.
    pub(super) fn record_failure(&mut self, refresh: &PlannedRefresh, failure: Failure) {
        let vaults = refresh.failed_vaults(&failure.error);
        match refresh.is_full() {
            true if refresh.is_retry => {}
            true if !vaults.is_empty() => self.failing_vaults.extend(vaults),
            // Only a full refresh proves that the vault took away nothing else.
            is_full => self.is_failing |= is_full || failure.is_revocation,
        }
        if !refresh.is_full() {
            self.failing.extend(refresh.plan.due.keys().cloned());
        }
        if failure.error.failures().iter().any(refuses_settings) {
            self.refused.extend(refresh.plan.renewed());
        }
        self.is_revoked |= failure.is_revocation;
        self.count(failure);
    }

    /// Records that the loop ended by itself: nothing refreshes the settings, though handles exist.
    pub(super) fn record_loss(&mut self, error: Error) {
        (self.is_following, self.loss) = (false, Some(error.clone()));
        self.count(Failure { error, is_revocation: false });
    }

    fn count(&mut self, failure: Failure) {
        let error = failure.error.clone();
        self.notices.push(if failure.is_revocation { Notice::Revoked(error) } else { Notice::Failed(error) });
        self.last_failure = Some(failure);
        self.consecutive_failures = self.consecutive_failures.saturating_add(1);
    }

    /// Returns the secrets that settings keep an earlier version of, because the vault could not be read.
    pub(super) fn kept(&self) -> BTreeSet<SecretId> {
        self.lapse.iter().flat_map(Error::failures).filter_map(Error::secret).map(SecretId::latest).collect()
    }

    /// Returns the health of the secrets that the settings were built from.
    pub(super) fn secrets(&self, snapshot: &Snapshot, notice: Duration, now: SystemTime) -> Vec<SecretHealth> {
        let kept = self.kept();
        let health = snapshot.iter().map(|(id, secret)| {
            let known = self.known.get(id);
            let dates = known.map_or_else(|| Dates::of(secret.properties()), |known| known.dates());
            let is_kept = kept.contains(&secret.id().latest());
            let status = match SecretStatus::of(dates, known.map(|known| known.state()), now, notice) {
                SecretStatus::Expired => SecretStatus::Expired,
                _ if is_kept => SecretStatus::Kept,
                status if self.refused.contains(id) => status.min(SecretStatus::Refused),
                status => status,
            };
            SecretHealth::new(secret.id(), status, dates)
        });
        health.collect()
    }
}
