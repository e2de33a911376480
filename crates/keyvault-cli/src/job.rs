//! Windows: a process in a job object, which contains every process that it starts.

use std::io;
use std::process::{Command, ExitStatus};

use process_wrap::tokio::{ChildWrapper, CommandWrap, JobObject, KillOnDrop};
use tokio::process::{ChildStderr, ChildStdout};

/// A running process with every process that it started.
///
/// The system ends all of them when this value is dropped, and when this process ends, even if it is killed.
#[derive(Debug)]
pub(crate) struct Job(Box<dyn ChildWrapper>);

impl Job {
    /// Starts a command in a job of its own, from its first instruction on.
    pub(crate) fn spawn(command: Command) -> io::Result<Self> {
        let mut command = CommandWrap::from(tokio::process::Command::from(command));
        command.wrap(KillOnDrop).wrap(JobObject).spawn().map(Self)
    }

    /// Takes the pipes from standard output and standard error. `None` if they are not piped.
    pub(crate) fn take_output(&mut self) -> (Option<ChildStdout>, Option<ChildStderr>) {
        (self.0.stdout().take(), self.0.stderr().take())
    }

    /// Waits until the command ends. The processes that it started may go on.
    pub(crate) async fn wait(&mut self) -> io::Result<ExitStatus> {
        // The wrapper itself waits for every process of the job.
        self.0.inner_mut().wait().await
    }

    /// Ends every process of the job.
    pub(crate) fn kill(&mut self) {
        // It fails only if they have ended.
        let _ = self.0.start_kill();
    }
}
