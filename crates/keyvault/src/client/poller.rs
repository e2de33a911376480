//! Polling for an operation that the vault completes in its own time.

use std::time::Duration;

use futures::future::BoxFuture;
use tokio::time::{Instant, sleep, timeout_at};

use crate::error::{Error, ErrorKind, Result};
use crate::report::ReferenceStatus;
use crate::secret::SecretId;

/// How often to poll, and for how long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Poller {
    pub(super) interval: Duration,
    pub(super) deadline: Duration,
}

impl Poller {
    /// Polls now and at each interval, until `poll` returns a value or the deadline passes.
    ///
    /// The vault continues its work while it cannot be reached, so a transient error does not end the wait.
    pub(super) async fn wait<'a, T: Send>(
        self,
        about: &SecretId,
        mut poll: impl FnMut() -> BoxFuture<'a, Result<Option<T>>> + Send,
    ) -> Result<T> {
        let deadline = Instant::now() + self.deadline;
        let mut last_error = None;
        let finished = async {
            loop {
                match poll().await {
                    Ok(Some(value)) => return Ok(value),
                    Ok(None) => last_error = None,
                    Err(error) if error.is_transient() => last_error = Some(error),
                    Err(error) => return Err(error),
                }
                sleep(self.interval).await;
            }
        };
        let result = timeout_at(deadline, finished).await;
        result.unwrap_or_else(|_| Err(late(about, last_error)))
    }
}

impl Default for Poller {
    /// The interval of the Azure SDKs. The service took 2 to 5 seconds in recordings.
    fn default() -> Self {
        Self { interval: Duration::from_secs(2), deadline: Duration::from_secs(2 * 60) }
    }
}

/// Returns what one poll found: `None` for a 404, and the value of `if_forbidden` for a 403, which proves that there is
/// one.
///
/// The Azure SDKs wait for [soft delete](https://learn.microsoft.com/azure/key-vault/general/soft-delete-overview) by
/// the same rules.
pub(super) fn poll_result<T>(result: Result<T>, if_forbidden: impl FnOnce() -> T) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.http_status() == Some(403) => Ok(Some(if_forbidden())),
        Err(error) if error.http_status() == Some(404) && error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
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
