//! Waiting for what a vault does in its own time.

use std::time::Duration;

use futures::future::BoxFuture;
use tokio::time::{Instant, sleep, timeout_at};

use crate::error::{Error, ErrorKind, Result};
use crate::report::ReferenceStatus;
use crate::secret::SecretId;

/// How often to look, and for how long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    pub(super) interval: Duration,
    pub(super) deadline: Duration,
}

impl Patience {
    /// Looks now, and then at every interval, until there is something to see or the deadline passes.
    ///
    /// A vault that cannot be reached for a while is still at work, so what may pass does not end the wait.
    pub(super) async fn until<'a, T: Send>(
        self,
        about: &SecretId,
        mut look: impl FnMut() -> BoxFuture<'a, Result<Option<T>>> + Send,
    ) -> Result<T> {
        let deadline = Instant::now() + self.deadline;
        let mut last = None;
        let seen = async {
            loop {
                match look().await {
                    Ok(Some(seen)) => return Ok(seen),
                    Ok(None) => last = None,
                    Err(error) if error.is_transient() => last = Some(error),
                    Err(error) => return Err(error),
                }
                sleep(self.interval).await;
            }
        };
        let seen = timeout_at(deadline, seen).await;
        seen.unwrap_or_else(|_| Err(late(about, last)))
    }
}

impl Default for Patience {
    /// The interval is that of the Azure SDKs; what is recorded of the service took 2 to 5 seconds.
    fn default() -> Self {
        Self { interval: Duration::from_secs(2), deadline: Duration::from_secs(2 * 60) }
    }
}

/// Tells what one look showed: a 404 is "not yet", and who may not look is told that there is something.
///
/// [Soft delete](https://learn.microsoft.com/azure/key-vault/general/soft-delete-overview) takes its time; these are the
/// rules by which the Azure SDKs wait for it.
pub(super) fn seen<T>(looked: Result<T>, unseen: impl FnOnce() -> T) -> Result<Option<T>> {
    match looked {
        Ok(seen) => Ok(Some(seen)),
        Err(error) if error.http_status() == Some(403) => Ok(Some(unseen())),
        Err(error) if error.http_status() == Some(404) && error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn late(about: &SecretId, last: Option<Error>) -> Error {
    let late = Error::new(ErrorKind::Unavailable, "vault did not finish in time")
        .with_status(ReferenceStatus::FetchTimedOut)
        .with_help("the vault goes on by itself: look again later")
        .about(about);
    match last {
        Some(last) => late.caused_by(format!("at the last look: {last}")),
        None => late,
    }
}
