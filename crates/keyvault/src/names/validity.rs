//! The rules for secrets that are disabled, have expired, are not valid yet, or are hidden by a default.

use std::time::SystemTime;

use crate::secret::SecretProperties;
use crate::settings::SecretIssue;

/// The treatment of disabled secrets, whose values the vault refuses to return.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum IfDisabled {
    /// Skips the secret, so that a lower layer or a default applies.
    #[default]
    Skip,
    /// Skips the secret and logs a warning.
    Warn,
    /// Fails the load.
    Fail,
}

/// The treatment of secrets outside their dates. The vault returns them anyway: the dates are
/// [informational](https://learn.microsoft.com/azure/key-vault/secrets/about-secrets#date-time-controlled-operations).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum IfOutdated {
    /// Skips the secret, so that a lower layer or a default applies.
    Skip,
    /// Takes the secret like any other.
    Load,
    /// Takes the secret and logs a warning.
    #[default]
    Warn,
    /// Fails the load.
    Fail,
}

/// The treatment of secrets that a value set in code hides: a default has the key of the secret and a higher place.
///
/// A file or a variable that overrides a secret does so on purpose, and is not reported.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum IfHidden {
    /// Skips the secret.
    Skip,
    /// Skips the secret, reports it and logs a warning.
    #[default]
    Warn,
    /// Fails the load.
    Fail,
}

/// The rules of a map for secrets with an issue.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ValidityRules {
    pub(super) disabled: IfDisabled,
    pub(super) expired: IfOutdated,
    pub(super) not_yet_valid: IfOutdated,
    pub(super) hidden: IfHidden,
}

/// The consequence of an issue, the least severe first.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Consequence {
    Take { warn: bool },
    Skip { warn: bool },
    Fail,
}

impl ValidityRules {
    /// Returns the issue with a secret at a time and its consequence. Of several issues, the most severe consequence
    /// counts.
    pub(crate) fn check(&self, secret: &SecretProperties, now: SystemTime) -> Option<(SecretIssue, Consequence)> {
        if !secret.enabled() {
            return Some(self.disabled());
        }
        let not_yet = secret.not_before().filter(|begin| *begin > now);
        let not_yet = not_yet.map(|until| (SecretIssue::NotYetValid { until }, outdated(self.not_yet_valid)));
        let expired = secret.expires().filter(|end| *end <= now);
        let expired = expired.map(|since| (SecretIssue::Expired { since }, outdated(self.expired)));
        not_yet.into_iter().chain(expired).max_by_key(|(_, consequence)| *consequence)
    }

    pub(crate) fn disabled(&self) -> (SecretIssue, Consequence) {
        let consequence = match self.disabled {
            IfDisabled::Skip => Consequence::Skip { warn: false },
            IfDisabled::Warn => Consequence::Skip { warn: true },
            IfDisabled::Fail => Consequence::Fail,
        };
        (SecretIssue::Disabled, consequence)
    }
}

fn outdated(policy: IfOutdated) -> Consequence {
    match policy {
        IfOutdated::Skip => Consequence::Skip { warn: false },
        IfOutdated::Load => Consequence::Take { warn: false },
        IfOutdated::Warn => Consequence::Take { warn: true },
        IfOutdated::Fail => Consequence::Fail,
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
    fn the_most_severe_issue_decides() {
        use Consequence::Take;
        use IfOutdated::{Fail, Load, Skip, Warn};
        let rules = |expired, not_yet_valid| ValidityRules {
            disabled: IfDisabled::Warn,
            expired,
            not_yet_valid,
            ..ValidityRules::default()
        };
        let (since, until) = (time(50), time(150));
        let (old, young) = (SecretIssue::Expired { since }, SecretIssue::NotYetValid { until });
        for (rules, enabled, not_before, expires, expected) in [
            (ValidityRules::default(), true, None, None, None),
            (ValidityRules::default(), true, Some(100), Some(101), None),
            (ValidityRules::default(), true, None, Some(50), Some((old, Take { warn: true }))),
            (ValidityRules::default(), true, Some(150), None, Some((young, Take { warn: true }))),
            (
                ValidityRules::default(),
                false,
                None,
                Some(50),
                Some((SecretIssue::Disabled, Consequence::Skip { warn: false })),
            ),
            (
                rules(Skip, Fail),
                false,
                Some(150),
                Some(50),
                Some((SecretIssue::Disabled, Consequence::Skip { warn: true })),
            ),
            (rules(Skip, Fail), true, Some(150), Some(50), Some((young, Consequence::Fail))),
            (rules(Skip, Load), true, Some(150), Some(50), Some((old, Consequence::Skip { warn: false }))),
            (rules(Load, Warn), true, Some(150), Some(50), Some((young, Take { warn: true }))),
            (rules(Load, Load), true, None, Some(50), Some((old, Take { warn: false }))),
        ] {
            let mut secret =
                SecretProperties::new(SecretId::parse("https://contoso.vault.azure.net/secrets/a").unwrap());
            secret.set_enabled(enabled);
            secret.set_not_before(not_before.map(time));
            secret.set_expires(expires.map(time));
            let found = rules.check(&secret, time(100));
            assert_eq!(found, expected, "{rules:?} {enabled} {not_before:?} {expires:?}");
        }
    }

    #[test]
    fn a_secret_is_valid_from_its_not_before_date_until_its_expiry_date() {
        let mut secret = SecretProperties::new(SecretId::parse("https://contoso.vault.azure.net/secrets/a").unwrap());
        secret.set_not_before(time(100));
        secret.set_expires(time(200));
        for (now, is_valid) in [(99, false), (100, true), (199, true), (200, false)] {
            assert_eq!(ValidityRules::default().check(&secret, time(now)).is_none(), is_valid, "{now}");
        }
    }
}
