//! How many requests a vault may be sent in a time.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// A bucket of tokens, of which every request takes one.
///
/// [The service tells its limit](https://learn.microsoft.com/azure/key-vault/general/service-limits) by ten seconds, and not how
/// it counts them. At first the bucket fills up by the second: it gives ten seconds' worth at once, and the rate from then on.
/// For a vault that counts what came in the last ten seconds, that is almost twice its limit in the first of them. So once
/// a vault has refused something, a token comes back only when ten seconds have passed since its request was over, and no ten
/// seconds see more than a bucket.
#[derive(Clone, Debug)]
pub(super) struct Bucket {
    per_second: u32,
    /// What requests have cost, in time; time pays it off.
    debt: Duration,
    as_of: Instant,
    /// How many requests were over at which time, the earliest first.
    over: VecDeque<(Instant, u32)>,
    is_strict: bool,
}

impl Bucket {
    pub(super) fn new(per_second: u32, now: Instant) -> Self {
        Self { per_second, debt: Duration::ZERO, as_of: now, over: VecDeque::new(), is_strict: false }
    }

    pub(super) fn slow_to(&mut self, per_second: u32) {
        self.per_second = self.per_second.min(per_second);
    }

    /// Tells whether nothing may be sent while so many requests are under way.
    pub(super) fn is_empty(&mut self, under_way: usize, now: Instant) -> bool {
        if self.is_strict { self.left(under_way, now) == 0 } else { !self.wait(now).is_zero() }
    }

    /// Tells whether a vault that counts what came in the last ten seconds would refuse more, and none has yet.
    pub(super) fn is_overdrawn(&mut self, under_way: usize, now: Instant) -> bool {
        !self.is_strict && self.left(under_way, now) == 0
    }

    /// Tells when the next token is there. None if there is one, or if all are with requests that are under way.
    pub(super) fn next(&mut self, under_way: usize, now: Instant) -> Option<Instant> {
        if !self.is_empty(under_way, now) {
            None
        } else if self.is_strict {
            self.over.front().map(|(time, _)| back(*time))
        } else {
            Some(now + self.wait(now))
        }
    }

    /// Takes a token.
    pub(super) fn take(&mut self, now: Instant) {
        self.debt = self.debt_at(now) + self.price();
        self.as_of = now;
    }

    /// Takes note that a request is over.
    pub(super) fn over(&mut self, now: Instant) {
        while self.over.front().is_some_and(|(time, _)| back(*time) <= now) {
            self.over.pop_front();
        }
        match self.over.back_mut() {
            Some((time, count)) if now.saturating_duration_since(*time) < GRAIN => *count += 1,
            _ => self.over.push_back((now, 1)),
        }
    }

    /// Takes note that the vault refused something.
    pub(super) fn refused(&mut self) {
        self.is_strict = true;
    }

    fn left(&mut self, under_way: usize, now: Instant) -> u32 {
        while self.over.front().is_some_and(|(time, _)| back(*time) <= now) {
            self.over.pop_front();
        }
        let away: u32 = self.over.iter().map(|(_, count)| count).sum();
        let under_way = u32::try_from(under_way).unwrap_or(u32::MAX);
        self.per_second.saturating_mul(10).saturating_sub(away.saturating_add(under_way))
    }

    fn wait(&self, now: Instant) -> Duration {
        (self.debt_at(now) + self.price()).saturating_sub(WINDOW)
    }

    fn debt_at(&self, now: Instant) -> Duration {
        self.debt.saturating_sub(now.saturating_duration_since(self.as_of))
    }

    fn price(&self) -> Duration {
        Duration::from_secs(1) / self.per_second
    }
}

/// Those that were over together come back when the last of them may.
fn back(time: Instant) -> Instant {
    time + GRAIN + WINDOW
}

const WINDOW: Duration = Duration::from_secs(10);

/// What is over within this time is kept as one.
const GRAIN: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use std::cmp::Reverse;
    use std::collections::BinaryHeap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ten_seconds_worth_goes_at_once_and_then_as_time_passes() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut bucket = Bucket::new(4, start);
        for _ in 0..40 {
            assert_eq!(bucket.next(0, start), None);
            bucket.take(start);
        }
        assert_eq!(bucket.next(0, start), Some(at(250)));
        assert!(!bucket.is_empty(0, at(250)));
        bucket.take(at(250));
        assert_eq!(bucket.next(0, at(60_000)), None);
        bucket.slow_to(2);
        bucket.slow_to(9);
        assert_eq!(bucket.price(), Duration::from_millis(500));
    }

    #[test]
    fn once_refused_a_token_comes_back_ten_seconds_after_its_request_was_over() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut bucket = Bucket::new(1, start);
        bucket.refused();
        assert_eq!(bucket.left(0, start), 10);
        assert!(bucket.is_empty(10, start));
        assert_eq!(bucket.next(10, start), None, "those that are under way come back who knows when");
        (0..4).for_each(|_| bucket.over(at(2_000)));
        bucket.over(at(2_099));
        (0..5).for_each(|_| bucket.over(at(7_000)));
        assert_eq!(bucket.next(0, at(7_000)), Some(at(12_100)));
        assert!(bucket.is_empty(0, at(12_099)));
        assert_eq!((bucket.left(0, at(12_100)), bucket.next(0, at(12_100))), (5, None));
        assert_eq!(bucket.left(3, at(17_100)), 7);
        let mut fast = Bucket::new(u32::MAX, start);
        fast.refused();
        assert!(!fast.is_empty(3, start));
    }

    proptest! {
        /// Whatever the gaps between them: requests that wait as they are told never exceed the burst and the rate.
        #[test]
        fn no_more_pass_than_the_rate_allows(rate in 1u32..500, gaps in prop::collection::vec(0u64..2_000, 1..400)) {
            let start = Instant::now();
            let mut bucket = Bucket::new(rate, start);
            let mut now = start;
            for (sent, gap) in gaps.into_iter().enumerate() {
                now += Duration::from_millis(gap);
                now = bucket.next(0, now).unwrap_or(now);
                prop_assert!(!bucket.is_empty(0, now));
                bucket.take(now);
                let allowed = f64::from(rate) * (10.0 + (now - start).as_secs_f64());
                prop_assert!((sent + 1) as f64 <= allowed + 1e-3, "{sent} at {:?}", now - start);
            }
        }

        /// However long each takes, however they come, and wherever on their way the vault counts them.
        #[test]
        fn once_refused_no_ten_seconds_see_more_than_a_bucket(
            rate in 1u32..15,
            requests in prop::collection::vec((0u64..60, 1u64..3_000), 1..300),
        ) {
            let mut now = Instant::now();
            let mut bucket = Bucket::new(rate, now);
            bucket.refused();
            let mut under_way = BinaryHeap::new();
            let mut ways: Vec<(Instant, Instant)> = Vec::new();
            for (gap, takes) in requests {
                now += Duration::from_millis(gap);
                loop {
                    while under_way.peek().is_some_and(|Reverse(end)| *end <= now) {
                        bucket.over(under_way.pop().unwrap().0);
                    }
                    if !bucket.is_empty(under_way.len(), now) {
                        break;
                    }
                    now = under_way.peek().map(|Reverse(end)| *end).into_iter().chain(bucket.next(under_way.len(), now)).min().unwrap();
                }
                let end = now + Duration::from_millis(takes);
                under_way.push(Reverse(end));
                ways.push((now, end));
            }
            for (moment, _) in &ways {
                let counted = ways.iter().filter(|(sent, end)| sent <= moment && *end + WINDOW > *moment).count();
                prop_assert!(counted <= 10 * rate as usize, "{counted}");
            }
        }
    }
}
