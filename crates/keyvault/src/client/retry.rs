//! When a request is sent again.

use std::time::{Duration, SystemTime};

/// How long to wait before attempt `next` (the second is 2), or none: then the failure is final.
///
/// Key Vault's own advice is [1, 2, 4, 8, 16 seconds](https://learn.microsoft.com/azure/key-vault/general/overview-throttling#recommended-client-side-throttling-when-service-limits-are-met);
/// a lost connection is retried sooner, for no limit was hit. `random` in 0..1 spreads the pauses by a quarter to either
/// side. What the vault itself asks for is honoured, and clamped: a vault that says an hour gets its refusal reported.
pub(super) fn pause(next: u32, reason: Reason, random: f64) -> Option<Duration> {
    if next > MOST_ATTEMPTS {
        return None;
    }
    let first = match reason {
        Reason::Asked(wait) => return Some(wait.min(LONGEST_PAUSE)),
        Reason::Connection => Duration::from_millis(100),
        Reason::Failure => Duration::from_millis(500),
        Reason::Throttled => Duration::from_secs(1),
    };
    let doubled = first.saturating_mul(1 << (next - 2).min(8));
    Some(doubled.min(LONGEST_PAUSE).mul_f64(0.75 + random / 2.0))
}

/// How long a vault is left alone that refused requests: this many times in a row, by all that are sent to it.
///
/// A second at first, then twice as long each time, up to about a minute: where thousands ask one vault, it answers none of
/// them in full unless most stay away. A time that the vault names is kept instead, and a part of it added, for it may have
/// named the same to everybody; until it is plain that it does not help.
pub(super) fn cool_off(refusals: u32, reason: Reason, random: f64) -> Duration {
    let doubled = |times: u32| (FIRST_COOL_OFF * (1 << times.min(6))).mul_f64(0.75 + random / 2.0);
    match reason {
        Reason::Asked(wait) => {
            let spread = wait.min(LONGEST_PAUSE).mul_f64(1.0 + random / 4.0);
            refusals.checked_sub(MOST_ATTEMPTS).map_or(spread, |times| spread.max(doubled(times)))
        }
        _ => doubled(refusals.saturating_sub(1)),
    }
}

const FIRST_COOL_OFF: Duration = Duration::from_secs(1);

/// Why a request may be sent again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Reason {
    /// The connection could not be made or broke.
    Connection,
    /// The vault failed: 408 or 5xx.
    Failure,
    /// The vault refused with a 429 and named no time.
    Throttled,
    /// The vault named the time to wait.
    Asked(Duration),
}

const MOST_ATTEMPTS: u32 = 5;
const LONGEST_PAUSE: Duration = Duration::from_secs(16);

/// Reads what `Retry-After` and its two relatives say: seconds, an HTTP date, or milliseconds. Nonsense is no answer.
pub(super) fn retry_after<'a>(header: impl Fn(&'static str) -> Option<&'a str>, now: SystemTime) -> Option<Duration> {
    let milliseconds = |name| header(name)?.trim().parse().ok().map(Duration::from_millis);
    milliseconds("retry-after-ms").or_else(|| milliseconds("x-ms-retry-after-ms")).or_else(|| {
        let value = header("retry-after")?.trim();
        let date = || Some(httpdate::parse_http_date(value).ok()?.duration_since(now).unwrap_or_default());
        value.parse().ok().map(Duration::from_secs).or_else(date)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn pauses_grow_and_end() {
        let pauses = |reason| (2..).map_while(move |next| pause(next, reason, 0.5)).collect::<Vec<_>>();
        let seconds = |list: [u64; 4]| list.map(Duration::from_millis).to_vec();
        assert_eq!(pauses(Reason::Throttled), seconds([1_000, 2_000, 4_000, 8_000]));
        assert_eq!(pauses(Reason::Failure), seconds([500, 1_000, 2_000, 4_000]));
        assert_eq!(pauses(Reason::Connection), seconds([100, 200, 400, 800]));
        let hour = Reason::Asked(Duration::from_secs(3_600));
        assert_eq!(pause(2, hour, 0.0), Some(LONGEST_PAUSE));
    }

    #[test]
    fn retry_after_is_read_in_every_form() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        for (name, value, expected) in [
            ("retry-after", "7", Some(7_000)),
            ("retry-after", " 0 ", Some(0)),
            ("retry-after", "Sun, 06 Nov 1994 08:49:47 GMT", Some(10_000)),
            ("retry-after", "Sun, 06 Nov 1994 08:49:27 GMT", Some(0)),
            ("retry-after-ms", "250", Some(250)),
            ("x-ms-retry-after-ms", "300", Some(300)),
            ("retry-after", "soon", None),
            ("retry-after", "-1", None),
            ("retry-after", "", None),
            ("retry-after", "99999999999999999999999", None),
        ] {
            let header = |asked| (asked == name).then_some(value);
            assert_eq!(retry_after(header, now), expected.map(Duration::from_millis), "{name}: {value}");
        }
    }

    #[test]
    fn the_longer_a_vault_refuses_the_longer_it_is_left_alone() {
        let seconds = |reason, refusals: [u32; 5]| refusals.map(|refusals| cool_off(refusals, reason, 0.5).as_secs());
        assert_eq!(seconds(Reason::Throttled, [1, 2, 5, 7, 1_000]), [1, 2, 16, 64, 64]);
        let asked = |seconds| Reason::Asked(Duration::from_secs(seconds));
        assert_eq!(seconds(asked(8), [1, 2, 5, 9, 1_000]), [9, 9, 9, 16, 64]);
        assert_eq!(seconds(asked(0), [1, 4, 5, 6, 1_000]), [0, 0, 1, 2, 64]);
        assert_eq!(seconds(asked(3_600), [1, 2, 5, 9, 1_000]), [18, 18, 18, 18, 64]);
        assert!(cool_off(1, asked(8), 0.0) >= Duration::from_secs(8), "never earlier than asked");
    }

    proptest! {
        #[test]
        fn no_pause_is_beyond_the_longest(next in 2u32..50, wait in any::<u64>(), random in 0.0..1.0f64) {
            for reason in [Reason::Connection, Reason::Failure, Reason::Throttled, Reason::Asked(Duration::from_secs(wait))] {
                if let Some(pause) = pause(next, reason, random) {
                    prop_assert!(pause <= LONGEST_PAUSE.mul_f64(1.25));
                }
            }
        }
    }
}
