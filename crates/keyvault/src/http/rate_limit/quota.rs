//! The number of requests that a vault may receive in a time.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use crate::time::{TokenBucket, TokenRate};

/// The quota of a vault: ten seconds' worth of requests at once.
///
/// [The service states its limit](https://learn.microsoft.com/azure/key-vault/general/service-limits) for ten seconds,
/// and not how it counts them. At first the quota is a token bucket: it allows ten seconds' worth at once, and the rate
/// from then on. For a vault with a sliding window, that is almost twice the limit in the first ten seconds. So after
/// the vault has throttled a request, the quota is a sliding window: a token returns ten seconds after its request
/// completed, and no ten seconds contain more requests than the quota.
#[derive(Clone, Debug)]
pub(super) struct Quota {
    bucket: TokenBucket,
    /// When requests completed, the earliest first.
    completed: VecDeque<Instant>,
    is_sliding_window: bool,
}

impl Quota {
    pub(super) fn new(per_second: u32, now: Instant) -> Self {
        let bucket = TokenBucket::full(rate(per_second), now);
        Self { bucket, completed: VecDeque::new(), is_sliding_window: false }
    }

    pub(super) fn slow_to(&mut self, per_second: u32) {
        let rate = rate(per_second);
        if rate.burst < self.bucket.rate.burst {
            self.bucket.rate = rate;
        }
    }

    /// Returns whether no further request may be sent while `in_flight` are.
    pub(super) fn is_empty(&mut self, in_flight: usize, now: Instant) -> bool {
        if self.is_sliding_window { self.window_left(in_flight, now) == 0 } else { !self.bucket.wait(now).is_zero() }
    }

    /// Returns whether a vault with a sliding window would throttle further requests, although it has not throttled
    /// yet.
    pub(super) fn is_exceeded(&mut self, in_flight: usize, now: Instant) -> bool {
        !self.is_sliding_window && self.window_left(in_flight, now) == 0
    }

    /// Returns when the next token is available. `None` if one is, or if requests in flight have all of them.
    pub(super) fn next(&mut self, in_flight: usize, now: Instant) -> Option<Instant> {
        if !self.is_empty(in_flight, now) {
            None
        } else if self.is_sliding_window {
            self.completed.front().map(|time| *time + WINDOW)
        } else {
            Some(now + self.bucket.wait(now))
        }
    }

    /// Takes a token, for a request that starts. The window counts it by `in_flight`.
    pub(super) fn take(&mut self, now: Instant) {
        _ = self.bucket.take(now);
    }

    /// Records that a request completed.
    pub(super) fn completed(&mut self, now: Instant) {
        self.forget_before(now);
        self.completed.push_back(now);
    }

    /// Records that the vault throttled a request.
    pub(super) fn throttled(&mut self) {
        self.is_sliding_window = true;
    }

    fn window_left(&mut self, in_flight: usize, now: Instant) -> u32 {
        self.forget_before(now);
        let counted = u32::try_from(self.completed.len() + in_flight).unwrap_or(u32::MAX);
        self.bucket.rate.burst.saturating_sub(counted)
    }

    fn forget_before(&mut self, now: Instant) {
        while self.completed.front().is_some_and(|time| *time + WINDOW <= now) {
            self.completed.pop_front();
        }
    }
}

/// Returns the rate of a bucket that allows ten seconds' worth at once.
fn rate(per_second: u32) -> TokenRate {
    TokenRate { burst: per_second.saturating_mul(10), refill: Duration::from_secs(1) / per_second }
}

const WINDOW: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use std::cmp::Reverse;
    use std::collections::BinaryHeap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ten_seconds_worth_goes_at_once_and_the_rate_from_then_on() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut quota = Quota::new(4, start);
        for _ in 0..40 {
            assert_eq!(quota.next(0, start), None);
            quota.take(start);
        }
        assert_eq!(quota.next(0, start), Some(at(250)));
        assert!(!quota.is_empty(0, at(250)));
        quota.take(at(250));
        assert_eq!(quota.next(0, at(60_000)), None);
        quota.slow_to(2);
        quota.slow_to(9);
        assert_eq!(quota.bucket.rate.refill, Duration::from_millis(500));
    }

    #[test]
    fn once_throttled_a_token_returns_ten_seconds_after_its_request_completed() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut quota = Quota::new(1, start);
        quota.throttled();
        assert_eq!(quota.window_left(0, start), 10);
        assert!(quota.is_empty(10, start));
        assert_eq!(quota.next(10, start), None, "requests in flight complete at an unknown time");
        (0..4).for_each(|_| quota.completed(at(2_000)));
        quota.completed(at(2_000));
        (0..5).for_each(|_| quota.completed(at(7_000)));
        assert_eq!(quota.next(0, at(7_000)), Some(at(12_000)));
        assert!(quota.is_empty(0, at(11_999)));
        assert_eq!((quota.window_left(0, at(12_000)), quota.next(0, at(12_000))), (5, None));
        assert_eq!(quota.window_left(3, at(17_000)), 7);
        let mut fast = Quota::new(u32::MAX, start);
        fast.throttled();
        assert!(!fast.is_empty(3, start));
    }

    proptest! {
        /// Requests that wait until `next` never exceed the burst and the rate, whatever the gaps between them.
        #[test]
        fn no_more_pass_than_the_rate_allows(rate in 1u32..500, gaps in prop::collection::vec(0u64..2_000, 1..400)) {
            let start = Instant::now();
            let mut quota = Quota::new(rate, start);
            let mut now = start;
            for (sent, gap) in gaps.into_iter().enumerate() {
                now += Duration::from_millis(gap);
                now = quota.next(0, now).unwrap_or(now);
                prop_assert!(!quota.is_empty(0, now));
                quota.take(now);
                let allowed = f64::from(rate) * (10.0 + (now - start).as_secs_f64());
                prop_assert!((sent + 1) as f64 <= allowed + 1e-3, "{sent} at {:?}", now - start);
            }
        }

        /// Holds for any duration and order of requests, and at any moment at which the vault counts them.
        #[test]
        fn once_throttled_no_ten_seconds_contain_more_than_the_quota(
            rate in 1u32..15,
            requests in prop::collection::vec((0u64..60, 1u64..3_000), 1..300),
        ) {
            let mut now = Instant::now();
            let mut quota = Quota::new(rate, now);
            quota.throttled();
            let mut in_flight = BinaryHeap::new();
            let mut requests_sent: Vec<(Instant, Instant)> = Vec::new();
            for (gap, takes) in requests {
                now += Duration::from_millis(gap);
                loop {
                    while in_flight.peek().is_some_and(|Reverse(end)| *end <= now) {
                        quota.completed(in_flight.pop().unwrap().0);
                    }
                    if !quota.is_empty(in_flight.len(), now) {
                        break;
                    }
                    let completion = in_flight.peek().map(|Reverse(end)| *end);
                    now = completion.into_iter().chain(quota.next(in_flight.len(), now)).min().unwrap();
                }
                let end = now + Duration::from_millis(takes);
                in_flight.push(Reverse(end));
                requests_sent.push((now, end));
            }
            for (moment, _) in &requests_sent {
                let counts = |(sent, end): &&(Instant, Instant)| sent <= moment && *end + WINDOW > *moment;
                let counted = requests_sent.iter().filter(counts).count();
                prop_assert!(counted <= 10 * rate as usize, "{counted}");
            }
        }
    }
}
