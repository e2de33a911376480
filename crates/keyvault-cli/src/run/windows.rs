//! Windows: job objects, events of the console, and programs that are batch files.

use std::env;
use std::ffi::OsStr;
use std::io;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Arc;

use tokio::process::{ChildStderr, ChildStdout};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use zeroize::Zeroizing;

use super::environment::ChildEnvironment;
use super::masked_output::Target;
use crate::job::Job;
use crate::shutdown::ConsoleEvents;

/// Returns the command of a program. Searches for it in the `PATH` of `environment` with every extension of `PATHEXT`,
/// because the system itself finds no batch file: `npm` is `npm.cmd`.
pub(super) fn command(program: &OsStr, environment: &ChildEnvironment) -> Command {
    let path = environment.values.iter().find(|(name, _)| name.eq_ignore_ascii_case("PATH"));
    let path = path.and_then(|(_, value)| Some(value.text.as_deref()?.into())).or_else(|| env::var_os("PATH"));
    let found = env::current_dir().ok().and_then(|directory| which::which_in(program, path, directory).ok());
    found.map_or_else(|| Command::new(program), Command::new)
}

/// A child process with every process that it started. Dropping it ends all of them.
#[derive(Debug)]
pub(super) struct Process(Job);

impl Process {
    pub(super) fn spawn(command: Command, _is_restarted: bool) -> io::Result<Self> {
        Job::spawn(command).map(Self)
    }

    /// Takes the pipes from standard output and standard error. `None` if they are not piped.
    pub(super) fn take_output(&mut self) -> (Option<ChildStdout>, Option<ChildStderr>) {
        self.0.take_output()
    }

    /// Waits until the command ends. The processes that it started may go on.
    pub(super) async fn wait(&mut self) -> io::Result<ExitStatus> {
        self.0.wait().await
    }

    /// Does nothing: the console sends its events to every process.
    pub(super) fn forward(&self, _: ReceivedSignal) {}

    /// Ends the command and every process that it started. Windows cannot ask a process to end.
    pub(super) fn terminate(&mut self) {
        self.0.kill();
    }

    /// Ends the command and every process that it started.
    pub(super) fn kill(&mut self) {
        self.0.kill();
    }

    /// Returns `true`: the system ends all processes of a job at once.
    pub(super) fn is_alone(&self) -> bool {
        true
    }
}

/// Returns the exit code of a program, which may be any number of 32 bits.
pub(super) fn exit_code(status: ExitStatus) -> i32 {
    status.code().unwrap_or(1)
}

/// An event of the console: Ctrl-C, Ctrl-Break, the console is closed, or the user's session ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReceivedSignal;

impl ReceivedSignal {
    /// Returns `true`: each event asks the command to end.
    pub(super) fn is_termination(self) -> bool {
        true
    }

    /// Returns the exit code of a program that an event of the console ended: `STATUS_CONTROL_C_EXIT`.
    pub(super) fn exit_code(self) -> i32 {
        0xC000_013A_u32.cast_signed()
    }
}

/// Registers for the events of the console, so that this process outlives the command, and returns them as a channel.
pub(super) fn listen() -> io::Result<UnboundedReceiver<ReceivedSignal>> {
    let (sender, receiver) = unbounded_channel();
    let mut events = ConsoleEvents::listen()?;
    tokio::spawn(async move {
        loop {
            events.next().await;
            if sender.send(ReceivedSignal).is_err() {
                return;
            }
        }
    });
    Ok(receiver)
}

/// Returns the pipe: no process in the background outlives its job, so the pipe ends soon.
pub(super) async fn hand_over<R: TryInto<Stdio>>(
    from: R,
    _: Target,
    _: Arc<[Zeroizing<String>]>,
    _: Zeroizing<Vec<u8>>,
) -> Option<R> {
    Some(from)
}
