//! The pauses between two polls of a queue.

use std::time::Duration;

use super::message_queue::MOST_AT_ONCE;
use crate::time::{Backoff, jittered};

/// The pause before the next poll: it doubles while no message arrives, and backs off up to a minute while the queue
/// fails.
#[derive(Debug)]
pub(super) struct PollInterval {
    idle: Backoff,
    /// The number of responses without a message since the last message.
    empty: u32,
    failures: u32,
}

impl PollInterval {
    /// Creates the interval of a queue that is polled at least every `longest` while it answers.
    pub(super) fn new(longest: Duration) -> Self {
        Self { idle: Backoff { first: FIRST, longest }, empty: 0, failures: 0 }
    }

    /// Returns the pause after a response with `count` messages.
    ///
    /// The pause is zero if there may be more messages, and short after a few, because rotations often come together.
    /// `random` in 0..1 is the jitter of ±10 % of the pause after a response without a message.
    pub(super) fn after_messages(&mut self, count: usize, random: f64) -> Duration {
        self.failures = 0;
        self.empty = if count == 0 { self.empty.saturating_add(1) } else { 0 };
        match count {
            0 => jittered(self.idle.exact(self.empty), random),
            MOST_AT_ONCE.. => Duration::ZERO,
            _ => FIRST,
        }
    }

    /// Returns the pause after a failure. `random` in 0..1 is the jitter of ±25 %.
    pub(super) fn after_failure(&mut self, random: f64) -> Duration {
        self.failures = self.failures.saturating_add(1);
        FAILING.jittered(self.failures, random)
    }

    pub(super) fn failures(&self) -> u32 {
        self.failures
    }
}

const FIRST: Duration = Duration::from_secs(1);
const FAILING: Backoff = Backoff { first: FIRST, longest: Duration::from_secs(60) };

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
        assert_eq!(seconds((0..6).map(|_| interval.after_messages(0, 0.5))), [1, 2, 4, 8, 10, 10]);
        assert_eq!(interval.after_messages(MOST_AT_ONCE, 0.5), Duration::ZERO);
        assert_eq!(interval.after_messages(1, 0.5), FIRST);
        assert_eq!(seconds((0..2).map(|_| interval.after_messages(0, 0.5))), [1, 2]);
    }

    #[test]
    fn a_failing_queue_is_polled_less_often_until_it_answers() {
        let mut interval = PollInterval::new(Duration::from_secs(10));
        assert_eq!(seconds((0..9).map(|_| interval.after_failure(0.5))), [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        interval.after_messages(0, 0.5);
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
                    0 => (interval.after_messages(MOST_AT_ONCE, random), Duration::ZERO),
                    1 => (interval.after_messages(1, random), FIRST),
                    2 => (interval.after_messages(0, random), longest.mul_f64(1.1)),
                    _ => (interval.after_failure(random), FAILING.longest.mul_f64(1.25)),
                };
                prop_assert!(pause <= bound);
            }
        }
    }
}
