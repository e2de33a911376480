//! The running program.

use std::io;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, sleep};

use super::masked_output::{self, MaskedSecrets, Target};
use super::platform::{Process, ReceivedSignal};

/// A process and the tasks that copy its output.
pub(super) struct Child {
    process: Process,
    copies: JoinSet<()>,
    has_ended: watch::Sender<bool>,
}

impl Child {
    /// Wraps a process. `masked` is present if its output is piped.
    pub(super) fn new(mut process: Process, masked: Option<Arc<MaskedSecrets>>) -> Self {
        let (has_ended, ended) = watch::channel(false);
        let mut copies = JoinSet::new();
        if let Some(masked) = masked {
            let (out, err) = process.take_output();
            if let Some(out) = out {
                copies.spawn(masked_output::copy(out, Target::Stdout, Arc::clone(&masked), ended.clone()));
            }
            if let Some(err) = err {
                copies.spawn(masked_output::copy(err, Target::Stderr, masked, ended));
            }
        }
        Self { process, copies, has_ended }
    }

    pub(super) async fn wait(&mut self) -> io::Result<ExitStatus> {
        self.process.wait().await
    }

    /// Forwards a signal, unless the child already received it from the terminal.
    pub(super) fn forward(&self, received: ReceivedSignal) {
        self.process.forward(received);
    }

    /// Ends the child and every process that it started: asks them to end, waits for `grace`, then kills them. Returns
    /// the termination signal that arrived meanwhile, if any.
    pub(super) async fn terminate(
        &mut self,
        grace: Duration,
        signals: &mut UnboundedReceiver<ReceivedSignal>,
    ) -> io::Result<(ExitStatus, Option<ReceivedSignal>)> {
        self.process.terminate();
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
                    self.process.kill();
                    is_killed = true;
                    deadline.as_mut().reset(Instant::now() + KILL_TIME);
                }
                Some(received) = signals.recv() => {
                    self.forward(received);
                    termination = termination.or(received.is_termination().then_some(received));
                }
                _ = tick.tick(), if status.is_some() => {}
            }
            if let Some(status) = status.filter(|_| self.process.is_alone()) {
                return Ok((status, termination));
            }
        }
    }

    /// Waits until the output of the child is written. A process that the child left behind may hold the pipe open:
    /// once it pauses, another process copies its output.
    pub(super) async fn drain(self) {
        let Self { process, mut copies, has_ended } = self;
        // On Windows this ends the processes that the child left behind, and so their output.
        drop(process);
        has_ended.send_replace(true);
        while copies.join_next().await.is_some() {}
    }
}

/// The time after a kill until a process that the system cannot end is given up.
const KILL_TIME: Duration = Duration::from_secs(1);
