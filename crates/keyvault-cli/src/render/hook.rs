//! The command after a file was written.

use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::run::environment::CREDENTIALS;

/// What to run after each writing, for a shell.
pub(crate) struct Hook {
    pub(crate) command: String,
    pub(crate) timeout: Duration,
}

impl Hook {
    /// Runs the command whenever the number of writings grows, and again with longer and longer pauses while it fails. What
    /// is written meanwhile is for the next run. Ends when nothing will be written any more.
    pub(crate) async fn run(self, mut written: watch::Receiver<u64>) {
        while written.changed().await.is_ok() {
            written.mark_unchanged();
            let mut pause = FIRST_PAUSE;
            loop {
                let Err(problem) = self.once().await else { break };
                eprintln!("keyvault: `{}` {problem}; again in {}", self.command, humantime::format_duration(pause));
                tokio::select! {
                    () = sleep(pause) => {}
                    // A new file is worth a try at once.
                    changed = written.changed() => match changed {
                        Ok(()) => pause = FIRST_PAUSE,
                        Err(_) => return,
                    }
                }
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }

    /// Runs the command once; it is ended with all that it started when its time is over.
    pub(crate) async fn once(&self) -> Result<(), String> {
        let mut command = Command::new("sh");
        command.arg("-c").arg(&self.command).stdin(Stdio::null()).process_group(0);
        for name in CREDENTIALS {
            command.env_remove(name);
        }
        let child = command.spawn().map_err(|error| format!("cannot be run: {error}"))?;
        let mut group = Group(child);
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

/// A child and all that it started; they are killed when nobody waits any more.
struct Group(Child);

impl Group {
    fn send(&self, signal: Signal) {
        // The number is the child's for as long as it was not waited for.
        let id = self.0.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(id) = id {
            let _ = kill_process_group(id, signal);
        }
    }

    async fn end(&mut self) {
        self.send(Signal::TERM);
        if timeout(GRACE, self.0.wait()).await.is_err() {
            self.send(Signal::KILL);
            let _ = self.0.wait().await;
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.send(Signal::KILL);
    }
}

const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
const GRACE: Duration = Duration::from_secs(2);
