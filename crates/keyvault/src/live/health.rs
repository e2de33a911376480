//! Health: how fresh the settings are, and what went wrong last.

use std::fmt;
use std::time::{Duration, SystemTime};

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use crate::error::Error;
use crate::resolver::{Dates, VersionState};
use crate::sealed::SealedHealth;
use crate::secret::SecretId;
use crate::time::rfc3339;

/// The freshness of settings and their last failure. Contains no secret value.
///
/// `Serialize` writes `is_healthy` first and then each field under its name: durations in seconds, dates in RFC 3339
/// and errors as one line. It names vaults, secrets and settings, so it suits a readiness endpoint inside a cluster.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub struct Health {
    /// The generation of the current settings. The start publishes generation 1.
    pub generation: u64,
    /// The time since the request for the secret that was read longest ago: no setting was replaced earlier than that.
    /// The suspension of a host counts.
    ///
    /// A secret with a longer [interval of its own](super::LiveBuilder::refresh_secret_every) lets the age grow, and so
    /// does one whose vault fails. A refresh whose changes are [debounced](super::LiveBuilder::debounce) does not reset
    /// the age. A pinned version does not age.
    pub age: Duration,
    /// Whether `age` exceeds the [maximum staleness](super::LiveBuilder::max_staleness), if one is set.
    pub is_too_old: bool,
    /// Whether the vault took away a secret in use, where that [counts](super::Revocation::Revoke).
    pub is_revoked: bool,
    /// Whether the settings follow the vaults: `false` after the end of the background task, by
    /// [`shutdown`](super::Live::shutdown) or because its runtime ended, and while its runtime does not run: a refresh
    /// is overdue by a minute. Then the settings stay as they are.
    pub is_following: bool,
    /// The number of failed refreshes, and of refreshes that kept an earlier version of a secret, since everything was
    /// last read with success.
    ///
    /// Each failure counts until the secrets that failed are read themselves: reading another secret proves nothing. A
    /// refresh whose changes are [debounced](super::LiveBuilder::debounce) succeeded, because the vault answered.
    pub consecutive_failures: u32,
    /// The error of the last failed refresh; `None` if every failure was made good since. Names the reason if the
    /// settings do not follow the vaults, except after [`shutdown`](super::Live::shutdown).
    pub last_error: Option<Error>,
    /// Why settings keep an earlier version of a secret under [`Policy::KeepLastGood`](crate::Policy::KeepLastGood):
    /// one error for each setting.
    pub kept: Vec<Error>,
    /// The time until the next refresh begins; `None` while one runs and after the end of the loop.
    pub next_refresh: Option<Duration>,
    /// The secrets that the current settings were built from.
    pub secrets: Vec<SecretHealth>,
    /// The events received by push; `None` if none arrived and no source is connected.
    pub push: Option<PushHealth>,
    /// The state of the sealed snapshot; `None` unless one is configured.
    pub sealed: Option<SealedHealth>,
}

/// One secret behind the current settings.
#[non_exhaustive]
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SecretHealth {
    /// The id of the secret, with its version.
    pub id: SecretId,
    /// The most important fact about it.
    pub status: SecretStatus,
    /// When the secret expires: by its date in the vault, or by that of the certificate in it if that is earlier, with
    /// the feature `certificates`. `None` without either date.
    pub expires: Option<SystemTime>,
}

/// The state of a secret in use. If several apply, the first in this order counts.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum SecretStatus {
    /// It has expired. The vault still returns it, and it stays in use.
    Expired,
    /// The vault calls an older version the latest, as after a failover that lost the last writes. The newer one stays
    /// in use until it is [reported](super::Live::report_rejected), expires, or the vault has a newer one again.
    Ahead,
    /// The latest version was [reported](super::Live::report_rejected) as rejected, and the one before it is in use.
    Previous,
    /// The vault has a newer version, and the settings with it were refused: a certificate that cannot be read, a value
    /// of another type. This version stays in use. [`Health::last_error`] has the reason.
    Refused,
    /// The vault could not be read, and the policy of the setting keeps the last good version.
    Kept,
    /// It is not valid yet. It is in use all the same, and read again when it becomes valid.
    NotYetValid,
    /// It expires soon.
    NearExpiry,
    /// It is the latest version.
    Current,
}

/// The events received by push.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub struct PushHealth {
    /// The number of events received.
    pub received: u64,
    /// The number of events that concerned these settings and announced something new.
    pub heeded: u64,
    /// The time since the last event.
    #[serde(serialize_with = "in_seconds")]
    pub last_event: Option<Duration>,
    /// The number of connected sources. A source that ended does not count.
    pub sources: usize,
}

impl Health {
    /// Returns whether a readiness probe may succeed: the settings follow the vaults and are not too old, and the vault
    /// took away no secret in use.
    ///
    /// A failed refresh alone does not change this, as long as the last good settings are young enough.
    pub fn is_healthy(&self) -> bool {
        self.is_following && !self.is_too_old && !self.is_revoked
    }

    /// Returns whether the settings come from a sealed snapshot: the program started in an outage that still lasts.
    pub fn is_stale(&self) -> bool {
        self.sealed.as_ref().is_some_and(|sealed| sealed.started_from.is_some())
    }
}

impl SecretHealth {
    pub(super) fn new(id: &SecretId, status: SecretStatus, dates: Dates) -> Self {
        Self { id: id.clone(), status, expires: dates.expires }
    }
}

impl SecretStatus {
    /// Returns the status in words: `near expiry`.
    pub fn as_str(self) -> &'static str {
        match self {
            SecretStatus::Expired => "expired",
            SecretStatus::Ahead => "ahead of the vault",
            SecretStatus::Previous => "previous version",
            SecretStatus::Refused => "newer version refused",
            SecretStatus::Kept => "kept",
            SecretStatus::NotYetValid => "not yet valid",
            SecretStatus::NearExpiry => "near expiry",
            SecretStatus::Current => "current",
        }
    }

    /// Returns whether the secret is used outside its dates.
    pub(super) fn is_outside_dates(self) -> bool {
        matches!(self, SecretStatus::Expired | SecretStatus::NotYetValid)
    }

    /// Returns the status of a secret; `state` is the relation of its version to the vault's latest.
    pub(super) fn of(dates: Dates, state: Option<&VersionState>, now: SystemTime, notice: Duration) -> Self {
        let Dates { begins, expires } = dates;
        let left = expires.and_then(|expires| expires.duration_since(now).ok());
        let statuses = [
            (expires.is_some_and(|expires| expires <= now), SecretStatus::Expired),
            (matches!(state, Some(VersionState::Ahead(_))), SecretStatus::Ahead),
            (matches!(state, Some(VersionState::Previous)), SecretStatus::Previous),
            (begins.is_some_and(|begins| begins > now), SecretStatus::NotYetValid),
            (left.is_some_and(|left| left <= notice), SecretStatus::NearExpiry),
        ];
        statuses.into_iter().find_map(|(holds, status)| holds.then_some(status)).unwrap_or(SecretStatus::Current)
    }
}

impl fmt::Display for SecretStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for Health {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut health = serializer.serialize_struct("Health", 14)?;
        health.serialize_field("is_healthy", &self.is_healthy())?;
        health.serialize_field("generation", &self.generation)?;
        health.serialize_field("age", &self.age.as_secs_f64())?;
        health.serialize_field("is_too_old", &self.is_too_old)?;
        health.serialize_field("is_stale", &self.is_stale())?;
        health.serialize_field("is_revoked", &self.is_revoked)?;
        health.serialize_field("is_following", &self.is_following)?;
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
        secret.serialize_field("expires", &self.expires.and_then(rfc3339))?;
        secret.end()
    }
}

impl Serialize for SealedHealth {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut sealed = serializer.serialize_struct("SealedHealth", 3)?;
        sealed.serialize_field("started_from", &self.started_from.and_then(rfc3339))?;
        sealed.serialize_field("saved", &self.saved.and_then(rfc3339))?;
        sealed.serialize_field("last_error", &self.last_error.as_ref().map(ToString::to_string))?;
        sealed.end()
    }
}

/// Serializes a duration as its seconds.
fn in_seconds<S: Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    duration.map(|duration| duration.as_secs_f64()).serialize(serializer)
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    #[test]
    fn a_date_out_of_range_is_null() {
        let id = SecretId::parse("https://contoso.vault.azure.net/secrets/a/0af1").unwrap();
        for (seconds, expected) in
            [(4_102_444_800, "2100-01-01T00:00:00Z".into()), (253_402_300_800, serde_json::Value::Null)]
        {
            let expires = Some(UNIX_EPOCH + Duration::from_secs(seconds));
            let secret = SecretHealth { id: id.clone(), status: SecretStatus::Current, expires };
            assert_eq!(serde_json::to_value(&secret).unwrap()["expires"], expected, "{seconds}");
        }
    }
}
