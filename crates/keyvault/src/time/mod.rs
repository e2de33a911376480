//! Pauses, rates, clocks and dates.
//!
//! Every module that waits takes its pauses from here, so that all of them grow, spread and end alike:
//!
//! 1. [`Backoff`]: the pause after so many failures in a row.
//! 2. [`TokenBucket`]: how often something may happen.
//! 3. [`WallClock`] and [`Moment`]: the time of day beside tokio's clock.
//! 4. [`rfc3339`]: a date as text.
//! 5. [`runtime_fault`]: whether the caller can wait at all.
//!
//! Only [`WallClock`] reads a clock, and nothing draws a random number: callers pass both in, so tests are exact.

mod backoff;
mod date;
mod runtime;
mod token_bucket;
mod wall_clock;

pub(crate) use self::backoff::{Backoff, jittered};
pub(crate) use self::date::rfc3339;
pub(crate) use self::runtime::runtime_fault;
pub(crate) use self::token_bucket::{TokenBucket, TokenRate};
pub(crate) use self::wall_clock::{Moment, WallClock};

use std::time::Duration;

use tokio::time::Instant;

/// Returns the instant `delay` after `now`, at most decades later: clocks cannot represent every duration.
pub(crate) fn instant_after(now: Instant, delay: Duration) -> Instant {
    now + delay.min(DECADES)
}

const DECADES: Duration = Duration::from_secs(30 * 365 * 86_400);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_at_most_decades_later() {
        let now = Instant::now();
        assert_eq!(instant_after(now, Duration::from_secs(5)), now + Duration::from_secs(5));
        for endless in [Duration::MAX, Duration::from_secs(i64::MAX as u64 / 2), DECADES * 2] {
            assert_eq!(instant_after(now, endless), now + DECADES);
        }
    }
}
