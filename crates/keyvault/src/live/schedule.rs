//! The pause after each refresh.

use std::time::Duration;

use crate::error::{Error, ErrorKind};
use crate::time::{Backoff, jittered};

/// The pauses between refreshes of one kind: full ones, or those of single secrets.
#[derive(Debug)]
pub(super) struct Schedule {
    interval: Duration,
    failures: u32,
}

impl Schedule {
    pub(super) fn new(interval: Duration) -> Self {
        Self { interval, failures: 0 }
    }

    /// Returns the pause after a refresh that succeeded: the interval, up to a tenth longer or shorter, so that
    /// instances that started together drift apart. `random` is in 0..1.
    pub(super) fn after_success(&mut self, random: f64) -> Duration {
        self.failures = 0;
        jittered(self.interval, random)
    }

    /// Returns the pause after a refresh that failed: one second after the first failure, doubled with each further one
    /// up to the interval, with a quarter of jitter. It is at least as long as the vault asked for, up to the longest.
    pub(super) fn after_failure(&mut self, error: &Error, random: f64) -> Duration {
        self.failures = self.failures.saturating_add(1);
        let backoff = self.backoff();
        backoff.jittered(self.failures, random).max(requested_pause(error).min(backoff.longest))
    }

    /// An outage stretches a short interval too: a vault that is read every second is not retried every second.
    fn backoff(&self) -> Backoff {
        Backoff { first: FIRST_PAUSE, longest: self.interval.max(LONGEST_PAUSE_OF_A_SHORT_INTERVAL) }
    }
}

/// Returns the pause that a vault asked for; zero if none did.
pub(super) fn requested_pause(error: &Error) -> Duration {
    let requested = error.failures().iter().filter_map(|failure| match failure.kind() {
        ErrorKind::Throttled { retry_after } => retry_after,
        _ => None,
    });
    requested.max().unwrap_or_default()
}

const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE_OF_A_SHORT_INTERVAL: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MINUTES: Duration = Duration::from_secs(300);

    fn down() -> Error {
        Error::new(ErrorKind::Unavailable, "down")
    }

    #[test]
    fn pauses_grow_to_the_interval_and_start_again_after_a_success() {
        let mut schedule = Schedule::new(MINUTES);
        let mut pauses = |n| (0..n).map(|_| schedule.after_failure(&down(), 0.5).as_secs()).collect::<Vec<_>>();
        assert_eq!(pauses(11), [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        assert_eq!(schedule.after_success(0.5), MINUTES);
        assert_eq!(schedule.after_failure(&down(), 0.5).as_secs(), 1);
    }

    #[test]
    fn the_pause_that_a_vault_asks_for_is_honoured_and_clamped() {
        for (requested, expected) in [(20, 20), (0, 1), (86_400, 300)] {
            let retry_after = Some(Duration::from_secs(requested));
            let error = Error::new(ErrorKind::Throttled { retry_after }, "throttled");
            assert_eq!(Schedule::new(MINUTES).after_failure(&error, 0.5).as_secs(), expected, "{requested}");
        }
    }

    proptest! {
        #[test]
        fn pauses_are_bounded(interval in 1u64..100_000, failures in 0usize..100, random in 0.0..1.0f64) {
            let interval = Duration::from_secs(interval);
            let mut schedule = Schedule::new(interval);
            for _ in 0..failures {
                let pause = schedule.after_failure(&down(), random);
                prop_assert!(pause >= FIRST_PAUSE.mul_f64(0.75) && pause <= schedule.backoff().longest.mul_f64(1.25));
            }
            let pause = schedule.after_success(random);
            prop_assert!(pause >= interval.mul_f64(0.9) && pause <= interval.mul_f64(1.1));
        }
    }
}
