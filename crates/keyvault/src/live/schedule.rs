//! When the next refresh is due.

use std::time::Duration;

use crate::error::{Error, ErrorKind};

/// Decides the pause after each refresh.
#[derive(Debug)]
pub(super) struct Schedule {
    interval: Duration,
    failures: u32,
}

impl Schedule {
    pub(super) fn new(interval: Duration) -> Self {
        Self { interval, failures: 0 }
    }

    /// Tells the pause after a refresh that succeeded: the interval, a tenth to either side, drawn anew each time so that
    /// instances that started together drift apart. `random` is in 0..1.
    pub(super) fn after_success(&mut self, random: f64) -> Duration {
        self.failures = 0;
        jittered(self.interval, random)
    }

    /// Tells the pause after a refresh that failed: a second at first, then twice the last, a quarter to either side, up
    /// to the interval. It is not shorter than the vault asked for, as far as the vault asks for less than the longest.
    pub(super) fn after_failure(&mut self, error: &Error, random: f64) -> Duration {
        let doubled = FIRST_BACK_OFF.saturating_mul(1 << self.failures.min(20));
        self.failures = self.failures.saturating_add(1);
        let longest = self.longest();
        let back_off = doubled.min(longest).mul_f64(0.75 + random / 2.0);
        let asked = error.failures().iter().filter_map(|failure| match failure.kind() {
            ErrorKind::Throttled { retry_after } => retry_after,
            _ => None,
        });
        back_off.max(asked.max().unwrap_or_default().min(longest))
    }

    /// An outage of a vault that is asked every second must not be asked every second.
    fn longest(&self) -> Duration {
        self.interval.max(LONGEST_BACK_OFF_OF_A_SHORT_INTERVAL)
    }
}

/// Gives an interval, a tenth to either side. `random` is in 0..1.
pub(super) fn jittered(interval: Duration, random: f64) -> Duration {
    interval.mul_f64(0.9 + random * 0.2)
}

const FIRST_BACK_OFF: Duration = Duration::from_secs(1);
const LONGEST_BACK_OFF_OF_A_SHORT_INTERVAL: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MINUTES: Duration = Duration::from_secs(300);

    fn down() -> Error {
        Error::new(ErrorKind::Unavailable, "down")
    }

    #[test]
    fn the_back_off_grows_to_the_interval_and_starts_anew_after_a_success() {
        let mut schedule = Schedule::new(MINUTES);
        let mut pauses = |n| (0..n).map(|_| schedule.after_failure(&down(), 0.5).as_secs()).collect::<Vec<_>>();
        assert_eq!(pauses(11), [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        assert_eq!(schedule.after_success(0.5), MINUTES);
        assert_eq!(schedule.after_failure(&down(), 0.5).as_secs(), 1);
    }

    #[test]
    fn what_the_vault_asks_for_is_honoured_and_clamped() {
        for (asked, expected) in [(20, 20), (0, 1), (86_400, 300)] {
            let retry_after = Some(Duration::from_secs(asked));
            let error = Error::new(ErrorKind::Throttled { retry_after }, "throttled");
            assert_eq!(Schedule::new(MINUTES).after_failure(&error, 0.5).as_secs(), expected, "{asked}");
        }
    }

    proptest! {
        #[test]
        fn pauses_are_bounded(interval in 1u64..100_000, failures in 0usize..100, random in 0.0..1.0f64) {
            let interval = Duration::from_secs(interval);
            let mut schedule = Schedule::new(interval);
            for _ in 0..failures {
                let pause = schedule.after_failure(&down(), random);
                prop_assert!(pause >= FIRST_BACK_OFF.mul_f64(0.75) && pause <= schedule.longest().mul_f64(1.25));
            }
            let pause = schedule.after_success(random);
            prop_assert!(pause >= interval.mul_f64(0.9) && pause <= interval.mul_f64(1.1));
        }
    }
}
