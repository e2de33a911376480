//! How many requests a vault may be sent in a time.

use std::time::Duration;

use tokio::time::Instant;

/// A token bucket, kept as a debt: every request adds to it, time pays it off, and no request goes while it is too deep.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    per_second: u32,
    debt: Duration,
    as_of: Instant,
}

impl Bucket {
    /// Makes a full bucket, which takes ten seconds' worth at once, for so the service counts.
    pub(super) fn new(per_second: u32, now: Instant) -> Self {
        Self { per_second, debt: Duration::ZERO, as_of: now }
    }

    pub(super) fn slow_to(&mut self, per_second: u32) {
        self.per_second = self.per_second.min(per_second);
    }

    /// Tells how long the next request has to wait.
    pub(super) fn wait(&self, now: Instant) -> Duration {
        (self.debt_at(now) + self.price()).saturating_sub(DEPTH)
    }

    /// Takes the price of a request.
    pub(super) fn take(&mut self, now: Instant) {
        self.debt = self.debt_at(now) + self.price();
        self.as_of = now;
    }

    fn debt_at(&self, now: Instant) -> Duration {
        self.debt.saturating_sub(now.saturating_duration_since(self.as_of))
    }

    fn price(&self) -> Duration {
        Duration::from_secs(1) / self.per_second
    }
}

/// [The service counts](https://learn.microsoft.com/azure/key-vault/general/service-limits) by ten seconds.
const DEPTH: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ten_seconds_worth_goes_at_once_and_then_as_time_passes() {
        let start = Instant::now();
        let mut bucket = Bucket::new(4, start);
        for _ in 0..40 {
            assert_eq!(bucket.wait(start), Duration::ZERO);
            bucket.take(start);
        }
        assert_eq!(bucket.wait(start), Duration::from_millis(250));
        assert_eq!(bucket.wait(start + Duration::from_millis(250)), Duration::ZERO);
        bucket.take(start + Duration::from_millis(250));
        assert_eq!(bucket.wait(start + Duration::from_secs(60)), Duration::ZERO);
        bucket.slow_to(2);
        bucket.slow_to(9);
        assert_eq!(bucket.price(), Duration::from_millis(500));
    }

    proptest! {
        /// Whatever the gaps between them: requests that wait as they are told never exceed the burst and the rate.
        #[test]
        fn no_more_pass_than_the_rate_allows(rate in 1u32..500, gaps in prop::collection::vec(0u64..2_000, 1..400)) {
            let start = Instant::now();
            let mut bucket = Bucket::new(rate, start);
            let mut now = start;
            for (sent, gap) in gaps.into_iter().enumerate() {
                now += Duration::from_millis(gap) + bucket.wait(now);
                prop_assert_eq!(bucket.wait(now), Duration::ZERO);
                bucket.take(now);
                let allowed = f64::from(rate) * (10.0 + (now - start).as_secs_f64());
                prop_assert!((sent + 1) as f64 <= allowed + 1e-3, "{sent} at {:?}", now - start);
            }
        }
    }
}
