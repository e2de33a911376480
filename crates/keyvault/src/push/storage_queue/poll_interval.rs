//! The pauses between two polls of a queue.

use std::time::Duration;

/// The pause before the next poll: it doubles while no message arrives, and backs off up to a minute while the queue
/// fails.
#[derive(Debug)]
pub(super) struct PollInterval {
    longest: Duration,
    idle: Duration,
    failures: u32,
}

impl PollInterval {
    pub(super) fn new(longest: Duration) -> Self {
        Self { longest, idle: FIRST, failures: 0 }
    }

    /// Returns the pause after a response with as many messages as requested: zero, because there may be more.
    pub(super) fn after_full(&mut self) -> Duration {
        self.after_messages();
        Duration::ZERO
    }

    /// Returns the pause after a response with messages: the shortest, because rotations often come together.
    pub(super) fn after_messages(&mut self) -> Duration {
        (self.failures, self.idle) = (0, FIRST.min(self.longest));
        self.idle
    }

    /// Returns the pause after a response without a message. `random` in 0..1 is the jitter of ±10 %.
    pub(super) fn after_empty(&mut self, random: f64) -> Duration {
        self.failures = 0;
        let pause = self.idle.mul_f64(0.9 + random / 5.0);
        self.idle = (self.idle * 2).min(self.longest);
        pause
    }

    /// Returns the pause after a failure. `random` in 0..1 is the jitter of ±25 %.
    pub(super) fn after_failure(&mut self, random: f64) -> Duration {
        let doubled = FIRST * (1 << self.failures.min(6));
        self.failures = self.failures.saturating_add(1);
        doubled.min(LONGEST_AFTER_FAILURE).mul_f64(0.75 + random / 2.0)
    }

    pub(super) fn failures(&self) -> u32 {
        self.failures
    }
}

const FIRST: Duration = Duration::from_secs(1);
const LONGEST_AFTER_FAILURE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seconds(pauses: impl IntoIterator<Item = Duration>) -> Vec<u64> {
        pauses.into_iter().map(|pause| pause.as_secs()).collect()
    }

    #[test]
    fn an_idle_queue_is_polled_less_often_and_a_full_one_at_once() {
        let mut interval = PollInterval::new(Duration::from_secs(10));
        assert_eq!(seconds((0..6).map(|_| interval.after_empty(0.5))), [1, 2, 4, 8, 10, 10]);
        assert_eq!(interval.after_full(), Duration::ZERO);
        assert_eq!(interval.after_messages(), FIRST);
        assert_eq!(seconds((0..2).map(|_| interval.after_empty(0.5))), [1, 2]);
    }

    #[test]
    fn a_failing_queue_is_polled_less_often_until_it_answers() {
        let mut interval = PollInterval::new(Duration::from_secs(10));
        assert_eq!(seconds((0..9).map(|_| interval.after_failure(0.5))), [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        interval.after_empty(0.5);
        assert_eq!(seconds([interval.after_failure(0.5)]), [1]);
    }

    proptest! {
        #[test]
        fn no_pause_exceeds_its_bound(
            steps in prop::collection::vec((0..4, 0.0..1.0f64), 0..200),
            longest in 1u64..3_600,
        ) {
            let longest = Duration::from_secs(longest);
            let mut interval = PollInterval::new(longest);
            for (step, random) in steps {
                let (pause, bound) = match step {
                    0 => (interval.after_full(), Duration::ZERO),
                    1 => (interval.after_messages(), FIRST),
                    2 => (interval.after_empty(random), longest.mul_f64(1.1)),
                    _ => (interval.after_failure(random), LONGEST_AFTER_FAILURE.mul_f64(1.25)),
                };
                prop_assert!(pause <= bound);
            }
        }
    }
}
