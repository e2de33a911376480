//! The command of `--then`, which runs after each write.

use std::process::Stdio;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::platform::{self, ProcessGroup};
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
        let mut command = platform::shell(&self.command);
        command.stdin(Stdio::null());
        for name in credential_variables() {
            command.env_remove(name);
        }
        let mut group = ProcessGroup::spawn(command).map_err(|error| format!("cannot be started: {error}"))?;
        match timeout(self.timeout, group.wait()).await {
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

const FIRST_DELAY: Duration = Duration::from_secs(1);
const MAX_DELAY: Duration = Duration::from_secs(300);
