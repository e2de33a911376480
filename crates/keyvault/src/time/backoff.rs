//! Pauses that double with every failure.

use std::time::Duration;

/// The pauses between attempts that fail: each is twice the last, up to the longest.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Backoff {
    /// The pause after the first failure.
    pub(crate) first: Duration,
    /// The longest pause, before jitter.
    pub(crate) longest: Duration,
}

impl Backoff {
    /// Returns the pause after `failures` failures in a row. The first failure is 1.
    pub(crate) fn exact(self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(MOST_DOUBLINGS);
        self.first.saturating_mul(1 << doublings).min(self.longest)
    }

    /// Returns the pause after `failures` failures in a row, up to a quarter longer or shorter. `random` is in 0..1.
    pub(crate) fn jittered(self, failures: u32, random: f64) -> Duration {
        scaled(self.exact(failures), 0.75 + random / 2.0)
    }
}

/// Returns an interval, up to a tenth longer or shorter. `random` is in 0..1.
pub(crate) fn jittered(interval: Duration, random: f64) -> Duration {
    scaled(interval, 0.9 + random * 0.2)
}

/// Multiplies a duration, up to the longest one.
fn scaled(duration: Duration, factor: f64) -> Duration {
    Duration::try_from_secs_f64(duration.as_secs_f64() * factor).unwrap_or(Duration::MAX)
}

/// Keeps the shift within 32 bits: a millionfold pause is beyond every longest one in use.
const MOST_DOUBLINGS: u32 = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_spread_by_a_quarter() {
        let backoff = Backoff { first: Duration::from_secs(1), longest: Duration::from_secs(60) };
        let pauses: Vec<u64> = (1..=8).map(|failures| backoff.jittered(failures, 0.5).as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(backoff.jittered(u32::MAX, 0.0), Duration::from_secs(45));
        assert_eq!(backoff.jittered(u32::MAX, 1.0), Duration::from_secs(75));
        let extreme = Backoff { first: Duration::MAX, longest: Duration::from_secs(1) };
        assert_eq!(extreme.jittered(9, 0.5), Duration::from_secs(1));
    }

    #[test]
    fn intervals_spread_by_a_tenth() {
        let minute = Duration::from_secs(60);
        for (random, seconds) in [(0.0, 54), (0.5, 60), (1.0, 66)] {
            assert_eq!(jittered(minute, random).as_millis(), seconds * 1_000, "{random}");
        }
        assert_eq!(jittered(Duration::MAX, 1.0), Duration::MAX);
        assert_eq!(jittered(Duration::from_nanos(1), 0.0), Duration::from_nanos(1));
    }
}
