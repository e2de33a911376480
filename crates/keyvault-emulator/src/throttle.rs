//! Throttling: how many requests a vault takes in a window of time.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use crate::emulator::Emulator;
use crate::error::WireError;
use crate::route::Operation;

/// How many requests a vault takes; what is beyond is answered 429, and does not count.
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
    /// Takes the limits of the service: 300 new versions and 4,000 other requests in 10 seconds, and no `Retry-After`.
    ///
    /// See [service limits](https://learn.microsoft.com/azure/key-vault/general/service-limits).
    pub fn service() -> Self {
        Self { sets: 300, others: 4_000, window: Duration::from_secs(10), retry_after: None }
    }

    /// Sets how many new versions can be set in a window. Default: 300.
    pub fn sets(mut self, count: u32) -> Self {
        self.sets = count;
        self
    }

    /// Sets how many other requests there can be in a window. Default: 4,000.
    pub fn others(mut self, count: u32) -> Self {
        self.others = count;
        self
    }

    /// Sets how long a request counts, by the emulator's clock. Default: 10 seconds.
    pub fn window(mut self, window: Duration) -> Self {
        self.window = window;
        self
    }

    /// Sends `Retry-After`, in whole seconds. Default: none, as the service.
    pub fn retry_after(mut self, time: Duration) -> Self {
        self.retry_after = Some(time);
        self
    }
}

/// The limits, if there are any, and what counts towards them.
#[derive(Debug, Default)]
pub(crate) struct Throttling {
    limits: Option<Throttle>,
    /// By vault: when requests came, oldest first.
    traffic: HashMap<String, Traffic>,
}

#[derive(Debug, Default)]
struct Traffic {
    sets: VecDeque<Duration>,
    others: VecDeque<Duration>,
}

impl Throttling {
    /// Sets the limits, or none; counts from here on.
    pub(crate) fn set(&mut self, limits: Option<Throttle>) {
        *self = Self { limits, traffic: HashMap::new() };
    }

    /// Returns the limits.
    pub(crate) fn limits(&self) -> Option<Throttle> {
        self.limits
    }

    /// Counts a request, or refuses it.
    pub(crate) fn admit(&mut self, vault: &str, operation: Operation, now: Duration) -> Result<(), WireError> {
        let Some(limits) = self.limits else { return Ok(()) };
        // The key is made once per vault, not per request.
        if !self.traffic.contains_key(vault) {
            self.traffic.insert(vault.to_owned(), Traffic::default());
        }
        let Some(traffic) = self.traffic.get_mut(vault) else { return Ok(()) };
        let (arrivals, most) = match operation {
            Operation::Set => (&mut traffic.sets, limits.sets),
            _ => (&mut traffic.others, limits.others),
        };
        // A clock can go back: what is in the future does not count.
        arrivals.retain(|arrival| *arrival <= now && now - *arrival < limits.window);
        if arrivals.len() >= most as usize {
            return Err(WireError::throttled().retry_after(limits.retry_after));
        }
        arrivals.push_back(now);
        Ok(())
    }
}

/// How much a vault takes. A request counts when its token is good, whatever comes of it.
impl Emulator {
    /// Throttles each vault from now on.
    pub fn throttle(&self, limits: Throttle) {
        self.engine.service.state().throttling.set(Some(limits));
    }

    /// Throttles no longer.
    pub fn unthrottle(&self) {
        self.engine.service.state().throttling.set(None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_slides_and_what_is_refused_does_not_count() {
        let mut throttling = Throttling::default();
        throttling.set(Some(Throttle::service().sets(1).others(2)));
        let mut status = |vault: &str, operation, seconds| {
            throttling.admit(vault, operation, Duration::from_secs(seconds)).map_or_else(|error| error.status, |()| 200)
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
