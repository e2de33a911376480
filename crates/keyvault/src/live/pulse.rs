//! What the health of the settings is told from.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::clock::Moment;
use super::health::{Health, PushHealth, SecretHealth, SecretStatus};
use super::inbox::News;
use crate::error::Error;
use crate::resolver::{FetchPlan, KnownSecret, Snapshot, VersionState};
use crate::secret::SecretId;

/// What a health is told from. Success and failure are each their own field, so that old settings cannot look fresh.
#[derive(Debug)]
pub(super) struct Pulse {
    last_success: Moment,
    /// How old the settings were at that moment: those of a sealed snapshot are not new.
    age_then: Duration,
    /// When the secrets of the sealed snapshot were last known good, while they are in use.
    pub(super) sealed_at: Option<SystemTime>,
    last_failure: Option<Failure>,
    /// Why the last load that gave settings kept earlier versions of secrets.
    pub(super) lapse: Option<Error>,
    pub(super) next_refresh: Option<Instant>,
    consecutive_failures: u32,
    failing: Failing,
    is_revoked: bool,
    /// What the versions in use are to the vault, where they are not the latest.
    standings: BTreeMap<SecretId, VersionState>,
    notices: Notices,
    pub(super) sources: usize,
}

/// Why a refresh failed.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) error: Error,
    pub(super) is_revocation: bool,
}

/// What was asked for in vain, and not with success since.
#[derive(Debug, Default)]
struct Failing {
    /// Everything.
    complete: bool,
    single: BTreeSet<SecretId>,
}

impl Failing {
    fn is_empty(&self) -> bool {
        !self.complete && self.single.is_empty()
    }

    fn add(&mut self, errand: &FetchPlan) {
        self.complete |= errand.is_full();
        if !errand.is_full() {
            self.single.extend(errand.due().keys().cloned());
        }
    }

    fn settle(&mut self, errand: &FetchPlan) {
        if errand.is_full() {
            *self = Self::default();
        }
        self.single.retain(|id| !errand.due().contains_key(id));
    }
}

/// The last things that were to be known about secrets, for watchers. One that sleeps through many misses the oldest.
#[derive(Debug, Default)]
struct Notices {
    told: u64,
    last: VecDeque<SecretHealth>,
}

const MOST_NOTICES: usize = 64;

/// What health is told about, beside what happened.
pub(super) struct Scene<'s> {
    pub(super) generation: u64,
    pub(super) snapshot: &'s Snapshot,
    pub(super) news: News,
    pub(super) now: Moment,
    pub(super) max_staleness: Option<Duration>,
    pub(super) expiry_notice: Duration,
}

impl Pulse {
    pub(super) fn started(now: Moment) -> Self {
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
            standings: BTreeMap::new(),
            notices: Notices::default(),
            sources: 0,
        }
    }

    /// The settings are as old as the snapshot, for the vault failed.
    pub(super) fn started_from_sealed(now: Moment, sealed_at: SystemTime, error: Error) -> Self {
        let mut pulse = Self::started(now);
        pulse.age_then = now.time.duration_since(sealed_at).unwrap_or_default();
        pulse.sealed_at = Some(sealed_at);
        pulse.failing.complete = true;
        pulse.count(Failure { error, is_revocation: false });
        pulse
    }

    /// Tells how old the settings are.
    pub(super) fn age(&self, now: Moment) -> Duration {
        self.last_success.until(now).saturating_add(self.age_then)
    }

    /// The vaults answered what `errand` asked for; where there is a `lapse`, not for all of it.
    ///
    /// One secret that could be read says nothing about the others.
    pub(super) fn answered(&mut self, errand: &FetchPlan, lapse: Option<Error>) {
        self.failing.settle(errand);
        if errand.is_full() {
            self.is_revoked = false;
        }
        self.lapse.clone_from(&lapse);
        match lapse {
            Some(error) => self.count(Failure { error, is_revocation: false }),
            None if self.failing.is_empty() => self.consecutive_failures = 0,
            None => {}
        }
    }

    /// The settings are what the vaults hold.
    pub(super) fn refreshed(&mut self, now: Moment) {
        (self.last_success, self.age_then, self.sealed_at) = (now, Duration::ZERO, None);
    }

    /// Nothing came of `errand`.
    pub(super) fn failed(&mut self, errand: &FetchPlan, failure: Failure) {
        self.failing.add(errand);
        // Nobody but a pass that asks for everything can tell that nothing else was taken away.
        self.failing.complete |= failure.is_revocation;
        self.is_revoked |= failure.is_revocation;
        self.count(failure);
    }

    fn count(&mut self, failure: Failure) {
        self.last_failure = Some(failure);
        self.consecutive_failures = self.consecutive_failures.saturating_add(1);
    }

    /// Tells whether the last good version of a secret stays in use because the vault gives none.
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

    /// Learns what the versions in use are to the vault.
    pub(super) fn learn<'h>(&mut self, held: impl Iterator<Item = (&'h SecretId, &'h KnownSecret)>) {
        let odd = held.filter(|(_, holding)| *holding.state() != VersionState::Latest);
        self.standings = odd.map(|(id, holding)| (id.clone(), holding.state().clone())).collect();
    }

    pub(super) fn tell(&mut self, secret: SecretHealth) {
        if self.notices.last.len() == MOST_NOTICES {
            self.notices.last.pop_front();
        }
        self.notices.last.push_back(secret);
        self.notices.told += 1;
    }

    /// Tells how many notices there were.
    pub(super) fn told(&self) -> u64 {
        self.notices.told
    }

    /// Gives the notice after the first `seen`, and how many are seen with it.
    pub(super) fn notice_after(&self, seen: u64) -> Option<(u64, SecretHealth)> {
        let oldest = self.notices.told - self.notices.last.len() as u64;
        let next = seen.max(oldest);
        let secret = self.notices.last.get(usize::try_from(next - oldest).ok()?)?;
        Some((next + 1, secret.clone()))
    }

    pub(super) fn health(&self, scene: &Scene<'_>) -> Health {
        let age = self.age(scene.now);
        let secrets = scene.snapshot.iter().map(|(asked, secret)| {
            let standing = self.standings.get(asked);
            let status = SecretStatus::of(secret, standing, scene.now.time, scene.expiry_notice);
            let is_kept = status != SecretStatus::Expired && self.is_kept(secret.id());
            SecretHealth::new(secret, if is_kept { SecretStatus::Kept } else { status })
        });
        let News { received, heeded, last } = scene.news;
        let push = PushHealth {
            received,
            heeded,
            last_event: last.map(|last| scene.now.instant.saturating_duration_since(last)),
            sources: self.sources,
        };
        let last_failure = self.last_failure.as_ref().filter(|_| self.consecutive_failures > 0);
        Health {
            generation: scene.generation,
            age,
            is_too_old: scene.max_staleness.is_some_and(|max| age > max),
            is_revoked: self.is_revoked,
            consecutive_failures: self.consecutive_failures,
            kept: self.lapse.as_ref().map(|lapse| lapse.failures().to_vec()).unwrap_or_default(),
            last_error: last_failure.map(|failure| failure.error.clone()),
            next_refresh: self.next_refresh.map(|next| next.saturating_duration_since(scene.now.instant)),
            secrets: secrets.collect(),
            push: (received > 0 || self.sources > 0).then_some(push),
            sealed: None,
        }
    }
}
