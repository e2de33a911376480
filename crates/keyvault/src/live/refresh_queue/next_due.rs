//! Whether a refresh is due, for callers in the middle of a request.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use crate::time::Moment;

/// When the next refresh is due, by both clocks. A query costs two loads and allocates nothing.
pub(super) struct NextDue {
    begun: Instant,
    /// Milliseconds since `begun`.
    instant: AtomicU64,
    /// Milliseconds since 1970: only the time of day shows that a host was suspended.
    time: AtomicU64,
}

impl NextDue {
    /// Creates a state in which no refresh is ever due.
    pub(super) fn never(begun: Instant) -> Self {
        Self { begun, instant: AtomicU64::new(u64::MAX), time: AtomicU64::new(u64::MAX) }
    }

    /// Records when the next refresh is due.
    pub(super) fn set(&self, due: Instant, now: Moment) {
        let time = now.time + due.saturating_duration_since(now.instant);
        self.instant.store(millis(due.saturating_duration_since(self.begun)), Ordering::Relaxed);
        self.time.store(millis_of_day(time), Ordering::Relaxed);
    }

    /// Returns whether a refresh is due. One that runs counts as due.
    pub(super) fn is_due(&self, now: Moment) -> bool {
        millis(now.instant.saturating_duration_since(self.begun)) >= self.instant.load(Ordering::Relaxed)
            || millis_of_day(now.time) >= self.time.load(Ordering::Relaxed)
    }
}

fn millis(passed: Duration) -> u64 {
    u64::try_from(passed.as_millis()).unwrap_or(u64::MAX)
}

fn millis_of_day(time: SystemTime) -> u64 {
    millis(time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default())
}
