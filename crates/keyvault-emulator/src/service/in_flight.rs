//! The number of requests in progress.

use std::sync::atomic::{AtomicU64, Ordering};

/// The number of requests in progress, and its maximum.
#[derive(Debug, Default)]
pub(crate) struct InFlight {
    current: AtomicU64,
    max: AtomicU64,
}

impl InFlight {
    /// Returns the maximum since the last reset.
    pub(crate) fn max(&self) -> u64 {
        self.max.load(Ordering::SeqCst)
    }

    /// Resets the maximum to the current number.
    pub(crate) fn reset(&self) {
        self.max.store(self.current.load(Ordering::SeqCst), Ordering::SeqCst);
    }

    /// Counts a request until the guard is dropped.
    pub(crate) fn enter(&self) -> InFlightGuard<'_> {
        let current = self.current.fetch_add(1, Ordering::SeqCst) + 1;
        self.max.fetch_max(current, Ordering::SeqCst);
        InFlightGuard(self)
    }
}

/// A request in progress.
pub(crate) struct InFlightGuard<'a>(&'a InFlight);

impl Drop for InFlightGuard<'_> {
    fn drop(&mut self) {
        self.0.current.fetch_sub(1, Ordering::SeqCst);
    }
}
