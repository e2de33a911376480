//! The facts that [`Health`] is computed from.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::health::{SecretHealth, SecretStatus};
use super::notices::Notices;
use crate::error::Error;
use crate::resolver::{FetchPlan, KnownSecrets, Snapshot};
use crate::secret::SecretId;
use crate::time::Moment;

/// The successes and failures of the loop. Each is a field of its own, so that stale settings cannot look fresh.
pub(super) struct HealthState {
    last_success: Moment,
    /// As of when the secrets of the sealed snapshot are, while they are in use: they were not new at that moment.
    pub(super) sealed_at: Option<SystemTime>,
    pub(super) last_failure: Option<Failure>,
    /// Why the last good load kept earlier versions of secrets.
    pub(super) lapse: Option<Error>,
    pub(super) consecutive_failures: u32,
    /// Whether a full refresh failed, and none was made good since.
    is_failing: bool,
    /// The single secrets whose read failed, and was not made good since.
    failing: BTreeSet<SecretId>,
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
    /// Creates the state of settings that were just loaded from the vaults.
    pub(super) fn fresh(now: Moment) -> Self {
        Self {
            last_success: now,
            sealed_at: None,
            last_failure: None,
            lapse: None,
            consecutive_failures: 0,
            is_failing: false,
            failing: BTreeSet::new(),
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
        state.is_failing = true;
        state.count(Failure { error, is_revocation: false });
        state
    }

    /// Returns the age of the settings.
    pub(super) fn age(&self, now: Moment) -> Duration {
        let age_then = self.sealed_at.and_then(|sealed_at| self.last_success.time.duration_since(sealed_at).ok());
        self.last_success.until(now).saturating_add(age_then.unwrap_or_default())
    }

    /// Records that the vaults answered what `plan` fetches; not all of it, if there is a `lapse`.
    ///
    /// A secret that was read proves nothing about the others.
    pub(super) fn record_answer(&mut self, plan: &FetchPlan, lapse: Option<Error>) {
        if plan.is_full {
            (self.is_failing, self.is_revoked) = (false, false);
            self.failing.clear();
        }
        self.failing.retain(|id| !plan.due.contains_key(id));
        self.lapse.clone_from(&lapse);
        match lapse {
            Some(error) => self.count(Failure { error, is_revocation: false }),
            None if self.is_failing || !self.failing.is_empty() => {}
            None => self.consecutive_failures = 0,
        }
    }

    /// Records that the settings match the vaults.
    pub(super) fn record_match(&mut self, now: Moment) {
        (self.last_success, self.sealed_at) = (now, None);
    }

    /// Records that the refresh of `plan` failed.
    pub(super) fn record_failure(&mut self, plan: &FetchPlan, failure: Failure) {
        // Only a full refresh proves that the vault took away nothing else.
        self.is_failing |= plan.is_full || failure.is_revocation;
        if !plan.is_full {
            self.failing.extend(plan.due.keys().cloned());
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
            let status = SecretStatus::of(secret, self.known.get(id).map(|known| known.state()), now, notice);
            let is_kept = status != SecretStatus::Expired && kept.contains(&secret.id().latest());
            SecretHealth::new(secret, if is_kept { SecretStatus::Kept } else { status })
        });
        health.collect()
    }
}
