//! The running program.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, sleep};

use super::family::Family;
use super::masked_output::{self, MaskedSecrets, Target};
use super::signal::{self, ReceivedSignal};

/// A child process and the tasks that copy its output.
pub(super) struct Child {
    process: tokio::process::Child,
    /// `None` if the child has already ended.
    family: Option<Family>,
    copies: JoinSet<()>,
    has_ended: watch::Sender<bool>,
}

impl Child {
    /// Wraps a process. `masked` is present if its output is piped.
    pub(super) fn new(
        mut process: tokio::process::Child,
        leads_a_group: bool,
        masked: Option<Arc<MaskedSecrets>>,
    ) -> Self {
        let (has_ended, ended) = watch::channel(false);
        let mut copies = JoinSet::new();
        if let Some(masked) = masked {
            if let Some(out) = process.stdout.take() {
                copies.spawn(masked_output::copy(out, Target::Stdout, Arc::clone(&masked), ended.clone()));
            }
            if let Some(err) = process.stderr.take() {
                copies.spawn(masked_output::copy(err, Target::Stderr, masked, ended));
            }
        }
        let id = process.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        Self { process, family: id.map(|id| Family::new(id, leads_a_group)), copies, has_ended }
    }

    pub(super) async fn wait(&mut self) -> io::Result<ExitStatus> {
        self.process.wait().await
    }

    /// Forwards a signal, unless the child already received it from the terminal.
    pub(super) fn forward(&self, received: ReceivedSignal) {
        if !received.is_for_the_group {
            signal::send(&self.process, received.signal);
        }
    }

    /// Ends the child and every process that it started: sends TERM, waits for `grace`, then sends KILL. Returns the
    /// termination signal that arrived meanwhile, if any.
    pub(super) async fn terminate(
        &mut self,
        grace: Duration,
        signals: &mut UnboundedReceiver<ReceivedSignal>,
    ) -> io::Result<(ExitStatus, Option<ReceivedSignal>)> {
        self.send_to_family(Signal::TERM, false);
        let mut status = None;
        let mut termination = None;
        let mut is_killed = false;
        let mut tick = interval(Duration::from_millis(20));
        let deadline = sleep(grace);
        tokio::pin!(deadline);
        loop {
            tokio::select! {
                ended = self.process.wait(), if status.is_none() => status = Some(ended?),
                () = &mut deadline => {
                    if let Some(status) = status.filter(|_| is_killed) {
                        return Ok((status, termination));
                    }
                    self.send_to_family(Signal::KILL, status.is_some());
                    is_killed = true;
                    deadline.as_mut().reset(Instant::now() + KILL_TIME);
                }
                Some(received) = signals.recv() => {
                    self.forward(received);
                    termination = termination.or(received.is_termination().then_some(received));
                }
                _ = tick.tick(), if status.is_some() => {}
            }
            if let Some(status) = status.filter(|_| self.family.is_none_or(Family::is_empty)) {
                return Ok((status, termination));
            }
        }
    }

    fn send_to_family(&self, signal: Signal, has_ended: bool) {
        if let Some(family) = self.family {
            family.send(signal, has_ended);
        }
    }

    /// Waits until the output of the child is written. A process that the child left behind may hold the pipe open:
    /// once it pauses, another process copies its output.
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

/// The time after KILL until a process that the system cannot end is given up.
const KILL_TIME: Duration = Duration::from_secs(1);
