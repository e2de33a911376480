//! What handles ask the task for.

use tokio::sync::oneshot;

use super::rejected::{Docket, Verdict};
use super::watcher::Change;
use crate::error::Result;
use crate::secret::SecretId;

/// What a handle asks for.
pub(super) enum Command {
    /// Everything is to be asked for now.
    Refresh(Reply),
    /// What is due is to be asked for, if anything is.
    IfDue(Reply),
    /// A server refused these secrets.
    Rejected(Vec<SecretId>, Verdict),
    Shutdown,
}

pub(super) type Reply = oneshot::Sender<Result<Option<Change>>>;

/// Who waits for what.
pub(super) struct Calls {
    complete: Vec<Reply>,
    if_due: Vec<Reply>,
    pub(super) docket: Docket,
}

impl Calls {
    pub(super) fn new(docket: Docket) -> Self {
        Self { complete: Vec::new(), if_due: Vec::new(), docket }
    }

    /// Takes a call, which joins what is under way or begins next. None at the end, which is asked for by command, or by
    /// the last handle's going.
    pub(super) fn heed(&mut self, command: Option<Command>) -> Option<()> {
        match command? {
            Command::Refresh(reply) => self.complete.push(reply),
            Command::IfDue(reply) => self.if_due.push(reply),
            Command::Rejected(suspects, reply) => self.docket.open(suspects, reply),
            Command::Shutdown => return None,
        }
        Some(())
    }

    /// Tells whether somebody wants everything asked for.
    pub(super) fn want_everything(&self) -> bool {
        !self.complete.is_empty()
    }

    /// Answers those who wait for a step that is over.
    pub(super) fn answer(&mut self, outcome: &Result<Option<Change>>, is_complete: bool) {
        let complete = if is_complete { std::mem::take(&mut self.complete) } else { Vec::new() };
        for reply in complete.into_iter().chain(self.if_due.drain(..)) {
            // Whoever gave up waiting needs no answer.
            _ = reply.send(outcome.clone());
        }
    }

    /// Tells those who asked for what is due that nothing is.
    pub(super) fn nothing_is_due(&mut self) {
        for reply in self.if_due.drain(..) {
            _ = reply.send(Ok(None));
        }
    }
}
