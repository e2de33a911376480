//! The running program with every process that it started.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus};

use rustix::process::{Pid, Signal};
use tokio::process::{Child, ChildStderr, ChildStdout};

use super::process_tree::{self, ProcessTree};
use super::signal::{self, ReceivedSignal};

/// A child process with every process that it started.
#[derive(Debug)]
pub(in crate::run) struct Process {
    child: Child,
    /// `None` if the child has already ended.
    tree: Option<ProcessTree>,
}

impl Process {
    /// Starts a command. One that may be restarted leads a process group of its own, unless it is on a terminal.
    pub(in crate::run) fn spawn(command: Command, is_restarted: bool) -> io::Result<Self> {
        let mut command = tokio::process::Command::from(command);
        let leads_a_group = is_restarted && process_tree::may_lead_a_group();
        if leads_a_group {
            command.process_group(0);
        }
        let child = command.spawn()?;
        let id = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        Ok(Self { child, tree: id.map(|id| ProcessTree::new(id, leads_a_group)) })
    }

    /// Takes the pipes from standard output and standard error. `None` if they are not piped.
    pub(in crate::run) fn take_output(&mut self) -> (Option<ChildStdout>, Option<ChildStderr>) {
        (self.child.stdout.take(), self.child.stderr.take())
    }

    /// Waits until the command ends. The processes that it started may go on.
    pub(in crate::run) async fn wait(&mut self) -> io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// Forwards a signal, unless the command already received it from the terminal.
    pub(in crate::run) fn forward(&self, received: ReceivedSignal) {
        if !received.is_for_the_group {
            signal::send(&self.child, received.signal);
        }
    }

    /// Asks the command and every process that it started to end.
    pub(in crate::run) fn terminate(&mut self) {
        self.send(Signal::TERM);
    }

    /// Ends the command and every process that it started.
    pub(in crate::run) fn kill(&mut self) {
        self.send(Signal::KILL);
    }

    fn send(&self, signal: Signal) {
        if let Some(tree) = self.tree {
            // The id is `None` once the child was waited for.
            tree.send(signal, self.child.id().is_none());
        }
    }

    /// Returns whether every process that the command started has ended.
    pub(in crate::run) fn is_alone(&self) -> bool {
        self.tree.is_none_or(ProcessTree::is_empty)
    }
}

/// Returns the exit code that a shell reports: the program's own, or 128 plus the number of its signal.
pub(in crate::run) fn exit_code(status: ExitStatus) -> i32 {
    status.code().or(status.signal().map(|signal| 128 + signal)).unwrap_or(1)
}
