//! The creation of a snapshot, which the store completes in its own time.

use std::future::IntoFuture;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use keyvault::report::ReferenceStatus;
use keyvault::{Error, ErrorKind, Result};
use tokio::time::{sleep, timeout};

use super::app_configuration_client::AppConfigurationClient;
use super::snapshot::{Snapshot, SnapshotStatus};
use super::store_service::STORE;

/// The creation of a snapshot that a store has started. `.await` waits for the end and returns the snapshot.
///
/// [`begin_create_snapshot`](AppConfigurationClient::begin_create_snapshot) returns it. The store completes the
/// operation even if this is dropped.
///
/// # Errors
///
/// When awaited: [`Invalid`](ErrorKind::Invalid) if the store cannot create the snapshot,
/// [`Unavailable`](ErrorKind::Unavailable) at the [deadline](SnapshotCreation::deadline), or an
/// [error of a request](AppConfigurationClient#errors) that is not transient.
///
/// # Cancel safety
///
/// Dropping it, or the future that awaits it, only stops waiting.
#[must_use = "the store completes the operation in any case; await it before you read the snapshot"]
#[derive(Clone, Debug)]
pub struct SnapshotCreation {
    client: AppConfigurationClient,
    started: Snapshot,
    interval: Duration,
    deadline: Duration,
}

impl SnapshotCreation {
    pub(super) fn new(client: &AppConfigurationClient, started: Snapshot) -> Self {
        let (interval, deadline) = (Duration::from_secs(2), Duration::from_secs(2 * 60));
        Self { client: client.clone(), started, interval, deadline }
    }

    /// Returns the snapshot as the store described it when the creation started.
    pub fn started(&self) -> &Snapshot {
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

    /// Polls once. Returns the snapshot, or `None` while the store creates it.
    ///
    /// Costs one request, and another one for the reason of a failure.
    ///
    /// # Errors
    ///
    /// [`Invalid`](ErrorKind::Invalid) if the store cannot create the snapshot, or an
    /// [error of the request](AppConfigurationClient#errors); then the creation continues.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cancels the request.
    pub async fn poll(&self) -> Result<Option<Snapshot>> {
        let name = self.started.name();
        let snapshot = self.client.get_snapshot(name).await?;
        match snapshot.status() {
            SnapshotStatus::Provisioning => Ok(None),
            SnapshotStatus::Failed => {
                let code = self.client.snapshot_failure(name).await.ok().flatten();
                let failed = self.about(Error::new(ErrorKind::Invalid, "store could not create the snapshot"));
                let failed = failed.with_help("a snapshot has at most 1 MB; the store's quota counts them");
                Err(match code {
                    Some(code) => failed.caused_by(format!("the store answered {code}")),
                    None => failed,
                })
            }
            _ => Ok(Some(snapshot)),
        }
    }

    /// Polls now and at each interval, until the snapshot exists or the deadline passes.
    ///
    /// The store continues its work while it cannot be reached, so a transient error does not end the wait.
    async fn wait(self) -> Result<Snapshot> {
        Error::unless_on_runtime()?;
        let mut last_error = None;
        let finished = async {
            loop {
                match self.poll().await {
                    Ok(Some(snapshot)) => return Ok(snapshot),
                    Ok(None) => last_error = None,
                    Err(error) if error.is_transient() => last_error = Some(error),
                    Err(error) => return Err(error),
                }
                sleep(self.interval).await;
            }
        };
        let finished = timeout(self.deadline, finished).await;
        finished.unwrap_or_else(|_| {
            let noun = STORE;
            let clause = format!("{noun} did not finish in time");
            let late = Error::from_clause(ErrorKind::Unavailable, "vault did not finish in time", clause)
                .with_help("the store continues by itself: check again later");
            let late = match last_error {
                Some(last) => late.caused_by(format!("at the last look: {last}")),
                None => late,
            };
            Err(self.about(late).with_status(ReferenceStatus::FetchTimedOut))
        })
    }

    fn about(&self, error: Error) -> Error {
        error
            .with_status(ReferenceStatus::OtherReasons)
            .at(format!("snapshot {}", self.started.name()), self.client.place())
    }
}

/// Short enough for tests, and long enough that polls are not sent back to back.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(10);

impl IntoFuture for SnapshotCreation {
    type Output = Result<Snapshot>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        self.wait().boxed()
    }
}
