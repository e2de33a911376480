//! When a request is retried.

use std::time::{Duration, SystemTime};

use crate::time::Backoff;

/// Why a request may be retried.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum RetryReason {
    /// The connection failed or broke.
    Connection,
    /// The vault failed: 408 or 5xx.
    Failure,
    /// The vault answered 429 and asked for no time.
    Throttled,
    /// The vault asked for this time.
    Asked(Duration),
}

/// Returns the pause before attempt `next` (the second attempt is 2). `None` if the failure is final.
///
/// Key Vault's guidance is [1, 2, 4, 8, 16
/// seconds](https://learn.microsoft.com/azure/key-vault/general/overview-throttling#recommended-client-side-throttling-when-service-limits-are-met);
/// a lost connection is retried sooner, because no limit was hit. `random` in 0..1 spreads the pauses by a quarter to
/// either side. A time that the vault asks for is honoured, up to 16 seconds.
pub(super) fn pause(next: u32, reason: RetryReason, random: f64) -> Option<Duration> {
    if next > MAX_ATTEMPTS {
        return None;
    }
    let first = match reason {
        RetryReason::Asked(wait) => return Some(wait.min(LONGEST_PAUSE)),
        RetryReason::Connection => Duration::from_millis(100),
        RetryReason::Failure => Duration::from_millis(500),
        RetryReason::Throttled => Duration::from_secs(1),
    };
    Some(Backoff { first, longest: LONGEST_PAUSE }.jittered(next - 1, random))
}

/// Returns the cool-off of a vault that has throttled so many times in a row. No request is sent to it meanwhile.
///
/// The cool-off is a second at first and doubles up to about a minute: a vault that thousands of clients share cannot
/// serve any of them in full unless most stay away. A time that the vault asks for applies instead, plus a random part,
/// because the vault may ask all clients for the same time. After more refusals than a request has attempts, the longer
/// of the two applies.
pub(super) fn cool_off(refusals: u32, reason: RetryReason, random: f64) -> Duration {
    match reason {
        RetryReason::Asked(wait) => {
            let requested = wait.min(LONGEST_PAUSE).mul_f64(1.0 + random / 4.0);
            let further = refusals.checked_sub(MAX_ATTEMPTS);
            further.map_or(requested, |further| requested.max(COOL_OFF.jittered(further + 1, random)))
        }
        _ => COOL_OFF.jittered(refusals, random),
    }
}

/// Reads `Retry-After` (seconds or an HTTP date), `retry-after-ms` or `x-ms-retry-after-ms`. `None` if malformed.
pub(super) fn retry_after<'a>(header: impl Fn(&'static str) -> Option<&'a str>, now: SystemTime) -> Option<Duration> {
    let milliseconds = |name| header(name)?.trim().parse().ok().map(Duration::from_millis);
    milliseconds("retry-after-ms").or_else(|| milliseconds("x-ms-retry-after-ms")).or_else(|| {
        let value = header("retry-after")?.trim();
        let date = || Some(httpdate::parse_http_date(value).ok()?.duration_since(now).unwrap_or_default());
        value.parse().ok().map(Duration::from_secs).or_else(date)
    })
}

const MAX_ATTEMPTS: u32 = 5;
const LONGEST_PAUSE: Duration = Duration::from_secs(16);
const COOL_OFF: Backoff = Backoff { first: Duration::from_secs(1), longest: Duration::from_secs(64) };

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn pauses_grow_until_the_failure_is_final() {
        let pauses = |reason| (2..).map_while(move |next| pause(next, reason, 0.5)).collect::<Vec<_>>();
        let seconds = |list: [u64; 4]| list.map(Duration::from_millis).to_vec();
        assert_eq!(pauses(RetryReason::Throttled), seconds([1_000, 2_000, 4_000, 8_000]));
        assert_eq!(pauses(RetryReason::Failure), seconds([500, 1_000, 2_000, 4_000]));
        assert_eq!(pauses(RetryReason::Connection), seconds([100, 200, 400, 800]));
        let hour = RetryReason::Asked(Duration::from_secs(3_600));
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
            let header = |requested| (requested == name).then_some(value);
            assert_eq!(retry_after(header, now), expected.map(Duration::from_millis), "{name}: {value}");
        }
    }

    #[test]
    fn cool_offs_grow_with_refusals_in_a_row() {
        let seconds = |reason, refusals: [u32; 5]| refusals.map(|refusals| cool_off(refusals, reason, 0.5).as_secs());
        assert_eq!(seconds(RetryReason::Throttled, [1, 2, 5, 7, 1_000]), [1, 2, 16, 64, 64]);
        let wait = |seconds| RetryReason::Asked(Duration::from_secs(seconds));
        assert_eq!(seconds(wait(8), [1, 2, 5, 9, 1_000]), [9, 9, 9, 16, 64]);
        assert_eq!(seconds(wait(0), [1, 4, 5, 6, 1_000]), [0, 0, 1, 2, 64]);
        assert_eq!(seconds(wait(3_600), [1, 2, 5, 9, 1_000]), [18, 18, 18, 18, 64]);
        assert!(cool_off(1, wait(8), 0.0) >= Duration::from_secs(8), "never earlier than asked");
    }

    proptest! {
        #[test]
        fn no_pause_exceeds_the_longest(next in 2u32..50, wait in any::<u64>(), random in 0.0..1.0f64) {
            let requested = RetryReason::Asked(Duration::from_secs(wait));
            for reason in [RetryReason::Connection, RetryReason::Failure, RetryReason::Throttled, requested] {
                if let Some(pause) = pause(next, reason, random) {
                    prop_assert!(pause <= LONGEST_PAUSE.mul_f64(1.25));
                }
            }
        }
    }
}
