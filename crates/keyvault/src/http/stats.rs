//! Counters of what a client sent.

use std::sync::{Mutex, PoisonError};

/// The number of requests, refusals and connections of a client and its clones so far.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ClientStats {
    /// Requests sent. Each attempt counts.
    pub requests: u64,
    /// Requests that the vault answered with a 429.
    pub refusals: u64,
    /// Connections opened. Always 0 for a transport in
    /// [`client_options`](crate::client::SecretClientBuilder::client_options).
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
pub(super) struct StatsCounters(Mutex<ClientStats>);

impl StatsCounters {
    pub(super) fn count(&self, change: impl FnOnce(&mut ClientStats)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    pub(super) fn read(&self) -> ClientStats {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
