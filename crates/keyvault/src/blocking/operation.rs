//! Operations that the vault completes in its own time.

use std::time::Duration;

use super::worker::Worker;
use crate::client::DeletedSecret;
use crate::error::Result;
use crate::secret::SecretProperties;

macro_rules! operation {
    ($(#[$about:meta])* $name:ident, $started:ident, $output:ty) => {
        $(#[$about])*
        #[must_use = "the vault completes the operation in any case; wait before you use the secret or its name"]
        #[derive(Debug)]
        pub struct $name {
            worker: Worker,
            operation: crate::client::$name,
        }

        impl $name {
            pub(super) fn new(worker: &Worker, operation: crate::client::$name) -> Self {
                Self { worker: worker.clone(), operation }
            }

            /// Returns the secret as the vault described it when the operation started.
            pub fn $started(&self) -> &$output {
                self.operation.$started()
            }

            /// Sets the pause between two polls. Default: 2 seconds.
            pub fn interval(self, interval: Duration) -> Self {
                Self { operation: self.operation.interval(interval), ..self }
            }

            /// Sets the longest time to [wait](Self::wait). Default: 2 minutes.
            pub fn deadline(self, deadline: Duration) -> Self {
                Self { operation: self.operation.deadline(deadline), ..self }
            }

            /// Polls once. Returns the result, or `None` while the operation is running. Costs one request.
            ///
            /// # Errors
            ///
            /// An [error of the request](crate::SecretClient#errors). The operation continues.
            pub fn poll(&self) -> Result<Option<$output>> {
                let operation = self.operation.clone();
                self.worker.run(async move { operation.poll().await })
            }

            /// Waits for the end and returns the result.
            ///
            /// # Errors
            ///
            /// [`Unavailable`](crate::ErrorKind::Unavailable) at the deadline, or an
            /// [error of a request](crate::SecretClient#errors) that is not transient.
            pub fn wait(self) -> Result<$output> {
                self.worker.run(self.operation.into_future())
            }
        }
    };
}

operation!(
    /// A deletion that a vault has started, like [`keyvault::DeleteOperation`](crate::client::DeleteOperation).
    DeleteOperation,
    deleted,
    DeletedSecret
);

operation!(
    /// A recovery that a vault has started, like [`keyvault::RecoverOperation`](crate::client::RecoverOperation).
    RecoverOperation,
    recovered,
    SecretProperties
);
