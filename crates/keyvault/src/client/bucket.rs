//! How many requests a vault may be sent in a time.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// A bucket of tokens. A request takes one, which comes back ten seconds after the request was over.
///
/// [The service counts](https://learn.microsoft.com/azure/key-vault/general/service-limits) by ten seconds, and counts a
/// request somewhere between its sending and its end. Wherever that is, it never counts more than one bucket in ten seconds.
/// A bucket that filled up by the second would let through almost two: all that is in it, and what comes in meanwhile.
#[derive(Clone, Debug)]
pub(super) struct Bucket {
    tokens: u32,
    /// How many requests were over at which time, the earliest first.
    over: VecDeque<(Instant, u32)>,
}

impl Bucket {
    pub(super) fn new(per_second: u32) -> Self {
        Self { tokens: in_a_window(per_second), over: VecDeque::new() }
    }

    pub(super) fn slow_to(&mut self, per_second: u32) {
        self.tokens = self.tokens.min(in_a_window(per_second));
    }

    /// Tells how many tokens are left while so many requests are under way.
    pub(super) fn left(&mut self, under_way: usize, now: Instant) -> u32 {
        while self.over.front().is_some_and(|(time, _)| back(*time) <= now) {
            self.over.pop_front();
        }
        let away: u32 = self.over.iter().map(|(_, count)| count).sum();
        let under_way = u32::try_from(under_way).unwrap_or(u32::MAX);
        self.tokens.saturating_sub(away.saturating_add(under_way))
    }

    /// Tells when the next token comes back; none if none is on its way.
    pub(super) fn next_back(&self) -> Option<Instant> {
        self.over.front().map(|(time, _)| back(*time))
    }

    /// Takes note that a request is over.
    pub(super) fn over(&mut self, now: Instant) {
        match self.over.back_mut() {
            Some((time, count)) if now.saturating_duration_since(*time) < GRAIN => *count += 1,
            _ => self.over.push_back((now, 1)),
        }
    }
}

fn in_a_window(per_second: u32) -> u32 {
    per_second.saturating_mul(10)
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
    fn a_token_comes_back_ten_seconds_after_its_request_was_over() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut bucket = Bucket::new(1);
        assert_eq!(bucket.left(0, start), 10);
        assert_eq!(bucket.left(10, start), 0);
        assert_eq!(bucket.next_back(), None, "those that are under way come back who knows when");
        (0..4).for_each(|_| bucket.over(at(2_000)));
        bucket.over(at(2_099));
        (0..5).for_each(|_| bucket.over(at(7_000)));
        assert_eq!((bucket.left(0, at(7_000)), bucket.next_back()), (0, Some(at(12_100))));
        assert_eq!(bucket.left(0, at(12_099)), 0);
        assert_eq!(bucket.left(0, at(12_100)), 5);
        assert_eq!(bucket.left(3, at(17_100)), 7);
        bucket.slow_to(9);
        assert_eq!(bucket.left(3, at(17_100)), 7);
        Bucket::new(u32::MAX).slow_to(1);
    }

    proptest! {
        /// However long each takes, however they come, and wherever on their way the vault counts them.
        #[test]
        fn no_ten_seconds_see_more_than_a_bucket(
            rate in 1u32..15,
            requests in prop::collection::vec((0u64..60, 1u64..3_000), 1..300),
        ) {
            let (mut bucket, mut now) = (Bucket::new(rate), Instant::now());
            let mut under_way = BinaryHeap::new();
            let mut ways: Vec<(Instant, Instant)> = Vec::new();
            for (gap, takes) in requests {
                now += Duration::from_millis(gap);
                loop {
                    while under_way.peek().is_some_and(|Reverse(end)| *end <= now) {
                        bucket.over(under_way.pop().unwrap().0);
                    }
                    if bucket.left(under_way.len(), now) > 0 {
                        break;
                    }
                    now = under_way.peek().map(|Reverse(end)| *end).into_iter().chain(bucket.next_back()).min().unwrap();
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
