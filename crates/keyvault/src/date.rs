//! A moment, to the second, which is all that a vault keeps of one.

use std::fmt;
use std::time::{Duration, SystemTime};

/// A moment to the second, or none, in half the room of an `Option<SystemTime>`: every secret has several.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) struct Date(i64);

impl Date {
    pub(crate) const UNKNOWN: Self = Self(i64::MIN);

    /// Gives the moment; none if it is not known.
    pub(crate) fn time(self) -> Option<SystemTime> {
        let distance = Duration::from_secs(self.0.unsigned_abs());
        match self {
            Self::UNKNOWN => None,
            Self(0..) => SystemTime::UNIX_EPOCH.checked_add(distance),
            Self(_) => SystemTime::UNIX_EPOCH.checked_sub(distance),
        }
    }
}

impl From<SystemTime> for Date {
    /// Leaves out the part of a second. What no date can say is unknown.
    fn from(time: SystemTime) -> Self {
        let seconds = match time.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_secs()),
            Err(before) => {
                let before = before.duration();
                i64::try_from(before.as_secs()).map(|seconds| -seconds - i64::from(before.subsec_nanos() > 0))
            }
        };
        seconds.map_or(Self::UNKNOWN, Self)
    }
}

impl From<Option<SystemTime>> for Date {
    fn from(time: Option<SystemTime>) -> Self {
        time.map_or(Self::UNKNOWN, Self::from)
    }
}

impl fmt::Debug for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.time().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_the_second_that_a_moment_is_in() {
        let second = |seconds: i64| match u64::try_from(seconds) {
            Ok(after) => SystemTime::UNIX_EPOCH + Duration::from_secs(after),
            Err(_) => SystemTime::UNIX_EPOCH - Duration::from_secs(seconds.unsigned_abs()),
        };
        for seconds in [-2, -1, 0, 1, 1_700_000_000, 253_402_300_799] {
            for part in [0, 1, 999_999_999] {
                let moment = second(seconds) + Duration::from_nanos(part);
                assert_eq!(Date::from(moment).time(), Some(second(seconds)), "{seconds} {part}");
            }
        }
        assert_eq!(Date::from(None).time(), None);
        assert_eq!(format!("{:?}", Date::UNKNOWN), "None");
    }
}
