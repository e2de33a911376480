//! Windows: the command of `--then` in a shell and a job object.

use std::io;
use std::os::windows::process::CommandExt;
use std::process::{Command, ExitStatus};

use crate::job::Job;

/// Returns the shell that runs `command`.
pub(super) fn shell(command: &str) -> Command {
    let mut shell = Command::new("cmd");
    // The shell removes the outer quotes and takes the rest as it is. Rust would escape the quotes inside.
    shell.args(["/D", "/S", "/C"]).raw_arg(format!("\"{command}\""));
    shell
}

/// A child and every process that it started. Dropping it ends them.
pub(super) struct ProcessGroup(Job);

impl ProcessGroup {
    pub(super) fn spawn(command: Command) -> io::Result<Self> {
        Job::spawn(command).map(Self)
    }

    pub(super) async fn wait(&mut self) -> io::Result<ExitStatus> {
        self.0.wait().await
    }

    /// Ends every process.
    pub(super) async fn end(&mut self) {
        self.0.kill();
        let _ = self.0.wait().await;
    }
}
