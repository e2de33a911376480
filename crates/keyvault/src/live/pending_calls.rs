//! The callers that wait for a refresh.

use tokio::sync::oneshot;

use super::credential_report::{CredentialReports, ReportReply};
use super::options::Options;
use super::publication::Change;
use crate::error::Result;
use crate::secret::SecretId;

/// A request from a handle to the loop.
pub(super) enum Command {
    /// Runs a full refresh now.
    Refresh(Reply),
    /// Runs the refresh that is due, if there is one.
    RefreshIfDue(Reply),
    /// Looks for replacements of secrets that a server rejected.
    ReportRejected(Vec<SecretId>, ReportReply),
}

/// Where the outcome of a refresh goes.
pub(super) type Reply = oneshot::Sender<Result<Option<Change>>>;

/// The loop ends: by request, or because the last handle is gone.
pub(super) struct Ended;

/// The callers that wait for a refresh, and the credential reports.
pub(super) struct PendingCalls {
    full: Vec<Reply>,
    if_due: Vec<Reply>,
    pub(super) reports: CredentialReports,
}

impl PendingCalls {
    pub(super) fn new(options: &Options) -> Self {
        let reports = CredentialReports::new(options.reports, options.previous_version, options.refresh_deadline);
        Self { full: Vec::new(), if_due: Vec::new(), reports }
    }

    /// Accepts a command. The caller joins the refresh that runs, or else the next one. `None` means that the last
    /// handle is gone.
    pub(super) fn accept(&mut self, command: Option<Command>) -> Result<(), Ended> {
        match command.ok_or(Ended)? {
            Command::Refresh(reply) => self.full.push(reply),
            Command::RefreshIfDue(reply) => self.if_due.push(reply),
            Command::ReportRejected(versions, reply) => self.reports.open(versions, reply),
        }
        Ok(())
    }

    /// Returns whether a caller waits for a refresh of everything.
    pub(super) fn want_full(&self) -> bool {
        !self.full.is_empty()
    }

    /// Answers the callers that wait for any refresh that is due, and after a complete one also those that wait for it.
    pub(super) fn answer(&mut self, outcome: &Result<Option<Change>>, is_complete: bool) {
        let full = if is_complete { std::mem::take(&mut self.full) } else { Vec::new() };
        for reply in full.into_iter().chain(self.if_due.drain(..)) {
            // A caller that gave up needs no answer.
            _ = reply.send(outcome.clone());
        }
    }
}
