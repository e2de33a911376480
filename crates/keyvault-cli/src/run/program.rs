//! The program that the user wants to run.

use std::ffi::OsString;
use std::io;
use std::process::{Command, Stdio};
use std::sync::Arc;

use super::child::Child;
use super::environment::ChildEnvironment;
use super::masked_output::MaskedSecrets;
use super::platform::{self, Process};
use crate::failure::Failure;

/// The command line and the environment of a program.
pub(super) struct Program {
    /// The program and its arguments.
    pub(super) words: Vec<OsString>,
    pub(super) environment: Arc<ChildEnvironment>,
    /// Whether a restart may have to end everything that the program started.
    pub(super) is_restarted: bool,
}

impl Program {
    fn command(&self) -> Command {
        let mut command = platform::command(&self.words[0], &self.environment);
        command.args(&self.words[1..]);
        self.environment.apply(&mut command);
        command
    }

    /// Replaces this process by the program. Returns only if that fails.
    #[cfg(unix)]
    pub(super) fn exec(&self) -> Failure {
        self.start_failure(&platform::exec(self.command()))
    }

    /// Starts the program as a child. With `masked` its output passes through a redactor.
    pub(super) fn spawn(&self, masked: Option<Arc<MaskedSecrets>>) -> Result<Child, Failure> {
        let mut command = self.command();
        if masked.is_some() {
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
        }
        let process = Process::spawn(command, self.is_restarted).map_err(|error| self.start_failure(&error))?;
        Ok(Child::new(process, masked))
    }

    /// Uses the exit codes of a shell: 127 if the program does not exist, 126 if it cannot be run.
    fn start_failure(&self, error: &io::Error) -> Failure {
        let code = if error.kind() == io::ErrorKind::NotFound { 127 } else { 126 };
        let program = self.words[0].to_string_lossy();
        let cause = match error.kind() {
            io::ErrorKind::NotFound => "command not found".to_owned(),
            io::ErrorKind::ArgumentListTooLong => {
                "its arguments and environment are longer than the system allows".to_owned()
            }
            _ => error.to_string(),
        };
        Failure::Other { text: format!("cannot run {program}: {cause}"), code }
    }
}
