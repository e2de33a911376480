//! The decision when a request may start: plain data that is passed the time.

use tokio::time::Instant;

use super::super::retry::{self, RetryReason};
use super::concurrency::ConcurrencyLimit;
use super::quota::Quota;

/// The state of a rate limit: quota, requests in flight, and cool-off.
#[derive(Clone, Debug)]
pub(super) struct Admission {
    pub(super) quota: Quota,
    concurrency: ConcurrencyLimit,
    in_flight: usize,
    /// Counts refusals. The outcome of a request that was sent before the last refusal says nothing about the time
    /// after it.
    pub(super) epoch: u64,
    refusals_in_a_row: u32,
    successes_since: u32,
    /// When the current cool-off ends, or when the last one did.
    pub(super) cool_off_end: Option<Instant>,
    /// The number of requests that the vault accepted beyond the quota of ten seconds.
    accepted_beyond: u32,
}

/// The decision on the next request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Decision {
    Admit,
    WaitUntil(Instant),
    /// Wait until another request completes.
    WaitForPermit,
}

impl Admission {
    pub(super) fn new(per_second: u32, now: Instant) -> Self {
        Self {
            quota: Quota::new(per_second, now),
            concurrency: ConcurrencyLimit::new(MAX_HTTP1_CONNECTIONS),
            in_flight: 0,
            epoch: 0,
            refusals_in_a_row: 0,
            successes_since: 0,
            cool_off_end: None,
            accepted_beyond: 0,
        }
    }

    pub(super) fn allow_http2(&mut self) {
        self.concurrency.raise_maximum(MAX_HTTP2_STREAMS);
    }

    /// Decides on the next request, and counts it as in flight if it is admitted.
    pub(super) fn admit(&mut self, now: Instant) -> Decision {
        if let Some(time) = self.closed_until(now) {
            return Decision::WaitUntil(time);
        }
        // How the vault counts is unknown. If it throttles now, it throttles everything in flight.
        let is_in_doubt = self.accepted_beyond < PROOF && self.quota.is_exceeded(self.in_flight, now);
        let limit = self.concurrency.limit();
        let limit = if is_in_doubt { limit.min(MAX_IN_DOUBT) } else { limit };
        if self.in_flight >= limit || self.quota.is_empty(self.in_flight, now) {
            return Decision::WaitForPermit;
        }
        self.quota.take(now);
        self.in_flight += 1;
        Decision::Admit
    }

    /// Returns until when no request may start, however few are in flight.
    pub(super) fn closed_until(&mut self, now: Instant) -> Option<Instant> {
        let cool_off = self.cool_off_end.filter(|end| *end > now);
        cool_off.max(self.quota.next(self.in_flight, now))
    }

    /// Records that a request is no longer in flight.
    pub(super) fn completed(&mut self, now: Instant) {
        self.in_flight -= 1;
        self.quota.completed(now);
    }

    pub(super) fn succeeded(&mut self, epoch: u64, now: Instant) {
        if epoch == self.epoch {
            if self.accepted_beyond < PROOF && self.quota.is_exceeded(self.in_flight, now) {
                self.accepted_beyond += 1;
            }
            self.successes_since = self.successes_since.saturating_add(1);
            self.concurrency.succeeded();
        }
    }

    /// Starts or extends the cool-off. The first refusal of an epoch counts; the others of the same epoch repeat it.
    pub(super) fn throttled(&mut self, epoch: u64, reason: RetryReason, now: Instant, random: f64) {
        if epoch == self.epoch {
            self.epoch += 1;
            self.refusals_in_a_row = if self.has_recovered(now) { 1 } else { self.refusals_in_a_row.saturating_add(1) };
            self.successes_since = 0;
            self.quota.throttled();
            self.concurrency.throttled();
        }
        let end = now + retry::cool_off(self.refusals_in_a_row, reason, random);
        self.cool_off_end = self.cool_off_end.max(Some(end));
    }

    /// Returns whether the vault has recovered from the last refusal. Single successes do not prove that: many clients
    /// that share a vault each get some.
    fn has_recovered(&self, now: Instant) -> bool {
        let is_long_ago = self.cool_off_end.is_none_or(|end| end + RECOVERY_TIME <= now);
        self.successes_since >= RECOVERY_SUCCESSES || is_long_ago
    }
}

/// More successes than a client gets between refusals when many share a vault.
const RECOVERY_SUCCESSES: u32 = 10;

/// Longer than the longest cool-off.
const RECOVERY_TIME: std::time::Duration = std::time::Duration::from_secs(90);

/// The number of requests in flight while a vault may start to throttle.
const MAX_IN_DOUBT: usize = 16;

/// The number of requests beyond the quota that prove that a vault does not count by a sliding window: more than the
/// difference between its limit and ours, plus the requests in flight.
const PROOF: u32 = 160;

/// One connection for each request: enough for the limit of the service at any latency below 150 ms.
const MAX_HTTP1_CONNECTIONS: u16 = 64;

/// The number of streams that most HTTP/2 servers allow on a connection.
const MAX_HTTP2_STREAMS: u16 = 100;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn admission(per_second: u32) -> Admission {
        Admission::new(per_second, Instant::now())
    }

    /// Refuses the newest request; returns the seconds of cool-off.
    fn refuse(admission: &mut Admission, now: Instant) -> u64 {
        admission.throttled(admission.epoch, RetryReason::Throttled, now, 0.5);
        admission.cool_off_end.map_or(0, |end| (end - now).as_secs())
    }

    fn succeed(admission: &mut Admission, times: u32) {
        (0..times).for_each(|_| admission.succeeded(admission.epoch, Instant::now()));
    }

    #[test]
    fn cool_offs_grow_although_some_requests_succeed_in_between() {
        let (mut admission, mut now) = (admission(396), Instant::now());
        let pauses = [1, 2, 4, 8, 16, 32, 64, 64].map(|expected| {
            let pause = refuse(&mut admission, now);
            now += Duration::from_secs(pause);
            succeed(&mut admission, 3);
            (pause, expected)
        });
        assert!(pauses.iter().all(|(pause, expected)| pause == expected), "{pauses:?}");
    }

    #[test]
    fn after_many_successes_or_a_long_time_cool_offs_start_anew() {
        let (mut admission, now) = (admission(396), Instant::now());
        let later = |seconds| now + Duration::from_secs(seconds);
        assert_eq!([refuse(&mut admission, now), refuse(&mut admission, later(1))], [1, 2]);
        succeed(&mut admission, RECOVERY_SUCCESSES);
        assert_eq!([refuse(&mut admission, later(3)), refuse(&mut admission, later(4))], [1, 2]);
        assert_eq!(refuse(&mut admission, later(6) + RECOVERY_TIME), 1);
    }

    #[test]
    fn beyond_the_quota_few_requests_are_in_flight_until_the_vault_has_accepted_enough() {
        let start = Instant::now();
        let mut admission = Admission::new(10, start);
        let send_all = |admission: &mut Admission, now| {
            let sent = std::iter::from_fn(|| (admission.admit(now) == Decision::Admit).then_some(())).count();
            (0..sent).for_each(|_| admission.succeeded(admission.epoch, now));
            (0..sent).for_each(|_| admission.completed(now));
            sent
        };
        // As many as may be in flight, then the rest of the quota.
        assert_eq!([send_all(&mut admission, start), send_all(&mut admission, start)], [64, 36]);
        let later = start + Duration::from_secs(9);
        let sent: Vec<usize> = (0..4).map(|_| send_all(&mut admission, later)).collect();
        assert_eq!(sent, [16, 16, 16, 16], "of 90 tokens");
        admission.accepted_beyond = PROOF;
        assert_eq!(send_all(&mut admission, later), 26);
    }

    #[test]
    fn outcomes_of_requests_sent_before_a_refusal_do_not_count_after_it() {
        let (mut admission, now) = (admission(396), Instant::now());
        let before = admission.epoch;
        admission.throttled(before, RetryReason::Throttled, now, 0.5);
        (0..50).for_each(|_| admission.throttled(before, RetryReason::Throttled, now, 0.5));
        (0..RECOVERY_SUCCESSES).for_each(|_| admission.succeeded(before, now));
        let state = (admission.refusals_in_a_row, admission.successes_since, admission.concurrency.limit());
        assert_eq!(state, (1, 0, 1));
    }
}
