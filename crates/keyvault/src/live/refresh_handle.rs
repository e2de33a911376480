//! The handle to the refresh loop, without the type of the settings.
//!
//! Its futures are boxed, so that they are compiled in this crate and not again in the crate of each settings type.

use std::sync::{Arc, Weak};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::{mpsc, oneshot, watch};

use super::credential_report::CredentialCheck;
use super::pending_calls::{Command, Reply};
use super::publication::Change;
use super::selector::SecretSelector;
use super::shared_state::{SharedState, not_driven};
use crate::blocking::{Worker, within};
use crate::error::{Error, Result};
use crate::secret::SecretId;

/// The loop, as every clone of live settings sees it. The loop ends with the last handle.
#[derive(Clone)]
pub(super) struct RefreshHandle {
    pub(super) state: Arc<SharedState>,
    /// The loop ends when it is dropped.
    pub(super) commands: Arc<mpsc::Sender<Command>>,
    /// The runtime of the loop, if it has one of its own. It ends with the last handle.
    pub(super) worker: Option<Worker>,
    /// Where settings without a loop wake their watchers.
    pub(super) fixed: Option<Arc<watch::Sender<()>>>,
}

impl RefreshHandle {
    /// Runs a full refresh, or joins the one that runs.
    pub(super) fn refresh_now(&self) -> BoxFuture<'_, Result<Option<Change>>> {
        self.refresh(Command::Refresh).boxed()
    }

    /// Runs the refresh that is due, or joins it.
    pub(super) fn refresh_if_due(&self) -> BoxFuture<'_, Result<Option<Change>>> {
        self.refresh(Command::RefreshIfDue).boxed()
    }

    /// Reports that a server rejected secrets.
    pub(super) fn report_rejected(&self, selector: SecretSelector) -> BoxFuture<'_, Result<CredentialCheck>> {
        async move {
            let mut rejected = selector.secrets(&self.state.publication.load().origins);
            if rejected.is_empty() {
                return Err(Error::invalid("no secret in the settings has this name or setting"));
            }
            if let Some(version) = selector.version() {
                rejected = vec![version.clone()];
            }
            self.ask(|reply| Command::ReportRejected(rejected, reply)).await
        }
        .boxed()
    }

    /// Returns a handle that reports rejected credentials and does not keep the loop alive.
    pub(super) fn reporter(&self) -> CredentialReporter {
        CredentialReporter { state: Arc::downgrade(&self.state), commands: Arc::downgrade(&self.commands) }
    }

    /// Ends the loop, and waits until it is gone, at most for [`LONGEST_SHUTDOWN`] and the grace of a deadline.
    pub(super) fn shutdown(&self) -> BoxFuture<'_, ()> {
        async move {
            if let Some(waker) = &self.fixed {
                self.state.health_state().is_following = false;
                waker.send_replace(());
            }
            self.state.shutdown.notify_one();
            _ = self.in_time(LONGEST_SHUTDOWN, self.commands.closed()).await;
        }
        .boxed()
    }

    async fn refresh(&self, command: fn(Reply) -> Command) -> Result<Option<Change>> {
        match self.fixed {
            Some(_) if self.state.health_state().is_following => Ok(None),
            _ => self.ask(command).await,
        }
    }

    async fn ask<A: Send>(&self, command: impl FnOnce(oneshot::Sender<Result<A>>) -> Command + Send) -> Result<A> {
        let (reply, answer) = oneshot::channel();
        let answered = async {
            self.commands.send(command(reply)).await.map_err(|_| self.state.ended())?;
            answer.await.unwrap_or_else(|_| Err(self.state.ended()))
        };
        self.in_time(self.state.options.refresh_deadline, answered).await.unwrap_or_else(|| Err(not_driven()))
    }

    /// Waits for the loop. `None` if it does not answer, because its runtime does not run.
    async fn in_time<T>(&self, limit: Duration, future: impl Future<Output = T> + Send) -> Option<T> {
        match &self.worker {
            // Its thread runs at least as long as this handle.
            Some(_) => Some(future.await),
            None => within(limit, future).await,
        }
    }
}

/// Reports rejected credentials to a loop that it does not keep alive.
pub(crate) struct CredentialReporter {
    state: Weak<SharedState>,
    commands: Weak<mpsc::Sender<Command>>,
}

impl CredentialReporter {
    /// As [`Live::report_rejected`](super::Live::report_rejected); `None` if the settings are gone.
    pub(crate) async fn report_rejected(&self, secret: SecretId) -> Option<Result<CredentialCheck>> {
        let (state, commands) = (self.state.upgrade()?, self.commands.upgrade()?);
        let handle = RefreshHandle { state, commands, worker: None, fixed: None };
        Some(handle.report_rejected(secret.into()).await)
    }
}

/// Longer than a loop takes to end: a refresh that runs is dropped, and the sealed snapshot may have to be written.
const LONGEST_SHUTDOWN: Duration = Duration::from_secs(5);
