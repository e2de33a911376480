//! How long a failed build waits before the next.

use std::time::Duration;

/// The pauses between builds that fail: each twice the last, a quarter to either side, up to the longest.
#[derive(Clone, Copy, Debug)]
pub(super) struct BackOff {
    pub(super) first: Duration,
    pub(super) longest: Duration,
}

impl BackOff {
    /// Tells the pause after so many failures in a row, the first being 1. `random` is in 0..1.
    pub(super) fn pause(self, failures: u32, random: f64) -> Duration {
        let doubled = self.first.saturating_mul(1 << failures.saturating_sub(1).min(20));
        doubled.min(self.longest).mul_f64(0.75 + random / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_spread_a_quarter() {
        let back_off = BackOff { first: Duration::from_secs(1), longest: Duration::from_secs(60) };
        let pauses: Vec<u64> = (1..=8).map(|failures| back_off.pause(failures, 0.5).as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(back_off.pause(u32::MAX, 0.0), Duration::from_secs(45));
        assert_eq!(back_off.pause(u32::MAX, 1.0), Duration::from_secs(75));
        let extreme = BackOff { first: Duration::MAX, longest: Duration::from_secs(1) };
        assert_eq!(extreme.pause(9, 0.5), Duration::from_secs(1));
    }
}
