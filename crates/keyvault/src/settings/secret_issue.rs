//! An issue that a name map found with a secret.

use std::fmt;
use std::time::SystemTime;

use crate::error::{Error, ErrorKind};
use crate::report::ReferenceStatus;

/// An issue that a name map found with a secret.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum SecretIssue {
    /// The vault has no secret of a name that the map calls optional.
    Missing,
    /// The secret is disabled.
    Disabled,
    /// The secret's expiry date has passed.
    Expired {
        /// The expiry date.
        since: SystemTime,
    },
    /// The secret is not valid yet.
    NotYetValid {
        /// The date from which it is valid.
        until: SystemTime,
    },
}

impl fmt::Display for SecretIssue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SecretIssue::Missing => f.write_str("secret not found"),
            SecretIssue::Disabled => f.write_str("secret is disabled"),
            SecretIssue::Expired { since } => write!(f, "secret expired on {}", date(*since)),
            SecretIssue::NotYetValid { until } => write!(f, "secret is not valid before {}", date(*until)),
        }
    }
}

fn date(time: SystemTime) -> String {
    // The formatter panics on dates before 1970 and after 9999.
    let seconds = time.duration_since(SystemTime::UNIX_EPOCH).map_or(u64::MAX, |since| since.as_secs());
    if seconds < END_OF_DATES { httpdate::fmt_http_date(time) } else { "a date out of range".into() }
}

/// The end of the year 9999, in seconds since 1970.
const END_OF_DATES: u64 = 253_402_300_800;

pub(crate) const HELP_WITH_DISABLED: &str = "enable the secret, or skip disabled secrets with NameMap::disabled";

impl SecretIssue {
    /// Returns the heading of the section in the troubleshooting guide.
    fn heading(self) -> &'static str {
        match self {
            SecretIssue::Missing => "secret not found",
            SecretIssue::Disabled => "secret is disabled",
            SecretIssue::Expired { .. } => "secret expired on …",
            SecretIssue::NotYetValid { .. } => "secret is not valid before …",
        }
    }

    pub(crate) fn error(self) -> Error {
        let error = |kind| Error::from_clause(kind, self.heading(), self.to_string());
        match self {
            SecretIssue::Missing => error(ErrorKind::NotFound),
            SecretIssue::Disabled => error(ErrorKind::NotFound)
                .with_status(ReferenceStatus::AccessToKeyVaultDenied)
                .with_help(HELP_WITH_DISABLED),
            SecretIssue::Expired { .. } => error(ErrorKind::InvalidSettings)
                .with_help("set a later expiry date, or take expired secrets with NameMap::expired"),
            SecretIssue::NotYetValid { .. } => error(ErrorKind::InvalidSettings)
                .with_help("wait for the date, or take such secrets with NameMap::not_yet_valid"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn every_date_is_displayed() {
        let time = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let expired = |since| SecretIssue::Expired { since }.to_string();
        assert_eq!(expired(time(0)), "secret expired on Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(expired(time(END_OF_DATES - 1)), "secret expired on Fri, 31 Dec 9999 23:59:59 GMT");
        for time in [time(END_OF_DATES), time(0) - Duration::from_secs(1)] {
            assert_eq!(expired(time), "secret expired on a date out of range");
        }
    }
}
