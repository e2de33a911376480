//! Operations that the vault completes in its own time: deletions and recoveries.

use std::future::IntoFuture;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::time::{sleep, timeout};

use super::bundle::ListItem;
use super::secret_client::SecretClient;
use crate::error::{Error, ErrorKind, Result};
use crate::report::ReferenceStatus;
use crate::secret::SecretId;

/// A deletion or a recovery that a vault has started. `.await` waits for the end and returns the result.
///
/// [`begin_delete`](SecretClient::begin_delete) and [`begin_recover`](SecretClient::begin_recover) return it. The vault
/// completes the operation even if this is dropped. After a deletion the secret can be recovered or purged; after a
/// recovery it can be read again, with all its versions.
///
/// # Errors
///
/// When awaited: [`Unavailable`](crate::ErrorKind::Unavailable) at the [deadline](Poller::deadline), or an
/// [error of a request](SecretClient#errors) that is not transient.
///
/// # Cancel safety
///
/// Dropping the poller, or the future that awaits it, only stops waiting.
///
/// # Examples
///
/// ```no_run
/// # async fn example(client: keyvault::SecretClient) -> keyvault::Result<()> {
/// let deletion = client.begin_delete("db-password").await?;
/// println!("purged at the latest at {:?}", deletion.started().scheduled_purge);
/// deletion.await?;
/// client.purge("db-password").await?;
/// # Ok(())
/// # }
/// ```
#[must_use = "the vault completes the operation in any case; await it before you use the secret or its name"]
#[derive(Clone, Debug)]
pub struct Poller<T> {
    client: SecretClient,
    started: T,
    interval: Duration,
    deadline: Duration,
}

/// The result of an operation that the vault completes in its own time.
pub(crate) trait Polled: ListItem + Clone + Sync {
    /// Fetches the result. Fails with a 404 while the operation is running.
    fn fetch(&self, client: &SecretClient) -> impl Future<Output = Result<Self>> + Send;
}

#[allow(private_bounds, reason = "only this crate defines the results of pollers")]
impl<T: Polled> Poller<T> {
    /// Starts with the interval of the Azure SDKs. The service took 2 to 5 seconds in recordings.
    pub(super) fn new(client: &SecretClient, started: T) -> Self {
        let (interval, deadline) = (Duration::from_secs(2), Duration::from_secs(2 * 60));
        Self { client: client.clone(), started, interval, deadline }
    }

    /// Returns the secret as the vault described it when the operation started.
    pub fn started(&self) -> &T {
        &self.started
    }

    /// Sets the pause between two polls. Default: 2 seconds. At least 10 milliseconds, also if `interval` is shorter.
    pub fn interval(self, interval: Duration) -> Self {
        Self { interval: interval.max(SHORTEST_INTERVAL), ..self }
    }

    /// Sets the longest time to wait when awaited. Default: 2 minutes.
    pub fn deadline(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// Polls once. Returns the result, or `None` while the operation is running.
    ///
    /// Costs one request: for a deletion a get of the deleted secret, for a recovery a get of the latest version. If
    /// the identity may not send that, or a recovered secret is disabled, the refusal proves that the operation has
    /// ended, and the result is [`started`](Poller::started). In a vault without soft delete a deletion ends when it
    /// starts.
    ///
    /// # Errors
    ///
    /// An [error of the request](SecretClient#errors). The operation continues.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cancels the request.
    pub async fn poll(&self) -> Result<Option<T>> {
        // The Azure SDKs wait by the same rules.
        match self.started.fetch(&self.client).await {
            Ok(result) => Ok(Some(result)),
            Err(error) if error.http_status() == Some(403) && !error.is_transient() => Ok(Some(self.started.clone())),
            Err(error) if error.http_status() == Some(404) && error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Polls now and at each interval, until there is a result or the deadline passes.
    ///
    /// The vault continues its work while it cannot be reached, so a transient error does not end the wait.
    async fn wait(self) -> Result<T> {
        Error::unless_on_runtime()?;
        let mut last_error = None;
        let finished = async {
            loop {
                match self.poll().await {
                    Ok(Some(result)) => return Ok(result),
                    Ok(None) => last_error = None,
                    Err(error) if error.is_transient() => last_error = Some(error),
                    Err(error) => return Err(error),
                }
                sleep(self.interval).await;
            }
        };
        let finished = timeout(self.deadline, finished).await;
        finished.unwrap_or_else(|_| Err(late(self.started.id(), last_error)))
    }
}

/// Short enough for tests, and long enough that polls are not sent back to back.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(10);

impl<T: Polled> IntoFuture for Poller<T> {
    type Output = Result<T>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        self.wait().boxed()
    }
}

fn late(about: &SecretId, last_error: Option<Error>) -> Error {
    let late = Error::new(ErrorKind::Unavailable, "vault did not finish in time")
        .with_status(ReferenceStatus::FetchTimedOut)
        .with_help("the vault continues by itself: check again later")
        .about(about);
    match last_error {
        Some(last) => late.caused_by(format!("at the last look: {last}")),
        None => late,
    }
}
