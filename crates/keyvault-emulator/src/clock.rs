//! The time, which a test can shift and stop.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::emulator::Emulator;

/// Tells the time that the clock starts from.
pub(crate) type Source = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// A clock: where the time comes from, and what was done to it since.
pub(crate) struct Clock {
    source: Source,
    setting: Mutex<Setting>,
}

#[derive(Clone, Copy, Default)]
struct Setting {
    /// Nanoseconds that the clock is ahead of its source.
    shift: i128,
    /// The moment at which it stands, in nanoseconds since 1970.
    stands_at: Option<i128>,
}

impl Clock {
    /// Makes a clock that runs with its source.
    pub(crate) fn new(source: Source) -> Self {
        Self { source, setting: Mutex::default() }
    }

    /// Returns the time since 1970.
    pub(crate) fn now(&self) -> Duration {
        let setting = *self.setting();
        let nanos = setting.stands_at.unwrap_or_else(|| self.source().saturating_add(setting.shift));
        since_1970(nanos)
    }

    /// Tells by how many seconds the clock is ahead of its source; cut towards zero.
    pub(crate) fn shift_seconds(&self) -> i64 {
        let setting = *self.setting();
        let shift = setting.stands_at.map_or(setting.shift, |at| at - self.source());
        i64::try_from(shift / NANOS).unwrap_or(i64::MAX)
    }

    /// Tells whether the clock stands still.
    pub(crate) fn is_frozen(&self) -> bool {
        self.setting().stands_at.is_some()
    }

    /// Moves the clock by a number of seconds, forward or back; one that stands still does so elsewhere then.
    pub(crate) fn shift(&self, seconds: f64) {
        // A float converts by saturation: nonsense moves far, and never panics.
        self.shift_nanos((seconds * 1e9) as i128);
    }

    /// Moves the clock to a moment.
    pub(crate) fn set(&self, now: Duration) {
        self.shift_nanos(nanos(now) - nanos(self.now()));
    }

    /// Stops the clock where it is.
    pub(crate) fn freeze(&self) {
        let now = nanos(self.now());
        self.setting().stands_at = Some(now);
    }

    /// Lets the clock run on from where it stands.
    pub(crate) fn resume(&self) {
        let source = self.source();
        let mut setting = self.setting();
        if let Some(at) = setting.stands_at.take() {
            setting.shift = at - source;
        }
    }

    /// Undoes all that was done to the clock.
    pub(crate) fn reset(&self) {
        *self.setting() = Setting::default();
    }

    fn shift_nanos(&self, by: i128) {
        let mut setting = self.setting();
        setting.shift = setting.shift.saturating_add(by);
        setting.stands_at = setting.stands_at.map(|at| at.saturating_add(by));
    }

    fn source(&self) -> i128 {
        nanos((self.source)().duration_since(UNIX_EPOCH).unwrap_or_default())
    }

    fn setting(&self) -> MutexGuard<'_, Setting> {
        self.setting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clock").field("now", &self.now()).finish_non_exhaustive()
    }
}

/// The clock that dates secrets and tokens, schedules purges and counts for throttling. Latencies do not follow it, nor
/// does the validity of the certificate that the listener shows.
impl Emulator {
    /// Returns what time it is for the vaults.
    pub fn now(&self) -> SystemTime {
        UNIX_EPOCH + self.engine.service.now()
    }

    /// Moves the clock forward: what is due by then — a purge, the end of a token — happens.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let emulator = keyvault_emulator::Emulator::start().await?;
    /// emulator.set("a", "1");
    /// emulator.delete("a");
    /// emulator.advance_clock(Duration::from_secs(90 * 86_400));
    /// emulator.set("a", "2"); // purged by then: the name is free
    /// # Ok(())
    /// # }
    /// ```
    pub fn advance_clock(&self, by: Duration) {
        self.engine.service.clock.shift_nanos(nanos(by));
    }

    /// Moves the clock back. What has happened meanwhile has happened.
    pub fn rewind_clock(&self, by: Duration) {
        self.engine.service.clock.shift_nanos(-nanos(by));
    }

    /// Stops the clock where it is. It can still be moved.
    pub fn freeze_clock(&self) {
        self.engine.service.clock.freeze();
    }

    /// Lets the clock run on from where it stands.
    pub fn resume_clock(&self) {
        self.engine.service.clock.resume();
    }

    /// Undoes all that was done to the clock since the start.
    pub fn reset_clock(&self) {
        self.engine.service.clock.reset();
    }
}

fn nanos(duration: Duration) -> i128 {
    i128::try_from(duration.as_nanos()).unwrap_or(i128::MAX)
}

/// Before 1970 it is 1970; after the year 9999, as far as dates go, it is that.
fn since_1970(nanos: i128) -> Duration {
    let nanos = nanos.clamp(0, LATEST * NANOS);
    // Both fit after the clamp.
    Duration::new(u64::try_from(nanos / NANOS).unwrap_or(0), u32::try_from(nanos % NANOS).unwrap_or(0))
}

const NANOS: i128 = 1_000_000_000;
/// The last second of the year 9999.
const LATEST: i128 = 253_402_300_799;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_moves_stops_and_runs_on_from_where_it_stood() {
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
    }
}
