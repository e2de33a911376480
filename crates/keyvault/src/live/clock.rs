//! The time of day, and the time that passes.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

/// Tells the time of day: that of the system, unless a test brings its own.
///
/// Expiry is a time of day, and so is what a host that slept can know of its sleep. Everything else is measured by
/// tokio's clock, which only goes forward.
#[derive(Clone)]
pub(super) struct WallClock(Arc<dyn Fn() -> SystemTime + Send + Sync>);

impl WallClock {
    pub(super) fn new(now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    pub(super) fn now(&self) -> SystemTime {
        (self.0)()
    }

    /// Tells the time by both clocks.
    pub(super) fn moment(&self) -> Moment {
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

/// A time by both clocks: one stands still while a host sleeps, the other may be set.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) instant: Instant,
    pub(super) time: SystemTime,
}

impl Moment {
    /// Tells how much time has passed at least by one of the clocks.
    pub(super) fn until(self, now: Moment) -> Duration {
        let by_day = now.time.duration_since(self.time).unwrap_or_default();
        now.instant.saturating_duration_since(self.instant).max(by_day)
    }

    /// Tells how long the host slept: how much more time has passed by the time of day. A clock that is set counts as
    /// sleep, which costs one refresh.
    pub(super) fn sleep_until(self, now: Moment) -> Duration {
        self.until(now).saturating_sub(now.instant.saturating_duration_since(self.instant))
    }
}
