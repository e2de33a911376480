//! The dates of a secret: when it begins to be valid, and when it expires.

use std::time::{Duration, SystemTime};

use crate::resolver::Dates;

/// Returns the time until a secret's dates call for a check; `None` if they never do.
///
/// A version that is not valid yet is checked when it becomes valid. One that expires is checked when nine tenths of
/// the time left have passed, a twentieth more or less, again and again: a few times in its last day, then at the
/// moment of its expiry, and never after that. `random` is in 0..1.
pub(super) fn next_check(dates: Dates, now: SystemTime, random: f64) -> Option<Duration> {
    let until = |date: Option<SystemTime>| date?.duration_since(now).ok().filter(|left| !left.is_zero());
    let begins = until(dates.begins).map(|left| left + LEAST.mul_f64(random));
    let expires = until(dates.expires).map(|left| {
        let most = left.mul_f64(0.85 + random / 10.0);
        if left <= LAST { left } else { most.max(LEAST) }
    });
    // A refresh reads the secret long before a date that is more than a year away.
    begins.into_iter().chain(expires).min().filter(|left| *left < A_YEAR)
}

const LEAST: Duration = Duration::from_secs(1);
/// Within these last seconds, the next check is at the expiry itself.
const LAST: Duration = Duration::from_secs(10);
const A_YEAR: Duration = Duration::from_secs(366 * 86_400);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn dated(begins: Option<u64>, expires: Option<u64>) -> Dates {
        let at = |second: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(second);
        Dates { begins: begins.map(at), expires: expires.map(at) }
    }

    #[test]
    fn dates_bring_a_check_forward() {
        let now = 1_000_000;
        for (not_before, expires, check) in [
            (None, None, None),
            (None, Some(now + 1_000), Some(900)),
            (None, Some(now + 10), Some(10)),
            (None, Some(now), None),
            (None, Some(now - 1), None),
            (Some(now + 60), None, Some(60)),
            (Some(now + 60), Some(now + 1_000), Some(60)),
            (Some(now - 60), Some(now + 1_000), Some(900)),
            (None, Some(now + 400 * 86_400 * 10), None),
        ] {
            let found = next_check(dated(not_before, expires), SystemTime::UNIX_EPOCH + Duration::from_secs(now), 0.5);
            assert_eq!(found.map(|check| check.as_secs()), check, "{not_before:?} {expires:?}");
        }
    }

    proptest! {
        #[test]
        fn checks_are_few_and_end_at_the_expiry(left in 1u64..86_400 * 30, random in 0.0..1.0f64) {
            let expiry = SystemTime::UNIX_EPOCH + Duration::from_secs(left);
            let dates = dated(None, Some(left));
            let (mut now, mut checks) = (SystemTime::UNIX_EPOCH, 0);
            while let Some(pause) = next_check(dates, now, random) {
                now += pause;
                checks += 1;
                prop_assert!((pause >= LEAST || now == expiry) && now <= expiry && checks < 20);
            }
            prop_assert_eq!(now, expiry);
        }
    }
}
