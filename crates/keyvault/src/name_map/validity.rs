//! What becomes of secrets that are disabled, have expired or are not valid yet.

use std::fmt;
use std::time::SystemTime;

use crate::error::{Error, ErrorKind};
use crate::properties::SecretProperties;
use crate::status::ReferenceStatus;

/// What becomes of a disabled secret. Its value cannot be had: the vault refuses to give it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum IfDisabled {
    /// It is left out, so that a lower layer or a default applies.
    #[default]
    Skip,
    /// It is left out, with a warning.
    Warn,
    /// Nothing is loaded.
    Fail,
}

/// What becomes of a secret outside its dates, which the vault gives all the same: they are
/// [informational](https://learn.microsoft.com/azure/key-vault/secrets/about-secrets#date-time-controlled-operations).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum IfOutdated {
    /// It is left out, so that a lower layer or a default applies.
    Skip,
    /// It is taken like any other.
    Load,
    /// It is taken, with a warning.
    #[default]
    Warn,
    /// Nothing is loaded.
    Fail,
}

/// What a name map found out about a secret that it might take.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Finding {
    /// The vault has no secret of that name, which was said to be optional.
    Missing,
    /// The secret is disabled.
    Disabled,
    /// The secret's value stopped being valid.
    Expired {
        /// When it did.
        since: SystemTime,
    },
    /// The secret's value does not begin to be valid before a date.
    NotYetValid {
        /// When it does.
        until: SystemTime,
    },
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Finding::Missing => f.write_str("secret not found"),
            Finding::Disabled => f.write_str("secret is disabled"),
            Finding::Expired { since } => write!(f, "secret has expired on {}", date(*since)),
            Finding::NotYetValid { until } => write!(f, "secret is not valid before {}", date(*until)),
        }
    }
}

fn date(time: SystemTime) -> String {
    // The formatter panics on dates before 1970 and after 9999.
    let seconds = time.duration_since(SystemTime::UNIX_EPOCH).map_or(u64::MAX, |since| since.as_secs());
    if seconds < LAST_DATE { httpdate::fmt_http_date(time) } else { "a date that no calendar has".into() }
}

/// The end of the year 9999.
const LAST_DATE: u64 = 253_402_300_800;

pub(crate) const HELP_WITH_DISABLED: &str = "enable the secret, or leave it out: NameMap::disabled";

impl Finding {
    pub(crate) fn error(self) -> Error {
        match self {
            Finding::Missing => Error::new(ErrorKind::NotFound, "secret not found"),
            Finding::Disabled => Error::new(ErrorKind::NotFound, "secret is disabled")
                .with_status(ReferenceStatus::AccessToKeyVaultDenied)
                .with_help(HELP_WITH_DISABLED),
            Finding::Expired { .. } => Error::from_clause(ErrorKind::Rejected, self.to_string())
                .with_help("set the secret anew with a later date, or take it all the same: NameMap::expired"),
            Finding::NotYetValid { .. } => Error::from_clause(ErrorKind::Rejected, self.to_string())
                .with_help("wait for the date, or take the secret all the same: NameMap::not_yet_valid"),
        }
    }
}

/// What a map does with the secrets that something is the matter with.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rules {
    pub(super) disabled: IfDisabled,
    pub(super) expired: IfOutdated,
    pub(super) not_yet_valid: IfOutdated,
}

/// What is done about a finding, the mildest first.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Consequence {
    Take { loud: bool },
    Leave { loud: bool },
    Refuse,
}

impl Rules {
    /// Tells what is the matter with a secret at a time, and what is done about it; of several things, the gravest.
    pub(crate) fn judge(&self, secret: &SecretProperties, now: SystemTime) -> Option<(Finding, Consequence)> {
        if !secret.enabled() {
            return Some(self.of_disabled());
        }
        let not_yet = secret.not_before().filter(|begin| *begin > now);
        let not_yet = not_yet.map(|until| (Finding::NotYetValid { until }, outdated(self.not_yet_valid)));
        let expired = secret.expires().filter(|end| *end <= now);
        let expired = expired.map(|since| (Finding::Expired { since }, outdated(self.expired)));
        not_yet.into_iter().chain(expired).max_by_key(|(_, consequence)| *consequence)
    }

    pub(crate) fn of_disabled(&self) -> (Finding, Consequence) {
        let consequence = match self.disabled {
            IfDisabled::Skip => Consequence::Leave { loud: false },
            IfDisabled::Warn => Consequence::Leave { loud: true },
            IfDisabled::Fail => Consequence::Refuse,
        };
        (Finding::Disabled, consequence)
    }
}

fn outdated(policy: IfOutdated) -> Consequence {
    match policy {
        IfOutdated::Skip => Consequence::Leave { loud: false },
        IfOutdated::Load => Consequence::Take { loud: false },
        IfOutdated::Warn => Consequence::Take { loud: true },
        IfOutdated::Fail => Consequence::Refuse,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::secret::SecretId;

    fn time(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn the_gravest_finding_decides() {
        use Consequence::{Leave, Refuse, Take};
        use IfOutdated::{Fail, Load, Skip, Warn};
        let rules = |expired, not_yet_valid| Rules { disabled: IfDisabled::Warn, expired, not_yet_valid };
        let (since, until) = (time(50), time(150));
        let (old, young) = (Finding::Expired { since }, Finding::NotYetValid { until });
        for (rules, enabled, not_before, expires, expected) in [
            (Rules::default(), true, None, None, None),
            (Rules::default(), true, Some(100), Some(101), None),
            (Rules::default(), true, None, Some(50), Some((old, Take { loud: true }))),
            (Rules::default(), true, Some(150), None, Some((young, Take { loud: true }))),
            (Rules::default(), false, None, Some(50), Some((Finding::Disabled, Leave { loud: false }))),
            (rules(Skip, Fail), false, Some(150), Some(50), Some((Finding::Disabled, Leave { loud: true }))),
            (rules(Skip, Fail), true, Some(150), Some(50), Some((young, Refuse))),
            (rules(Skip, Load), true, Some(150), Some(50), Some((old, Leave { loud: false }))),
            (rules(Load, Warn), true, Some(150), Some(50), Some((young, Take { loud: true }))),
            (rules(Load, Load), true, None, Some(50), Some((old, Take { loud: false }))),
        ] {
            let mut secret =
                SecretProperties::new(SecretId::parse("https://contoso.vault.azure.net/secrets/a").unwrap());
            secret.set_enabled(enabled);
            secret.set_not_before(not_before.map(time));
            secret.set_expires(expires.map(time));
            let found = rules.judge(&secret, time(100));
            assert_eq!(found, expected, "{rules:?} {enabled} {not_before:?} {expires:?}");
        }
    }

    #[test]
    fn a_secret_is_valid_from_its_first_second_and_expired_from_its_last() {
        let mut secret = SecretProperties::new(SecretId::parse("https://contoso.vault.azure.net/secrets/a").unwrap());
        secret.set_not_before(time(100));
        secret.set_expires(time(200));
        for (now, is_well) in [(99, false), (100, true), (199, true), (200, false)] {
            assert_eq!(Rules::default().judge(&secret, time(now)).is_none(), is_well, "{now}");
        }
    }

    #[test]
    fn every_date_can_be_told() {
        let expired = |since| Finding::Expired { since }.to_string();
        assert_eq!(expired(time(0)), "secret has expired on Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(expired(time(LAST_DATE - 1)), "secret has expired on Fri, 31 Dec 9999 23:59:59 GMT");
        for time in [time(LAST_DATE), time(0) - Duration::from_secs(1)] {
            assert_eq!(expired(time), "secret has expired on a date that no calendar has");
        }
    }
}
