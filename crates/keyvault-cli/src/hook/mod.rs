//! The command of `--then`, which runs after each write, in a shell of `unix` or `windows`.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

use std::process::Stdio;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use self::platform::ProcessGroup;
#[cfg(unix)]
use self::unix as platform;
#[cfg(windows)]
use self::windows as platform;
use crate::vault::credential_variables;

/// The options of the commands that keep files up to date.
#[derive(clap::Args)]
pub(crate) struct HookArguments {
    /// Run this command with sh, or cmd on Windows, after each write, and retry it with a growing delay if it fails
    #[arg(long, value_name = "COMMAND", requires = "watch")]
    then: Option<String>,

    /// End the command of --then after this time
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration, default_value = "30s")]
    then_timeout: Duration,
}

impl HookArguments {
    /// Runs the command of `--then`, if there is one, each time the number of writes grows. Never returns while the
    /// sender of `writes` exists.
    pub(crate) async fn run(self, writes: watch::Receiver<u64>) {
        match self.then {
            Some(command) => Hook { command, timeout: self.then_timeout }.run(writes).await,
            None => std::future::pending().await,
        }
    }
}

/// A shell command and the time it may take.
struct Hook {
    command: String,
    timeout: Duration,
}

impl Hook {
    /// Runs the command each time the number of writes grows, and retries it with a growing delay while it fails.
    ///
    /// Writes during a run lead to one further run. Returns when the sender of `writes` is dropped.
    async fn run(self, mut writes: watch::Receiver<u64>) {
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
