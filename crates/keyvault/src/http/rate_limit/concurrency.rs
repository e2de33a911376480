//! The number of requests that may be in flight to a vault.

/// A concurrency limit that shrinks when the vault throttles and grows with each success.
///
/// It moves like the congestion window of [TCP](https://www.rfc-editor.org/rfc/rfc5681#section-3.1). A refusal sets it
/// to one. Then each success adds one, which doubles the limit in a round trip, up to half of the limit that was
/// refused. From there on a whole window of successes adds one.
#[derive(Clone, Copy, Debug)]
pub(super) struct ConcurrencyLimit {
    limit: f64,
    maximum: f64,
    threshold: f64,
}

impl ConcurrencyLimit {
    pub(super) fn new(maximum: u16) -> Self {
        let maximum = f64::from(maximum);
        Self { limit: maximum, maximum, threshold: maximum }
    }

    /// Raises the maximum, and the limit as well if the vault has never throttled.
    pub(super) fn raise_maximum(&mut self, maximum: u16) {
        let maximum = f64::from(maximum).max(self.maximum);
        if self.limit >= self.maximum {
            (self.limit, self.threshold) = (maximum, maximum);
        }
        self.maximum = maximum;
    }

    /// Returns how many requests may be in flight: at least one.
    pub(super) fn limit(&self) -> usize {
        self.limit as usize
    }

    pub(super) fn throttled(&mut self) {
        self.threshold = (self.limit / 2.0).max(1.0);
        self.limit = 1.0;
    }

    pub(super) fn succeeded(&mut self) {
        self.limit += if self.limit < self.threshold { 1.0 } else { 1.0 / self.limit };
        self.limit = self.limit.min(self.maximum);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_refusal_sets_the_limit_to_one_and_successes_raise_it_fast_then_slowly() {
        let mut concurrency = ConcurrencyLimit::new(64);
        concurrency.throttled();
        let round = |concurrency: &mut ConcurrencyLimit| {
            (0..concurrency.limit()).for_each(|_| concurrency.succeeded());
            concurrency.limit()
        };
        let limits: Vec<usize> = (0..8).map(|_| round(&mut concurrency)).collect();
        assert_eq!(limits, [2, 4, 8, 16, 32, 32, 33, 34]);
        concurrency.raise_maximum(100);
        assert_eq!(concurrency.limit(), 34, "a higher maximum does not undo a refusal");
    }

    #[test]
    fn without_a_refusal_the_limit_is_the_maximum() {
        let mut concurrency = ConcurrencyLimit::new(64);
        assert_eq!(concurrency.limit(), 64);
        concurrency.raise_maximum(100);
        assert_eq!(concurrency.limit(), 100);
        concurrency.raise_maximum(64);
        assert_eq!(concurrency.limit(), 100);
    }

    proptest! {
        #[test]
        fn the_limit_stays_within_its_bounds_and_recovers(
            good in prop::collection::vec(prop::bool::weighted(0.9), 0..500),
        ) {
            let mut concurrency = ConcurrencyLimit::new(64);
            for good in good {
                let before = concurrency.limit();
                if good { concurrency.succeeded() } else { concurrency.throttled() }
                prop_assert!((1..=64).contains(&concurrency.limit()));
                let moved = if good { concurrency.limit() >= before } else { concurrency.limit() == 1 };
                prop_assert!(moved, "{} after {before}", concurrency.limit());
            }
            (0..64 * 64).for_each(|_| concurrency.succeeded());
            prop_assert_eq!(concurrency.limit(), 64);
        }
    }
}
