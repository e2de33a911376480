//! How fresh the settings are.

use std::fmt;
use std::time::{Duration, SystemTime};

use azure_core::time::{OffsetDateTime, to_rfc3339};
use serde::ser::{Serialize, SerializeStruct, Serializer};

use super::expiry;
use crate::error::Error;
use crate::resolver::VersionState;
use crate::sealed::SealedHealth;
use crate::secret::{Secret, SecretId};

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
    ///
    /// A refresh that finds changes and leaves them to [settle](super::LiveBuilder::settle) does not make them younger, nor
    /// does one that reads single secrets.
    pub age: Duration,
    /// Whether `age` is beyond the maximum staleness, if one was set.
    pub is_too_old: bool,
    /// Whether the vault took away a secret that is in use, where that [counts](super::Revocation::Revoke).
    pub is_revoked: bool,
    /// How many refreshes failed, in all or for a secret whose last good version stayed, since nothing was left that had
    /// failed.
    ///
    /// A secret that could be read says nothing about another: what failed counts until it succeeds itself. A refresh that
    /// leaves changes to [settle](super::LiveBuilder::settle) succeeded, for the vault answered.
    pub consecutive_failures: u32,
    /// Why a refresh failed last; none if nothing is left that failed.
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
        Self { id: secret.id().clone(), status, expires: secret.properties().expires() }
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

    /// Tells whether a secret is out of the time in which it says that it is valid.
    pub(super) fn is_outside_dates(self) -> bool {
        matches!(self, SecretStatus::Expired | SecretStatus::NotYetValid)
    }

    /// Tells what is to be known about a secret whose version is `standing` to the vault.
    pub(super) fn of(secret: &Secret, standing: Option<&VersionState>, now: SystemTime, notice: Duration) -> Self {
        let properties = secret.properties();
        let dated = [
            (expiry::is_expired(properties, now), SecretStatus::Expired),
            (matches!(standing, Some(VersionState::Ahead(_))), SecretStatus::Ahead),
            (matches!(standing, Some(VersionState::Previous)), SecretStatus::Previous),
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
        let mut secret = serializer.serialize_struct("SecretHealth", 5)?;
        secret.serialize_field("vault", &self.id.vault().to_string())?;
        secret.serialize_field("secret", self.id.name().as_str())?;
        secret.serialize_field("version", &self.id.version().map(ToString::to_string))?;
        secret.serialize_field("status", self.status.as_str())?;
        secret.serialize_field("expires", &self.expires.map(date))?;
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

impl Serialize for SealedHealth {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut sealed = serializer.serialize_struct("SealedHealth", 3)?;
        sealed.serialize_field("started_from", &self.started_from.map(date))?;
        sealed.serialize_field("saved", &self.saved.map(date))?;
        sealed.serialize_field("last_error", &self.last_error.as_ref().map(ToString::to_string))?;
        sealed.end()
    }
}

fn date(time: SystemTime) -> String {
    to_rfc3339(&OffsetDateTime::from(time))
}
