//! Unix: the command of `--then` in a shell and a process group.

use std::io;
use std::process::{Command, ExitStatus};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::Child;
use tokio::time::{Duration, timeout};

/// Returns the shell that runs `command`.
pub(super) fn shell(command: &str) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", command]);
    shell
}

/// A child and every process that it started. Dropping it kills them.
pub(super) struct ProcessGroup(Child);

impl ProcessGroup {
    pub(super) fn spawn(command: Command) -> io::Result<Self> {
        tokio::process::Command::from(command).process_group(0).spawn().map(Self)
    }

    pub(super) async fn wait(&mut self) -> io::Result<ExitStatus> {
        self.0.wait().await
    }

    /// Ends every process: sends TERM, and after a while KILL.
    pub(super) async fn end(&mut self) {
        self.send(Signal::TERM);
        if timeout(GRACE_PERIOD, self.0.wait()).await.is_err() {
            self.send(Signal::KILL);
            let _ = self.0.wait().await;
        }
    }

    fn send(&self, signal: Signal) {
        // The system does not reuse the id before the child is waited for.
        let id = self.0.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(id) = id {
            let _ = kill_process_group(id, signal);
        }
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        self.send(Signal::KILL);
    }
}

/// The time between TERM and KILL.
const GRACE_PERIOD: Duration = Duration::from_secs(2);
