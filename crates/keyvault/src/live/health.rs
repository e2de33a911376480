//! How fresh the settings are.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::time::{Duration, SystemTime};

use azure_core::time::{OffsetDateTime, to_rfc3339};
use serde::ser::{Serialize, SerializeStruct, Serializer};
use tokio::time::Instant;

use super::expiry;
use super::inbox::News;
use crate::error::Error;
use crate::held::{Holding, Standing};
use crate::sealed::SealedHealth;
use crate::secret::{Secret, SecretId};
use crate::snapshot::Snapshot;

/// How fresh the settings are, and what went wrong last. Holds no value.
///
/// `Serialize` writes every field under its name and `is_healthy` first, durations in seconds, dates in RFC 3339 and
/// errors as their one line: fit for a readiness endpoint inside a cluster. It names vaults, secrets and settings.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub struct Health {
    /// Which settings are current: 1 are those of the start.
    pub generation: u64,
    /// How long ago the settings were last found to be what the vaults hold. The sleep of a host counts.
    pub age: Duration,
    /// Whether `age` is beyond the maximum staleness, if one was set.
    pub is_too_old: bool,
    /// Whether the vault took away a secret that is in use, where that [counts](super::Revocation::Revoke).
    pub is_revoked: bool,
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
    /// What came by push; none if nothing did and no source is listened to.
    pub push: Option<PushHealth>,
    /// How it stands with the sealed snapshot; none if there is to be none.
    pub sealed: Option<SealedHealth>,
}

/// One secret behind the current settings.
#[non_exhaustive]
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SecretHealth {
    /// Which secret, with its version.
    pub id: SecretId,
    /// What is to be known about it.
    pub status: SecretStatus,
    /// When its value stops being valid, if that was set.
    pub expires: Option<SystemTime>,
}

/// What is to be known about a secret that is in use; of several, what is named first.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum SecretStatus {
    /// It has expired. The vault still gives it, and it stays in use.
    Expired,
    /// The vault calls an older version the latest, as after a failover that lost the last writes. The newer one stays in
    /// use until it is [rejected](super::Live::rejected), expires, or the vault has a newer one again.
    Ahead,
    /// The latest version was [rejected](super::Live::rejected), and the one before is in use.
    Previous,
    /// The vault could not be asked for it, and its reference allows to keep the last good version.
    Kept,
    /// It is not valid yet. It is in use all the same, and looked at again when it is valid.
    NotYetValid,
    /// It expires soon.
    NearExpiry,
    /// It is the latest version.
    Current,
}

/// What came by push.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PushHealth {
    /// How many events came.
    pub received: u64,
    /// How many of them told something new about these settings.
    pub heeded: u64,
    /// How long ago the last came.
    pub last_event: Option<Duration>,
    /// How many sources are listened to. One that ended is gone.
    pub sources: usize,
}

impl Health {
    /// Tells whether a readiness probe may show green: settings are not older than allowed, and no secret in them was
    /// taken away.
    ///
    /// A failed refresh alone is no reason for red, as long as the last good settings are young enough.
    pub fn is_healthy(&self) -> bool {
        !self.is_too_old && !self.is_revoked
    }

    /// Tells whether the settings are those of a sealed snapshot: the program started in an outage that lasts.
    pub fn is_stale(&self) -> bool {
        self.sealed.as_ref().is_some_and(|sealed| sealed.started_from.is_some())
    }
}

impl SecretHealth {
    pub(super) fn new(secret: &Secret, status: SecretStatus) -> Self {
        Self { id: secret.id().clone(), status, expires: secret.properties().expires }
    }
}

impl SecretStatus {
    /// Tells the status in one word or two: `near expiry`.
    pub fn as_str(self) -> &'static str {
        match self {
            SecretStatus::Expired => "expired",
            SecretStatus::Ahead => "ahead of the vault",
            SecretStatus::Previous => "previous version",
            SecretStatus::Kept => "kept",
            SecretStatus::NotYetValid => "not yet valid",
            SecretStatus::NearExpiry => "near expiry",
            SecretStatus::Current => "current",
        }
    }

    /// Tells what is to be known about a secret whose version is `standing` to the vault.
    pub(super) fn of(secret: &Secret, standing: Option<&Standing>, now: SystemTime, notice: Duration) -> Self {
        let properties = secret.properties();
        let dated = [
            (expiry::is_expired(properties, now), SecretStatus::Expired),
            (matches!(standing, Some(Standing::Ahead(_))), SecretStatus::Ahead),
            (matches!(standing, Some(Standing::Previous)), SecretStatus::Previous),
            (expiry::is_premature(properties, now), SecretStatus::NotYetValid),
            (expiry::is_near_expiry(properties, now, notice), SecretStatus::NearExpiry),
        ];
        dated.into_iter().find_map(|(holds, status)| holds.then_some(status)).unwrap_or(SecretStatus::Current)
    }
}

impl fmt::Display for SecretStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for Health {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut health = serializer.serialize_struct("Health", 13)?;
        health.serialize_field("is_healthy", &self.is_healthy())?;
        health.serialize_field("generation", &self.generation)?;
        health.serialize_field("age", &self.age.as_secs_f64())?;
        health.serialize_field("is_too_old", &self.is_too_old)?;
        health.serialize_field("is_stale", &self.is_stale())?;
        health.serialize_field("is_revoked", &self.is_revoked)?;
        health.serialize_field("consecutive_failures", &self.consecutive_failures)?;
        health.serialize_field("last_error", &self.last_error.as_ref().map(ToString::to_string))?;
        health.serialize_field("kept", &self.kept.iter().map(ToString::to_string).collect::<Vec<_>>())?;
        health.serialize_field("next_refresh", &self.next_refresh.map(|next| next.as_secs_f64()))?;
        health.serialize_field("secrets", &self.secrets)?;
        health.serialize_field("push", &self.push)?;
        health.serialize_field("sealed", &self.sealed)?;
        health.end()
    }
}

impl Serialize for SecretHealth {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let expires = self.expires.map(|expires| to_rfc3339(&OffsetDateTime::from(expires)));
        let mut secret = serializer.serialize_struct("SecretHealth", 5)?;
        secret.serialize_field("vault", &self.id.vault().to_string())?;
        secret.serialize_field("secret", self.id.name().as_str())?;
        secret.serialize_field("version", &self.id.version().map(ToString::to_string))?;
        secret.serialize_field("status", self.status.as_str())?;
        secret.serialize_field("expires", &expires)?;
        secret.end()
    }
}

impl Serialize for PushHealth {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut push = serializer.serialize_struct("PushHealth", 4)?;
        push.serialize_field("received", &self.received)?;
        push.serialize_field("heeded", &self.heeded)?;
        push.serialize_field("last_event", &self.last_event.map(|last| last.as_secs_f64()))?;
        push.serialize_field("sources", &self.sources)?;
        push.end()
    }
}

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
    /// Whether one of the consecutive failures was of a pass that asked for everything.
    is_failing: bool,
    is_revoked: bool,
    /// What the versions in use are to the vault, where they are not the latest.
    standings: BTreeMap<SecretId, Standing>,
    notices: Notices,
    pub(super) sources: usize,
}

/// A time by both clocks: one stands still while a host sleeps, the other may be set.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) instant: Instant,
    pub(super) time: SystemTime,
}

impl Moment {
    /// Tells how much time has passed at least by one of the clocks.
    pub(super) fn until(self, now: Moment) -> Duration {
        let by_day = now.time.duration_since(self.time).unwrap_or_default();
        now.instant.saturating_duration_since(self.instant).max(by_day)
    }

    /// Tells how long the host slept: how much more time has passed by the time of day. A clock that is set counts as
    /// sleep, which costs one refresh.
    pub(super) fn sleep_until(self, now: Moment) -> Duration {
        self.until(now).saturating_sub(now.instant.saturating_duration_since(self.instant))
    }
}

/// Why a refresh failed.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) error: Error,
    pub(super) is_revocation: bool,
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
            is_failing: false,
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
        pulse.failed(Failure { error, is_revocation: false }, true);
        pulse
    }

    /// Tells how old the settings are.
    pub(super) fn age(&self, now: Moment) -> Duration {
        self.last_success.until(now).saturating_add(self.age_then)
    }

    /// One secret that could be read says nothing about the others: only a complete pass makes settings fresh.
    pub(super) fn succeeded(&mut self, is_complete: bool, now: Moment) {
        self.lapse = None;
        if is_complete {
            self.last_success = now;
            (self.age_then, self.sealed_at) = (Duration::ZERO, None);
            self.is_failing = false;
            self.is_revoked = false;
        }
        if !self.is_failing {
            self.consecutive_failures = 0;
        }
    }

    pub(super) fn failed(&mut self, failure: Failure, is_complete: bool) {
        self.is_failing |= is_complete || failure.is_revocation;
        self.is_revoked |= failure.is_revocation;
        self.last_failure = Some(failure);
        self.consecutive_failures = self.consecutive_failures.saturating_add(1);
    }

    /// The settings are not what the vaults hold, so their age goes on growing.
    pub(super) fn lapsed(&mut self, lapse: Error, is_complete: bool) {
        self.failed(Failure { error: lapse.clone(), is_revocation: false }, is_complete);
        self.lapse = Some(lapse);
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
    pub(super) fn learn<'h>(&mut self, held: impl Iterator<Item = (&'h SecretId, &'h Holding)>) {
        let odd = held.filter(|(_, holding)| *holding.standing() != Standing::Latest);
        self.standings = odd.map(|(id, holding)| (id.clone(), holding.standing().clone())).collect();
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
