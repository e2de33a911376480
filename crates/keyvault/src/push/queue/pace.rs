//! How often a queue is asked.

use std::time::Duration;

/// Pauses that grow while nothing comes, and grow faster and further while the queue fails.
#[derive(Debug)]
pub(super) struct Pace {
    longest: Duration,
    idle: Duration,
    failures: u32,
}

impl Pace {
    pub(super) fn new(longest: Duration) -> Self {
        Self { longest, idle: FIRST, failures: 0 }
    }

    /// Tells the pause after an answer with as many messages as were asked for, of which there may be more.
    pub(super) fn after_full(&mut self) -> Duration {
        self.after_some();
        Duration::ZERO
    }

    /// Tells the pause after an answer with messages: what rotates seldom rotates alone.
    pub(super) fn after_some(&mut self) -> Duration {
        (self.failures, self.idle) = (0, FIRST.min(self.longest));
        self.idle
    }

    /// Tells the pause after an answer without a message. `random` in 0..1 draws it a tenth to either side.
    pub(super) fn after_none(&mut self, random: f64) -> Duration {
        self.failures = 0;
        let pause = self.idle.mul_f64(0.9 + random / 5.0);
        self.idle = (self.idle * 2).min(self.longest);
        pause
    }

    /// Tells the pause after a failure. `random` in 0..1 draws it a quarter to either side.
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
    fn an_idle_queue_is_asked_ever_less_often_and_at_once_when_it_has_more() {
        let mut pace = Pace::new(Duration::from_secs(10));
        assert_eq!(seconds((0..6).map(|_| pace.after_none(0.5))), [1, 2, 4, 8, 10, 10]);
        assert_eq!(pace.after_full(), Duration::ZERO);
        assert_eq!(pace.after_some(), FIRST);
        assert_eq!(seconds((0..2).map(|_| pace.after_none(0.5))), [1, 2]);
    }

    #[test]
    fn a_queue_that_fails_is_asked_ever_less_often_until_it_answers() {
        let mut pace = Pace::new(Duration::from_secs(10));
        assert_eq!(seconds((0..9).map(|_| pace.after_failure(0.5))), [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        pace.after_none(0.5);
        assert_eq!(seconds([pace.after_failure(0.5)]), [1]);
    }

    proptest! {
        #[test]
        fn no_pause_is_beyond_its_bound(steps in prop::collection::vec((0..4, 0.0..1.0f64), 0..200), longest in 1u64..3_600) {
            let longest = Duration::from_secs(longest);
            let mut pace = Pace::new(longest);
            for (step, random) in steps {
                let (pause, bound) = match step {
                    0 => (pace.after_full(), Duration::ZERO),
                    1 => (pace.after_some(), FIRST),
                    2 => (pace.after_none(random), longest.mul_f64(1.1)),
                    _ => (pace.after_failure(random), LONGEST_AFTER_FAILURE.mul_f64(1.25)),
                };
                prop_assert!(pause <= bound);
            }
        }
    }
}
