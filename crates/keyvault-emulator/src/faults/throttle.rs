//! Throttling: the number of requests that a vault accepts in a time window.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use crate::operations::Operation;
use crate::protocol::ErrorResponse;

/// The limits of a vault. It rejects further requests with 429, and does not count them.
///
/// ```
/// use keyvault_emulator::Throttle;
///
/// let throttle = Throttle::service().others(100);
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use]
pub struct Throttle {
    pub(crate) sets: u32,
    pub(crate) others: u32,
    pub(crate) window: Duration,
    pub(crate) retry_after: Option<Duration>,
}

impl Throttle {
    /// Returns the limits of the service: 300 new versions and 4,000 other requests in 10 seconds, without
    /// `Retry-After`.
    ///
    /// See [service limits](https://learn.microsoft.com/azure/key-vault/general/service-limits).
    pub fn service() -> Self {
        Self { sets: 300, others: 4_000, window: Duration::from_secs(10), retry_after: None }
    }

    /// Sets the number of new versions in a window. Default: 300.
    pub fn sets(mut self, count: u32) -> Self {
        self.sets = count;
        self
    }

    /// Sets the number of other requests in a window. Default: 4,000.
    pub fn others(mut self, count: u32) -> Self {
        self.others = count;
        self
    }

    /// Sets the length of the window, by the emulator's clock. Default: 10 seconds.
    pub fn window(mut self, window: Duration) -> Self {
        self.window = window;
        self
    }

    /// Sets the `Retry-After` of a 429, in whole seconds. Default: no such header, as in the service.
    pub fn retry_after(mut self, time: Duration) -> Self {
        self.retry_after = Some(time);
        self
    }
}

/// The current limits, if any, and the requests that count towards them.
#[derive(Debug, Default)]
pub(crate) struct Throttler {
    limits: Option<Throttle>,
    arrivals: HashMap<String, Arrivals>,
}

/// The arrival times of one vault's requests, oldest first.
#[derive(Debug, Default)]
struct Arrivals {
    sets: VecDeque<Duration>,
    others: VecDeque<Duration>,
}

impl Throttler {
    /// Sets or removes the limits. Earlier requests no longer count.
    pub(crate) fn set(&mut self, limits: Option<Throttle>) {
        *self = Self { limits, arrivals: HashMap::new() };
    }

    /// Returns the limits.
    pub(crate) fn limits(&self) -> Option<Throttle> {
        self.limits
    }

    /// Counts a request. Fails if it exceeds a limit.
    pub(crate) fn admit(&mut self, vault: &str, operation: Operation, now: Duration) -> Result<(), ErrorResponse> {
        let Some(limits) = self.limits else { return Ok(()) };
        // Allocates the key once per vault, not per request.
        if !self.arrivals.contains_key(vault) {
            self.arrivals.insert(vault.to_owned(), Arrivals::default());
        }
        let Some(arrivals) = self.arrivals.get_mut(vault) else { return Ok(()) };
        let (arrivals, limit) = match operation {
            Operation::Set => (&mut arrivals.sets, limits.sets),
            _ => (&mut arrivals.others, limits.others),
        };
        // The clock can move back; arrivals in the future do not count.
        arrivals.retain(|arrival| *arrival <= now && now - *arrival < limits.window);
        if arrivals.len() >= limit as usize {
            return Err(ErrorResponse::throttled().retry_after(limits.retry_after));
        }
        arrivals.push_back(now);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_slides_and_rejected_requests_do_not_count() {
        let mut throttler = Throttler::default();
        throttler.set(Some(Throttle::service().sets(1).others(2)));
        let mut status = |vault: &str, operation, seconds| {
            throttler.admit(vault, operation, Duration::from_secs(seconds)).map_or_else(|error| error.status, |()| 200)
        };
        for (vault, operation, seconds, expected) in [
            ("a", Operation::Get, 100, 200),
            ("a", Operation::List, 105, 200),
            ("a", Operation::Get, 109, 429),
            ("a", Operation::Set, 109, 200),
            ("a", Operation::Set, 109, 429),
            ("b", Operation::Get, 109, 200),
            ("a", Operation::Get, 110, 200),
            ("a", Operation::Get, 110, 429),
            ("a", Operation::Get, 115, 200),
            ("a", Operation::Get, 20, 200),
        ] {
            assert_eq!(status(vault, operation, seconds), expected, "{operation:?} of {vault} at {seconds}");
        }
    }
}
