//! The handle to the refresh loop, without the type of the settings.
//!
//! Handles reach the loop through a trait object, and its futures are boxed: so all of it, destructors included, is
//! compiled in this crate and not again in the crate of each settings type.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};

use super::credential_report::CredentialCheck;
use super::pending::Command;
use super::publication::Change;
use super::selector::SecretSelector;
use super::shared_state::SharedState;
use crate::error::{Error, ErrorKind, Result};

/// The loop, as every clone of live settings sees it. The loop ends with the last handle.
pub(super) trait RefreshHandle: Send + Sync {
    /// Returns the state that the loop writes.
    fn state(&self) -> &Arc<SharedState>;

    /// Runs a full refresh, or joins the one that runs.
    fn refresh_now(&self) -> BoxFuture<'_, Result<Option<Change>>>;

    /// Runs the refresh that is due, or joins it.
    fn refresh_if_due(&self) -> BoxFuture<'_, Result<Option<Change>>>;

    /// Reports that a server rejected secrets.
    fn report_rejected(&self, selector: SecretSelector) -> BoxFuture<'_, Result<CredentialCheck>>;

    /// Ends the loop, and waits until it is gone.
    fn shutdown(&self) -> BoxFuture<'_, ()>;
}

/// A handle that sends commands to the loop.
pub(super) struct CommandHandle {
    pub(super) state: Arc<SharedState>,
    pub(super) commands: mpsc::Sender<Command>,
}

impl CommandHandle {
    async fn ask<A: Send>(&self, command: impl FnOnce(oneshot::Sender<Result<A>>) -> Command + Send) -> Result<A> {
        let ended = || Error::new(ErrorKind::Unavailable, "settings are no longer refreshed");
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.map_err(|_| ended())?;
        answer.await.unwrap_or_else(|_| Err(ended()))
    }
}

impl RefreshHandle for CommandHandle {
    fn state(&self) -> &Arc<SharedState> {
        &self.state
    }

    fn refresh_now(&self) -> BoxFuture<'_, Result<Option<Change>>> {
        self.ask(Command::Refresh).boxed()
    }

    fn refresh_if_due(&self) -> BoxFuture<'_, Result<Option<Change>>> {
        self.ask(Command::RefreshIfDue).boxed()
    }

    fn report_rejected(&self, selector: SecretSelector) -> BoxFuture<'_, Result<CredentialCheck>> {
        async move {
            let rejected = selector.secrets(&self.state.publication.load().origins);
            if rejected.is_empty() {
                return Err(Error::invalid("no secret in the settings has this name or setting"));
            }
            let rejected = match selector.version() {
                Some(version) => vec![version.clone()],
                None => rejected,
            };
            self.ask(|reply| Command::ReportRejected(rejected, reply)).await
        }
        .boxed()
    }

    fn shutdown(&self) -> BoxFuture<'_, ()> {
        async move {
            // An error means that the loop is gone already.
            _ = self.commands.send(Command::Shutdown).await;
            self.commands.closed().await;
        }
        .boxed()
    }
}
