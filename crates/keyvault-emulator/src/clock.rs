//! The clock of the vaults, which a test can shift and freeze.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Returns the unadjusted time.
pub(crate) type TimeSource = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// A clock: a time source and the adjustments made to it since the start.
pub(crate) struct Clock {
    source: TimeSource,
    adjustment: Mutex<Adjustment>,
}

#[derive(Clone, Copy, Default)]
struct Adjustment {
    /// Nanoseconds that the clock is ahead of its source.
    shift: i128,
    /// The time the clock shows while it is frozen, in nanoseconds since 1970.
    frozen_at: Option<i128>,
}

impl Clock {
    /// Creates a clock that runs with its source.
    pub(crate) fn new(source: TimeSource) -> Self {
        Self { source, adjustment: Mutex::default() }
    }

    /// Returns the time since 1970.
    pub(crate) fn now(&self) -> Duration {
        let adjustment = *self.adjustment();
        let nanos = adjustment.frozen_at.unwrap_or_else(|| self.source().saturating_add(adjustment.shift));
        since_1970(nanos)
    }

    /// Returns by how many seconds the clock is ahead of its source, rounded towards zero.
    pub(crate) fn shift_seconds(&self) -> i64 {
        let adjustment = *self.adjustment();
        let shift = adjustment.frozen_at.map_or(adjustment.shift, |at| at.saturating_sub(self.source()));
        let seconds = shift / NANOS;
        i64::try_from(seconds).unwrap_or(if seconds < 0 { i64::MIN } else { i64::MAX })
    }

    /// Returns whether the clock is frozen.
    pub(crate) fn is_frozen(&self) -> bool {
        self.adjustment().frozen_at.is_some()
    }

    /// Shifts the clock by a number of seconds, forward or back. A frozen clock stays frozen, at the new time.
    pub(crate) fn shift(&self, seconds: f64) {
        // The conversion from a float saturates, so an absurd number shifts far and never panics.
        self.shift_nanos((seconds * 1e9) as i128);
    }

    /// Shifts the clock forward.
    pub(crate) fn advance(&self, by: Duration) {
        self.shift_nanos(nanos(by));
    }

    /// Shifts the clock back.
    pub(crate) fn rewind(&self, by: Duration) {
        self.shift_nanos(-nanos(by));
    }

    /// Shifts the clock to a time since 1970.
    pub(crate) fn set(&self, now: Duration) {
        self.shift_nanos(nanos(now) - nanos(self.now()));
    }

    /// Freezes the clock at the current time.
    pub(crate) fn freeze(&self) {
        let now = nanos(self.now());
        self.adjustment().frozen_at = Some(now);
    }

    /// Lets a frozen clock run again, from the time it shows.
    pub(crate) fn resume(&self) {
        let source = self.source();
        let mut adjustment = self.adjustment();
        if let Some(at) = adjustment.frozen_at.take() {
            adjustment.shift = at.saturating_sub(source);
        }
    }

    /// Undoes every adjustment.
    pub(crate) fn reset(&self) {
        *self.adjustment() = Adjustment::default();
    }

    fn shift_nanos(&self, by: i128) {
        let mut adjustment = self.adjustment();
        adjustment.shift = adjustment.shift.saturating_add(by);
        adjustment.frozen_at = adjustment.frozen_at.map(|at| at.saturating_add(by));
    }

    fn source(&self) -> i128 {
        nanos((self.source)().duration_since(UNIX_EPOCH).unwrap_or_default())
    }

    fn adjustment(&self) -> MutexGuard<'_, Adjustment> {
        self.adjustment.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clock").field("now", &self.now()).finish_non_exhaustive()
    }
}

fn nanos(duration: Duration) -> i128 {
    i128::try_from(duration.as_nanos()).unwrap_or(i128::MAX)
}

/// Clamps a time to the years 1970 to 9999, the range of the dates that the service writes.
fn since_1970(nanos: i128) -> Duration {
    let nanos = nanos.clamp(0, LATEST_SECOND * NANOS);
    // Both fit after the clamp.
    Duration::new(u64::try_from(nanos / NANOS).unwrap_or(0), u32::try_from(nanos % NANOS).unwrap_or(0))
}

const NANOS: i128 = 1_000_000_000;
/// The last second of the year 9999.
const LATEST_SECOND: i128 = 253_402_300_799;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_shifts_freezes_and_resumes_from_the_time_it_shows() {
        let source = Arc::new(Mutex::new(1_000_u64));
        let read = Arc::clone(&source);
        let clock = Clock::new(Arc::new(move || UNIX_EPOCH + Duration::from_secs(*read.lock().unwrap())));
        let run = |seconds: u64| *source.lock().unwrap() += seconds;
        let now = || clock.now().as_secs();

        clock.shift(100.0);
        assert_eq!((now(), clock.shift_seconds()), (1_100, 100));
        clock.freeze();
        run(50);
        assert_eq!((now(), clock.is_frozen(), clock.shift_seconds()), (1_100, true, 50));
        clock.shift(-10.5);
        assert_eq!(clock.now(), Duration::from_millis(1_089_500));
        clock.resume();
        run(1);
        assert_eq!((clock.now(), clock.is_frozen()), (Duration::from_millis(1_090_500), false));
        clock.set(Duration::from_secs(5));
        assert_eq!(now(), 5);
        clock.shift(-1e300);
        assert_eq!(now(), 0);
        clock.reset();
        clock.shift(1e300);
        assert_eq!(now(), 253_402_300_799);
        clock.reset();
        assert_eq!((now(), clock.shift_seconds()), (1_051, 0));
        clock.freeze();
        clock.shift(-1e300);
        assert_eq!((now(), clock.shift_seconds()), (0, i64::MIN));
        clock.resume();
        assert_eq!(now(), 0);
    }
}
