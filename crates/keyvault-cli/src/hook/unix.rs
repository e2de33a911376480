//! Unix: the command of `--then` in a shell and a process group.

use std::io;
use std::process::{Command, ExitStatus};

use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use tokio::process::Child;
use tokio::time::{Duration, sleep, timeout};

/// Returns the shell that runs `command`.
pub(super) fn shell(command: &str) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", command]);
    shell
}

/// A child and every process that it started. Dropping it kills them, unless the child ended by itself.
pub(super) struct ProcessGroup {
    child: Child,
    /// The process group. `None` once it must not be signalled any more: the child ended by itself, and what it left
    /// in the background may go on, or every process was ended.
    id: Option<Pid>,
}

impl ProcessGroup {
    pub(super) fn spawn(command: Command) -> io::Result<Self> {
        let child = tokio::process::Command::from(command).process_group(0).spawn()?;
        let id = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        Ok(Self { child, id })
    }

    pub(super) async fn wait(&mut self) -> io::Result<ExitStatus> {
        let status = self.child.wait().await?;
        self.id = None;
        Ok(status)
    }

    /// Ends every process: sends TERM, and after a while KILL.
    pub(super) async fn end(&mut self) {
        self.send(Signal::TERM);
        let ended = async {
            let _ = self.child.wait().await;
            // The system does not reuse the id while the group has a process.
            while self.id.is_some_and(|id| test_kill_process_group(id).is_ok()) {
                sleep(POLL_INTERVAL).await;
            }
        };
        if timeout(GRACE_PERIOD, ended).await.is_err() {
            self.send(Signal::KILL);
            let _ = self.child.wait().await;
        }
        self.id = None;
    }

    fn send(&self, signal: Signal) {
        if let Some(id) = self.id {
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
const POLL_INTERVAL: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use std::process::Stdio;

    use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
    use tokio::process::ChildStdout;

    use super::*;

    fn spawn(script: &str) -> (ProcessGroup, BufReader<ChildStdout>) {
        let mut command = shell(script);
        command.stdout(Stdio::piped());
        let mut group = ProcessGroup::spawn(command).expect("the shell starts");
        let out = group.child.stdout.take().expect("a pipe");
        (group, BufReader::new(out))
    }

    #[tokio::test]
    async fn a_process_that_ignores_term_is_killed_after_the_shell_has_ended() {
        let (mut group, mut out) = spawn("(trap '' TERM; echo ready; exec sleep 60) & wait");
        let mut line = String::new();
        out.read_line(&mut line).await.expect("a line");
        assert_eq!(line, "ready\n");
        group.end().await;
        // The pipe ends with the last process.
        let end = timeout(Duration::from_secs(20), out.read_to_string(&mut line)).await;
        assert!(end.is_ok(), "the process is killed");
    }

    #[tokio::test]
    async fn a_process_in_the_background_outlives_a_command_that_ended_by_itself() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("go");
        let (mut group, mut out) =
            spawn(&format!("(while ! [ -e {} ]; do sleep 0.01; done; echo alive) &", file.display()));
        assert!(group.wait().await.expect("the shell ends").success());
        drop(group);
        std::fs::write(&file, "").expect("a file");
        let mut text = String::new();
        out.read_to_string(&mut text).await.expect("text");
        assert_eq!(text, "alive\n");
    }
}
