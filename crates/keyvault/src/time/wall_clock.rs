//! The time of day beside the time that passes.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

/// A clock that shows the time of day: the system's, or one that a test supplies.
///
/// Expiry dates are times of day, and only the time of day shows how long a host was suspended. Everything else is
/// measured by tokio's clock, which only moves forward.
#[derive(Clone)]
pub(crate) struct WallClock(Arc<dyn Fn() -> SystemTime + Send + Sync>);

impl WallClock {
    /// Creates a clock that calls `now`.
    pub(crate) fn new(now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// Returns the time of day.
    pub(crate) fn now(&self) -> SystemTime {
        (self.0)()
    }

    /// Returns the time by both clocks.
    pub(crate) fn moment(&self) -> Moment {
        Moment { instant: Instant::now(), time: self.now() }
    }
}

impl Default for WallClock {
    fn default() -> Self {
        Self::new(SystemTime::now)
    }
}

impl fmt::Debug for WallClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WallClock").field(&self.now()).finish()
    }
}

/// A time by both clocks: one stands still while the host is suspended, the other may be set by hand.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(crate) instant: Instant,
    pub(crate) time: SystemTime,
}

impl Moment {
    /// Returns the time that has passed until `now`, by the clock that shows more.
    pub(crate) fn until(self, now: Moment) -> Duration {
        let by_day = now.time.duration_since(self.time).unwrap_or_default();
        now.instant.saturating_duration_since(self.instant).max(by_day)
    }

    /// Returns how long the host was suspended until `now`: how much further the time of day moved than tokio's clock.
    ///
    /// A clock that is set forward looks like a suspension, which costs one refresh.
    pub(crate) fn suspended_until(self, now: Moment) -> Duration {
        self.until(now).saturating_sub(now.instant.saturating_duration_since(self.instant))
    }
}
