//! What a client sent.

use std::sync::atomic::{AtomicU64, Ordering};

/// How much a client asked of its vault since it was made, its clones included.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ClientStats {
    /// Requests sent: every attempt counts.
    pub requests: u64,
    /// Requests that the vault refused with a 429.
    pub refusals: u64,
    /// Connections opened; none are counted on a transport that
    /// [`client_options`](crate::SecretClientBuilder::client_options) brought.
    pub connections: u64,
}

impl ClientStats {
    /// Tells what was sent since `before`.
    #[must_use]
    pub fn since(&self, before: &ClientStats) -> ClientStats {
        ClientStats {
            requests: self.requests.saturating_sub(before.requests),
            refusals: self.refusals.saturating_sub(before.refusals),
            connections: self.connections.saturating_sub(before.connections),
        }
    }
}

/// Counts it.
#[derive(Debug, Default)]
pub(super) struct Counters {
    requests: AtomicU64,
    refusals: AtomicU64,
    connections: AtomicU64,
}

impl Counters {
    pub(super) fn sent(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn refused(&self) {
        self.refusals.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn connected(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn traffic(&self) -> ClientStats {
        ClientStats {
            requests: self.requests.load(Ordering::Relaxed),
            refusals: self.refusals.load(Ordering::Relaxed),
            connections: self.connections.load(Ordering::Relaxed),
        }
    }
}
