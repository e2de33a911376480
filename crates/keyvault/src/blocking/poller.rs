//! Operations that the vault completes in its own time.

use std::future::IntoFuture;
use std::time::Duration;

use super::worker::Worker;
use crate::client::{self, Polled};
use crate::error::Result;

/// A deletion or a recovery that a vault has started, like [`keyvault::client::Poller`](client::Poller).
#[must_use = "the vault completes the operation in any case; wait before you use the secret or its name"]
#[derive(Debug)]
pub struct Poller<T> {
    worker: Worker,
    poller: client::Poller<T>,
}

#[allow(private_bounds, reason = "only this crate defines the results of pollers")]
impl<T: Polled> Poller<T> {
    pub(super) fn new(worker: &Worker, poller: client::Poller<T>) -> Self {
        Self { worker: worker.clone(), poller }
    }

    /// Returns the secret as the vault described it when the operation started.
    pub fn started(&self) -> &T {
        self.poller.started()
    }

    /// Sets the pause between two polls. Default: 2 seconds. At least 10 milliseconds, also if `interval` is shorter.
    pub fn interval(self, interval: Duration) -> Self {
        Self { poller: self.poller.interval(interval), ..self }
    }

    /// Sets the longest time to [wait](Self::wait). Default: 2 minutes.
    pub fn deadline(self, deadline: Duration) -> Self {
        Self { poller: self.poller.deadline(deadline), ..self }
    }

    /// Polls once, like [`poll`](client::Poller::poll). Returns the result, or `None` while the operation is running.
    ///
    /// # Errors
    ///
    /// An [error of the request](crate::SecretClient#errors). The operation continues.
    pub fn poll(&self) -> Result<Option<T>> {
        self.worker.run(self.poller.poll())
    }

    /// Waits for the end and returns the result.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](crate::ErrorKind::Unavailable) at the deadline, or an
    /// [error of a request](crate::SecretClient#errors) that is not transient.
    pub fn wait(self) -> Result<T> {
        self.worker.run(self.poller.into_future())
    }
}
