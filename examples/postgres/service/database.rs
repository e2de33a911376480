//! A connection pool that follows a rotating password.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use keyvault::derive::OperationFailure;
use keyvault::{Derived, Live, ValidationError};
use keyvault_examples_support::Result;
use secrecy::SecretString;
use serde::Deserialize;

/// The settings of a service with a database.
#[derive(Debug, Deserialize)]
pub(crate) struct Settings {
    /// The settings of the database.
    pub(crate) database: DatabaseSettings,
}

/// The address of a database and the login for it.
#[derive(Debug, Deserialize)]
pub(crate) struct DatabaseSettings {
    /// The host name.
    pub(crate) host: String,
    /// The port.
    pub(crate) port: u16,
    /// The role that logs in.
    pub(crate) user: String,
    /// The password of the role.
    pub(crate) password: SecretString,
}

/// A pool of PostgreSQL connections: the part that differs between the libraries.
pub(crate) trait Pool: Sized + Send + Sync + 'static {
    /// A connection that one query owns.
    type Connection: Send;
    /// The error of [`connection`](Self::connection).
    type Error: Error + Send + Sync + 'static;

    /// Creates a pool and logs in once, so that a pool with a bad password never replaces a good one.
    fn connect(settings: &DatabaseSettings) -> impl Future<Output = Result<Self, ValidationError>> + Send;

    /// Takes a connection from the pool, or opens one.
    fn connection(&self) -> impl Future<Output = Result<Self::Connection, Self::Error>> + Send;

    /// Runs the service's query.
    fn query(connection: Self::Connection) -> impl Future<Output = Result> + Send;

    /// Closes the pool. No caller takes a connection from it any more.
    fn close(&self) -> impl Future<Output = ()> + Send;

    /// Returns the reason why [`connection`](Self::connection) failed.
    fn failure(error: &Self::Error) -> OperationFailure;
}

/// A pool that follows the settings.
pub(crate) struct Database<P> {
    live: Live<Settings>,
    pool: Derived<P>,
    refused_logins: Arc<AtomicU64>,
}

impl<P: Pool> Database<P> {
    /// Creates the pool, and replaces it whenever the settings of the database change.
    ///
    /// # Errors
    ///
    /// The database refuses the first login.
    pub(crate) async fn start(live: Live<Settings>) -> keyvault::Result<Self> {
        let pool = live
            .derive(["database"], async |settings: Arc<Settings>| P::connect(&settings.database).await)
            .retry(Duration::from_millis(100), Duration::from_secs(5))
            // Longer than a caller holds the pool before it has its connection.
            .grace(Duration::from_secs(5))
            .drain(async |old: Arc<P>| old.close().await)
            .await?;
        Ok(Self { live, pool, refused_logins: Arc::default() })
    }

    /// Returns a connection.
    ///
    /// Open connections survive a change of the password; new connections need the new one. Between the change in the
    /// server and the change in the settings, a pool that opens a connection is refused. No query has been sent by
    /// then, so the pool's password is reported and the connection is tried again, for up to 15 seconds.
    ///
    /// # Errors
    ///
    /// A refused login after 15 seconds; any other failure at once.
    pub(crate) async fn connection(&self) -> Result<P::Connection, P::Error> {
        let failure = |error: &P::Error| {
            let failure = P::failure(error);
            if failure == OperationFailure::CredentialRejected {
                self.refused_logins.fetch_add(1, Ordering::Relaxed);
            }
            failure
        };
        self.pool.with_retry(failure, |pool: Arc<P>| async move { pool.connection().await }).await
    }

    /// Takes a connection and runs the service's query.
    ///
    /// # Errors
    ///
    /// There is no connection, or the query fails.
    pub(crate) async fn query(self) -> Result {
        P::query(self.connection().await?).await
    }

    /// Returns the pool.
    pub(crate) fn pool(&self) -> &Derived<P> {
        &self.pool
    }

    /// Returns the number of logins that were refused and retried.
    pub(crate) fn refused_logins(&self) -> u64 {
        self.refused_logins.load(Ordering::Relaxed)
    }

    /// Stops following the settings and closes the pool.
    pub(crate) async fn shutdown(&self) {
        self.pool.shutdown().await;
        self.live.shutdown().await;
    }
}

impl<P> Clone for Database<P> {
    fn clone(&self) -> Self {
        Self { live: self.live.clone(), pool: self.pool.clone(), refused_logins: Arc::clone(&self.refused_logins) }
    }
}

impl<P> fmt::Debug for Database<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database").field("refused_logins", &self.refused_logins).finish_non_exhaustive()
    }
}
