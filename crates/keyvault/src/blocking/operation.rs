//! Operations that run in a vault.

use std::time::Duration;

use super::worker::Worker;
use crate::client::DeletedSecret;
use crate::error::Result;
use crate::secret::SecretProperties;

macro_rules! operation {
    ($(#[$about:meta])* $name:ident, $told:ident, $output:ty) => {
        $(#[$about])*
        #[must_use = "the vault goes on without being waited for; wait to use the secret or its name"]
        #[derive(Debug)]
        pub struct $name {
            worker: Worker,
            operation: crate::client::$name,
        }

        impl $name {
            pub(super) fn new(worker: &Worker, operation: crate::client::$name) -> Self {
                Self { worker: worker.clone(), operation }
            }

            /// Tells what the vault answered when it began.
            pub fn $told(&self) -> &$output {
                self.operation.$told()
            }

            /// Sets the pause between two looks. Default: 2 seconds.
            pub fn interval(self, interval: Duration) -> Self {
                Self { operation: self.operation.interval(interval), ..self }
            }

            /// Sets how long to [wait](Self::wait) at most. Default: 2 minutes.
            pub fn deadline(self, deadline: Duration) -> Self {
                Self { operation: self.operation.deadline(deadline), ..self }
            }

            /// Looks once whether the operation has ended; gives its outcome if it has. One request.
            ///
            /// # Errors
            ///
            /// What the vault or the way to it said; the operation goes on.
            pub fn poll(&self) -> Result<Option<$output>> {
                let operation = self.operation.clone();
                self.worker.run(async move { operation.poll().await })
            }

            /// Waits for the end.
            ///
            /// # Errors
            ///
            /// [`Unavailable`](crate::ErrorKind::Unavailable) at the deadline; what the vault says when it is asked, if
            /// that does not pass by itself.
            pub fn wait(self) -> Result<$output> {
                self.worker.run(self.operation.into_future())
            }
        }
    };
}

operation!(
    /// A deletion that a vault has begun; [`keyvault::DeleteOperation`](crate::client::DeleteOperation) tells of it.
    DeleteOperation,
    deleted,
    DeletedSecret
);

operation!(
    /// A recovery that a vault has begun; [`keyvault::RecoverOperation`](crate::client::RecoverOperation) tells of it.
    RecoverOperation,
    recovered,
    SecretProperties
);
