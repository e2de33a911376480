//! Operations that a rotation interrupts.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use super::derived::Derived;
use super::keys::selects;
use crate::error::ErrorKind;
use crate::live::{CredentialCheck, CredentialReporter};
use crate::secret::SecretId;
use crate::settings::Origins;
use crate::time::instant_after;

/// The reason why an operation with a derived resource failed. [`Derived::with_retry`] needs it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OperationFailure {
    /// The server refused the credential that the resource was built with.
    CredentialRejected,
    /// The resource was drained, because another one replaced it: its pool is closed.
    ResourceEnded,
    /// Any other reason, which no rotation explains.
    Other,
}

impl<R: Send + Sync> Derived<R> {
    /// Runs `operation` with the current resource, and again if it failed because of a rotation.
    ///
    /// Between a change of a password in the server and the change in the settings, the server refuses new connections,
    /// and no pool can prevent that. If `failure` says that the server [refused the
    /// credential](OperationFailure::CredentialRejected), this method [reports](crate::Live::report_rejected) the
    /// secrets that this resource was built from, waits for its replacement, and runs `operation` again; if the
    /// resource [ended](OperationFailure::ResourceEnded), it runs `operation` with the next one. It does so for at most
    /// [`retry_deadline`](super::Derive::retry_deadline), 15 seconds by default, apart from the time of the operation
    /// itself.
    ///
    /// The operation runs more than once, so it should end before it has an effect: take a connection, and send the
    /// query afterwards. Concurrent reports share one request to the vault.
    ///
    /// # Errors
    ///
    /// The last error of `operation`: at once for any [other](OperationFailure::Other) failure and if no secret of a
    /// vault is among the settings of the resource, otherwise at the deadline.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the operation. A report that was sent completes for the other callers.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use keyvault::Derived;
    /// # use keyvault::derive::OperationFailure;
    /// # struct Pool;
    /// # struct Connection;
    /// # enum PoolError { BadPassword, Closed, Other }
    /// # impl Pool { async fn get(&self) -> Result<Connection, PoolError> { Ok(Connection) } }
    /// async fn connection(pool: &Derived<Pool>) -> Result<Connection, PoolError> {
    ///     let failure = |error: &PoolError| match error {
    ///         PoolError::BadPassword => OperationFailure::CredentialRejected,
    ///         PoolError::Closed => OperationFailure::ResourceEnded,
    ///         PoolError::Other => OperationFailure::Other,
    ///     };
    ///     pool.with_retry(failure, |pool: Arc<Pool>| async move { pool.get().await }).await
    /// }
    /// ```
    pub async fn with_retry<V, E, F, Fut>(
        &self,
        failure: impl Fn(&E) -> OperationFailure + Send,
        operation: F,
    ) -> Result<V, E>
    where
        V: Send,
        E: Send,
        F: Fn(Arc<R>) -> Fut + Send,
        Fut: Future<Output = Result<V, E>> + Send,
    {
        let began = Instant::now();
        loop {
            // Created first, so that it sees every replacement of the resource below.
            let mut replacements = self.watch();
            let (resource, origins) = self.current_with_origins();
            let error = match operation(resource).await {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            let Some(retry) = &self.retry else { return Err(error) };
            let deadline = instant_after(began, retry.deadline);
            let is_new = match failure(&error) {
                _ if Instant::now() >= deadline => return Err(error),
                OperationFailure::Other => return Err(error),
                OperationFailure::ResourceEnded => Ok(()),
                OperationFailure::CredentialRejected => match retry.secrets(&origins) {
                    secrets if secrets.is_empty() => return Err(error),
                    secrets => retry.report(secrets, deadline).await,
                },
            };
            match is_new {
                // The next resource is ready, or will be soon, unless the task has ended.
                Ok(()) => {
                    if let Ok(Ok(None)) = timeout_at(deadline, timeout(PAUSE, replacements.replaced())).await {
                        return Err(error);
                    }
                }
                Err(pause) => sleep_until(instant_after(Instant::now(), pause).min(deadline)).await,
            }
        }
    }
}

/// What a retry needs to know of the settings.
pub(super) struct RetryContext {
    pub(super) keys: Arc<[String]>,
    pub(super) reporter: CredentialReporter,
    pub(super) deadline: Duration,
}

impl RetryContext {
    /// Returns the secrets of the vaults that the resource was built from.
    fn secrets(&self, origins: &Origins) -> Vec<SecretId> {
        let used = origins.iter().filter(|(key, _)| self.keys.iter().any(|above| selects(above, &key.to_string())));
        let mut secrets: Vec<_> = used.flat_map(|(_, origin)| origin.secrets().iter().cloned()).collect();
        secrets.sort();
        secrets.dedup();
        secrets
    }

    /// Reports that a server rejected `secrets`. Fails with the time to wait if there are no new settings.
    async fn report(&self, secrets: Vec<SecretId>, deadline: Instant) -> Result<(), Duration> {
        let reports = join_all(secrets.into_iter().map(|secret| self.reporter.report_rejected(secret)));
        let mut pause = PAUSE;
        for answer in timeout_at(deadline, reports).await.unwrap_or_default().into_iter().flatten() {
            match answer.map_err(|error| error.kind()) {
                Ok(CredentialCheck::Changed | CredentialCheck::Previous) => return Ok(()),
                Err(ErrorKind::Throttled { retry_after: Some(wait) }) => pause = pause.max(wait),
                // The rotation may have changed the server and not yet the vault.
                _ => {}
            }
        }
        Err(pause)
    }
}

const PAUSE: Duration = Duration::from_millis(50);
