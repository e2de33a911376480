//! Counters of what a client sent.

use std::sync::atomic::{AtomicU64, Ordering};

/// The number of requests, refusals and connections of a client and its clones so far.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ClientStats {
    /// Requests sent. Each attempt counts.
    pub requests: u64,
    /// Requests that the vault answered with a 429.
    pub refusals: u64,
    /// Connections opened. Always 0 for a transport in
    /// [`client_options`](super::SecretClientBuilder::client_options).
    pub connections: u64,
}

impl ClientStats {
    /// Returns the difference to `before`.
    #[must_use]
    pub fn since(&self, before: &ClientStats) -> ClientStats {
        ClientStats {
            requests: self.requests.saturating_sub(before.requests),
            refusals: self.refusals.saturating_sub(before.refusals),
            connections: self.connections.saturating_sub(before.connections),
        }
    }
}

/// The counters behind [`ClientStats`].
#[derive(Debug, Default)]
pub(super) struct StatsCounters {
    requests: AtomicU64,
    refusals: AtomicU64,
    connections: AtomicU64,
}

impl StatsCounters {
    pub(super) fn sent(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn throttled(&self) {
        self.refusals.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn connected(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn read(&self) -> ClientStats {
        ClientStats {
            requests: self.requests.load(Ordering::Relaxed),
            refusals: self.refusals.load(Ordering::Relaxed),
            connections: self.connections.load(Ordering::Relaxed),
        }
    }
}
