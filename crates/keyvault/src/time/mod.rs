//! Pauses, rates and clocks.
//!
//! Every room that waits takes its pauses from here, so that all of them grow, spread and end alike:
//!
//! 1. [`Backoff`]: the pause after so many failures in a row.
//! 2. [`TokenBucket`]: how often something may happen.
//! 3. [`WallClock`] and [`Moment`]: the time of day beside tokio's clock.
//!
//! Nothing here reads a clock or draws a random number by itself: callers pass both in, so tests are exact.

mod backoff;
mod token_bucket;
mod wall_clock;

pub(crate) use self::backoff::{Backoff, jittered};
pub(crate) use self::token_bucket::{TokenBucket, TokenRate};
pub(crate) use self::wall_clock::{Moment, WallClock};

use std::time::Duration;

use tokio::time::Instant;

/// Returns the instant `delay` after `now`, or one that is decades away if the clock cannot represent it.
pub(crate) fn instant_after(now: Instant, delay: Duration) -> Instant {
    now.checked_add(delay).unwrap_or_else(|| now + Duration::from_secs(30 * 365 * 86_400))
}
