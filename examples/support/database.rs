//! A database whose password rotates, and what a service does about it, whatever pool it has.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use keyvault::{CredentialCheck, Derived, ErrorKind, Live, Origins, ValidationError};
use secrecy::SecretString;
use serde::Deserialize;
use tokio::time::{sleep, timeout};

use crate::Outcome;

/// The settings of a service that has a database.
#[derive(Debug, Deserialize)]
pub struct Settings {
    /// Those of the database.
    pub database: DatabaseSettings,
}

/// How to reach a database.
#[derive(Debug, Deserialize)]
pub struct DatabaseSettings {
    /// Its host.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Who logs in.
    pub user: String,
    /// With what.
    pub password: SecretString,
}

/// A pool of connections to PostgreSQL: what differs from library to library.
pub trait Pool: Sized + Send + Sync + 'static {
    /// A connection that a query has to itself.
    type Connection: Send;
    /// Why there is none.
    type Error: Error + Send + Sync + 'static;

    /// Makes a pool that has logged in once, so that one that cannot is never swapped in.
    fn connect(settings: &DatabaseSettings) -> impl Future<Output = Result<Self, ValidationError>> + Send;

    /// Gives a connection.
    fn connection(&self) -> impl Future<Output = Result<Self::Connection, Self::Error>> + Send;

    /// Does what the service does all day.
    fn query(connection: Self::Connection) -> impl Future<Output = Outcome> + Send;

    /// Closes the pool, when nobody begins anything with it any more.
    fn close(&self) -> impl Future<Output = ()> + Send;

    /// Tells why there was no connection.
    fn refusal(error: &Self::Error) -> Refusal;
}

/// Why there is no connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refusal {
    /// The server did not accept the user or the password.
    Login,
    /// The pool was closed, for it has been replaced.
    Closed,
    /// Something that no rotation is the reason of.
    Other,
}

/// A pool that follows the settings.
pub struct Database<P> {
    live: Live<Settings>,
    pool: Derived<P>,
    refused: Arc<AtomicU64>,
}

impl<P: Pool> Database<P> {
    /// Logs in, and follows `live` from there.
    ///
    /// # Errors
    ///
    /// The database refuses the first login.
    pub async fn follow(live: Live<Settings>) -> keyvault::Result<Self> {
        let pool = live
            .derive(["database"], async |settings: Arc<Settings>| P::connect(&settings.database).await)
            .retry(Duration::from_millis(100), Duration::from_secs(5))
            // Longer than a request holds on to a pool before it has its connection.
            .grace(Duration::from_secs(5))
            .drain(async |old: Arc<P>| old.close().await)
            .await?;
        Ok(Self { live, pool, refused: Arc::default() })
    }

    /// Gives a connection.
    ///
    /// Open connections survive a change of the password, and new ones need the new password: between the server's change
    /// and ours, a pool that grows, or replaces a connection, is refused. That is known before any query is sent, so it
    /// is safe to ask the vault and to try again, within a budget.
    ///
    /// # Errors
    ///
    /// Those that are not about the login, at once; a refused login when the budget is used up.
    pub async fn connection(&self) -> Result<P::Connection, P::Error> {
        let deadline = Instant::now() + BUDGET;
        loop {
            let (pool, origins) = self.pool.current_with_origins();
            let error = match pool.connection().await {
                Ok(connection) => return Ok(connection),
                Err(error) => error,
            };
            let left = deadline.saturating_duration_since(Instant::now());
            match P::refusal(&error) {
                _ if left.is_zero() => return Err(error),
                // The one that replaced it is there already.
                Refusal::Closed => {}
                Refusal::Login => {
                    self.refused.fetch_add(1, Ordering::Relaxed);
                    self.refuse(&origins, left).await;
                }
                Refusal::Other => return Err(error),
            }
        }
    }

    /// Says which password the database refused, and waits until it is worth trying again, for `most` at most.
    async fn refuse(&self, origins: &Origins, most: Duration) {
        let mut pool = self.pool.watch();
        // Of the pool that was refused: the settings may be ahead of it.
        let Some(password) = origins.get(PASSWORD).and_then(|origin| origin.secrets().first()) else {
            // It stands in a file, and no vault has another.
            return sleep(PAUSE.min(most)).await;
        };
        // Whoever is refused at the same time shares one request.
        let pause = match self.live.report_rejected(password).await {
            Ok(CredentialCheck::Changed | CredentialCheck::Previous) => {
                // The pool of the new password is being made, or is there by now.
                _ = timeout(PAUSE.min(most), pool.replaced()).await;
                return;
            }
            Err(error) => match error.kind() {
                ErrorKind::Throttled { retry_after: Some(wait) } => wait,
                _ => PAUSE,
            },
            // Whoever rotates has changed the server and not the vault yet.
            Ok(_) => PAUSE,
        };
        sleep(pause.min(most)).await;
    }

    /// Does what the service does all day.
    ///
    /// # Errors
    ///
    /// There is no connection, or the query fails.
    pub async fn work(self) -> Outcome {
        P::query(self.connection().await?).await
    }

    /// Gives the pool.
    pub fn pool(&self) -> &Derived<P> {
        &self.pool
    }

    /// Tells how many logins were refused, and tried again.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Ends the following, and closes the pool.
    pub async fn shutdown(&self) {
        self.pool.shutdown().await;
        self.live.shutdown().await;
    }
}

impl<P> Clone for Database<P> {
    fn clone(&self) -> Self {
        Self { live: self.live.clone(), pool: self.pool.clone(), refused: Arc::clone(&self.refused) }
    }
}

impl<P> fmt::Debug for Database<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database").field("refused", &self.refused).finish_non_exhaustive()
    }
}

/// How long a connection may be tried for: longer than a rotation and a refresh.
const BUDGET: Duration = Duration::from_secs(15);
const PAUSE: Duration = Duration::from_millis(50);
const PASSWORD: &str = "database.password";
