//! Metrics for the `metrics` facade. Without the feature `metrics`, these functions do nothing.
//!
//! [`LiveBuilder`](crate::LiveBuilder) documents the names. Labels contain names of vaults, secrets and settings, and
//! never a value, version or token.

use std::time::{Duration, SystemTime};

use crate::error::Error;
use crate::secret::{SecretId, Vault};

#[cfg(feature = "metrics")]
mod facade {
    use metrics::{counter, gauge};

    use super::*;
    use crate::error::ErrorKind;

    pub(crate) fn refreshed(outcome: Result<bool, &Error>) {
        let outcome = match outcome {
            Ok(true) => "changed",
            Ok(false) => "unchanged",
            Err(_) => "failed",
        };
        counter!("keyvault_refreshes_total", "outcome" => outcome).increment(1);
    }

    pub(crate) fn observed(failures: u32, age: Duration) {
        gauge!("keyvault_consecutive_failures").set(f64::from(failures));
        gauge!("keyvault_settings_age_seconds").set(age.as_secs_f64());
    }

    pub(crate) fn fetched(vault: &Vault, failure: Option<&Error>) {
        let (name, outcome) = (vault.to_string(), if failure.is_some() { "failed" } else { "ok" });
        if failure.is_some_and(|error| matches!(error.kind(), ErrorKind::Throttled { .. })) {
            counter!("keyvault_throttles_total", "vault" => name.clone()).increment(1);
        }
        counter!("keyvault_fetches_total", "vault" => name, "outcome" => outcome).increment(1);
    }

    pub(crate) fn built(keys: &[String], is_good: bool) {
        let (keys, outcome) = (keys.join(","), if is_good { "ok" } else { "failed" });
        counter!("keyvault_derived_builds_total", "keys" => keys, "outcome" => outcome).increment(1);
    }

    pub(crate) fn expires(secret: &SecretId, expires: Option<SystemTime>) {
        let Some(expires) = expires else { return };
        let since = expires.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let (vault, name) = (secret.vault().to_string(), secret.name().to_string());
        gauge!("keyvault_secret_expiry_timestamp_seconds", "vault" => vault, "secret" => name).set(since.as_secs_f64());
    }
}

#[cfg(not(feature = "metrics"))]
mod facade {
    use super::*;

    pub(crate) fn refreshed(_: Result<bool, &Error>) {}
    pub(crate) fn observed(_: u32, _: Duration) {}
    pub(crate) fn fetched(_: &Vault, _: Option<&Error>) {}
    pub(crate) fn built(_: &[String], _: bool) {}
    pub(crate) fn expires(_: &SecretId, _: Option<SystemTime>) {}
}

pub(crate) use self::facade::{built, expires, fetched, observed, refreshed};
