//! The command of `--then`, which runs after each write.

use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::Command;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::vault::credential_variables;

/// A shell command and the time it may take.
pub(super) struct Hook {
    pub(super) command: String,
    pub(super) timeout: Duration,
}

impl Hook {
    /// Runs the command each time the number of writes grows, and retries it with a growing delay while it fails.
    ///
    /// Writes during a run lead to one further run. Returns when the sender of `writes` is dropped.
    pub(super) async fn run(self, mut writes: watch::Receiver<u64>) {
        while writes.changed().await.is_ok() {
            writes.mark_unchanged();
            let mut delay = FIRST_DELAY;
            while let Err(problem) = self.run_once().await {
                eprintln!("keyvault: `{}` {problem}; retrying in {}", self.command, humantime::format_duration(delay));
                tokio::select! {
                    () = sleep(delay) => {}
                    // A new file is worth a retry at once.
                    changed = writes.changed() => match changed {
                        Ok(()) => delay = FIRST_DELAY,
                        Err(_) => return,
                    }
                }
                delay = (delay * 2).min(MAX_DELAY);
            }
        }
    }

    /// Runs the command once. After the timeout it ends the command with every process that it started.
    async fn run_once(&self) -> Result<(), String> {
        let mut command = Command::new("sh");
        command.arg("-c").arg(&self.command).stdin(Stdio::null()).process_group(0);
        for name in credential_variables() {
            command.env_remove(name);
        }
        let child = command.spawn().map_err(|error| format!("cannot be started: {error}"))?;
        let mut group = ProcessGroup(child);
        match timeout(self.timeout, group.0.wait()).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(format!("failed: {status}")),
            Ok(Err(error)) => Err(format!("cannot be waited for: {error}")),
            Err(_) => {
                group.end().await;
                Err(format!("did not end within {}", humantime::format_duration(self.timeout)))
            }
        }
    }
}

/// A child and every process that it started. Dropping it kills them.
struct ProcessGroup(tokio::process::Child);

impl ProcessGroup {
    fn send(&self, signal: Signal) {
        // The system does not reuse the id before the child is waited for.
        let id = self.0.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(id) = id {
            let _ = kill_process_group(id, signal);
        }
    }

    async fn end(&mut self) {
        self.send(Signal::TERM);
        if timeout(GRACE_PERIOD, self.0.wait()).await.is_err() {
            self.send(Signal::KILL);
            let _ = self.0.wait().await;
        }
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        self.send(Signal::KILL);
    }
}

const FIRST_DELAY: Duration = Duration::from_secs(1);
const MAX_DELAY: Duration = Duration::from_secs(300);
/// The time between TERM and KILL.
const GRACE_PERIOD: Duration = Duration::from_secs(2);
