//! The requests to a vault, per second.

use std::collections::BTreeMap;

use tokio::time::Instant;

/// The number of requests per second of arrival.
#[derive(Default)]
pub(super) struct Traffic {
    first: Option<Instant>,
    seconds: BTreeMap<u64, Second>,
}

#[derive(Clone, Copy, Default)]
struct Second {
    served: u64,
    refused: u64,
    broken: u64,
}

impl Second {
    fn all(self) -> u64 {
        self.served + self.refused + self.broken
    }
}

impl Traffic {
    pub(super) fn served(&mut self, now: Instant) {
        self.second(now).served += 1;
    }

    pub(super) fn refused(&mut self, now: Instant) {
        self.second(now).refused += 1;
    }

    pub(super) fn broken(&mut self, now: Instant) {
        self.second(now).broken += 1;
    }

    fn second(&mut self, now: Instant) -> &mut Second {
        let first = *self.first.get_or_insert(now);
        self.seconds.entry((now - first).as_secs()).or_default()
    }

    pub(super) fn requests(&self) -> u64 {
        self.seconds.values().map(|second| second.all()).sum()
    }

    pub(super) fn refusals(&self) -> u64 {
        self.seconds.values().map(|second| second.refused).sum()
    }

    /// Returns the largest number of requests within this many seconds.
    pub(super) fn most_within(&self, seconds: u64) -> u64 {
        let within = |from: u64| self.seconds.range(from..from + seconds).map(|(_, second)| second.all()).sum();
        self.seconds.keys().map(|from| within(*from)).max().unwrap_or_default()
    }
}
