//! Throttling: the number of requests that a vault or an App Configuration store accepts in a time window.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use crate::operations::Operation;

/// The limits of a vault or an App Configuration store. It rejects further requests with 429, and does not count them.
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

    /// Returns the limits of an App Configuration store in the standard tier: 30,000 requests in an hour, with
    /// `retry-after-ms`.
    ///
    /// See [pricing](https://azure.microsoft.com/pricing/details/app-configuration/).
    pub fn app_configuration() -> Self {
        Self { sets: 0, others: 30_000, window: Duration::from_secs(3_600), retry_after: None }
    }

    /// Sets the number of new versions in a window. No effect on a store, whose requests all count as others. Default
    /// of a vault: 300.
    pub fn sets(mut self, count: u32) -> Self {
        self.sets = count;
        self
    }

    /// Sets the number of other requests in a window. Default of a vault: 4,000. Default of a store: 30,000.
    pub fn others(mut self, count: u32) -> Self {
        self.others = count;
        self
    }

    /// Sets the length of the window, by the emulator's clock. Default of a vault: 10 seconds. Default of a store: an
    /// hour.
    pub fn window(mut self, window: Duration) -> Self {
        self.window = window;
        self
    }

    /// Sets the `Retry-After` of a 429 of a vault, rounded up to seconds, or the `retry-after-ms` of a 429 of a store.
    /// Default, as in the services: no header from a vault, and the time until the next request is accepted from a
    /// store.
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

/// A request that exceeds a limit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Throttled {
    /// The time until the next request is accepted.
    pub(crate) wait: Duration,
    /// The time that the response asks a client to wait, if it is set.
    pub(crate) retry_after: Option<Duration>,
}

/// The arrival times of the requests to one vault or store, oldest first.
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

    /// Counts a request to a vault or a store. Fails if it exceeds a limit.
    pub(crate) fn admit(&mut self, name: &str, operation: Operation, now: Duration) -> Result<(), Throttled> {
        let Some(limits) = self.limits else { return Ok(()) };
        // Allocates the key once per name, not per request.
        if !self.arrivals.contains_key(name) {
            self.arrivals.insert(name.to_owned(), Arrivals::default());
        }
        let Some(arrivals) = self.arrivals.get_mut(name) else { return Ok(()) };
        let (arrivals, limit) = match operation {
            Operation::Set => (&mut arrivals.sets, limits.sets),
            _ => (&mut arrivals.others, limits.others),
        };
        // The clock can move back; arrivals in the future do not count.
        arrivals.retain(|arrival| *arrival <= now && now - *arrival < limits.window);
        if arrivals.len() >= limit as usize {
            let wait = arrivals.front().map_or(limits.window, |oldest| limits.window.saturating_sub(now - *oldest));
            return Err(Throttled { wait, retry_after: limits.retry_after });
        }
        arrivals.push_back(now);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_of_any_length_has_an_end() {
        let mut throttler = Throttler::default();
        throttler.set(Some(Throttle::service().others(1).window(Duration::MAX)));
        let mut wait =
            |seconds| throttler.admit("a", Operation::Get, Duration::from_secs(seconds)).err().map(|e| e.wait);
        assert_eq!(wait(100), None);
        assert_eq!(wait(107), Some(Duration::MAX - Duration::from_secs(7)));
    }

    #[test]
    fn the_window_slides_and_rejected_requests_do_not_count() {
        let mut throttler = Throttler::default();
        throttler.set(Some(Throttle::service().sets(1).others(2)));
        let mut status = |vault: &str, operation, seconds| {
            throttler.admit(vault, operation, Duration::from_secs(seconds)).map_or(429, |()| 200)
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
