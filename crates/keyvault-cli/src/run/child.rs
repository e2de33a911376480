//! The running program.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::Signal;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::masked_output;
use super::redactor::Automaton;
use super::signal::{self, ReceivedSignal};

/// A child process and the tasks that copy its output.
pub(super) struct Child {
    process: tokio::process::Child,
    copies: JoinSet<()>,
    has_ended: watch::Sender<bool>,
}

impl Child {
    /// Wraps a process. `masked` is present if its output is piped.
    pub(super) fn new(mut process: tokio::process::Child, masked: Option<Arc<Automaton>>) -> Self {
        let (has_ended, ended) = watch::channel(false);
        let mut copies = JoinSet::new();
        if let Some(masked) = masked {
            if let Some(out) = process.stdout.take() {
                copies.spawn(masked_output::copy(out, tokio::io::stdout(), Arc::clone(&masked), ended.clone()));
            }
            if let Some(err) = process.stderr.take() {
                copies.spawn(masked_output::copy(err, tokio::io::stderr(), masked, ended));
            }
        }
        Self { process, copies, has_ended }
    }

    pub(super) async fn wait(&mut self) -> io::Result<ExitStatus> {
        self.process.wait().await
    }

    /// Forwards a signal, unless the child already received it from the terminal.
    pub(super) fn forward(&self, received: ReceivedSignal) {
        if !received.is_from_terminal {
            signal::send(&self.process, received.signal);
        }
    }

    /// Sends TERM, waits for `grace`, then sends KILL. Returns the termination signal that arrived meanwhile, if any.
    pub(super) async fn terminate(
        &mut self,
        grace: Duration,
        signals: &mut UnboundedReceiver<ReceivedSignal>,
    ) -> io::Result<(ExitStatus, Option<ReceivedSignal>)> {
        signal::send(&self.process, Signal::TERM);
        let mut termination = None;
        let deadline = sleep(grace);
        tokio::pin!(deadline);
        loop {
            tokio::select! {
                status = self.process.wait() => return Ok((status?, termination)),
                () = &mut deadline => {
                    self.process.start_kill()?;
                    return Ok((self.process.wait().await?, termination));
                }
                Some(received) = signals.recv() => {
                    self.forward(received);
                    termination = termination.or(received.is_termination().then_some(received));
                }
            }
        }
    }

    /// Waits until the output of the child is written. A process that the child left behind may hold the pipe open: its
    /// output is copied only until it pauses.
    pub(super) async fn drain(mut self) {
        self.has_ended.send_replace(true);
        while self.copies.join_next().await.is_some() {}
    }
}

/// Returns the exit code that a shell reports: the program's own, or 128 plus the number of its signal.
pub(super) fn exit_code(status: ExitStatus) -> u8 {
    let code = status.code().or(status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}
