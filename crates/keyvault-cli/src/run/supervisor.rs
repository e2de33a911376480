//! Running the program as a child: masking its output, and restarting it when a secret changes.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{self, Receiver, UnboundedReceiver};
use tokio::time::{sleep, timeout};
use zeroize::Zeroizing;

use super::change_poller::ChangePoller;
use super::child::Child;
use super::environment::{ChildEnvironment, SecretText};
use super::masked_output::MaskedSecrets;
#[cfg(unix)]
use super::platform;
use super::platform::{ReceivedSignal, exit_code};
use super::program::Program;
use super::redactor::MIN_LENGTH;
use crate::failure::Failure;

/// Runs a program until it ends.
pub(super) struct Supervisor {
    pub(super) program: Program,
    pub(super) is_masking: bool,
    /// The time that the program has to end at a restart.
    pub(super) grace: Duration,
    /// The secrets of this and earlier environments. A log may still contain a replaced value.
    secrets: Vec<Zeroizing<String>>,
}

/// Why a child is no longer supervised.
enum Event {
    Ended { code: i32, is_terminating: bool },
    Changed(Arc<ChildEnvironment>),
}

impl Supervisor {
    pub(super) fn new(program: Program, is_masking: bool, grace: Duration) -> Self {
        Self { program, is_masking, grace, secrets: Vec::new() }
    }

    /// Runs the program, restarts it on each change that `poller` finds, and returns its exit code.
    pub(super) async fn run(
        mut self,
        mut signals: UnboundedReceiver<ReceivedSignal>,
        poller: Option<ChangePoller>,
    ) -> Result<i32, Failure> {
        let (sender, mut changes) = mpsc::channel(1);
        #[cfg(unix)]
        {
            if poller.is_some() {
                platform::adopt_orphans();
            }
            if poller.is_some() || std::process::id() == 1 {
                tokio::spawn(platform::reap_orphans());
            }
        }
        if let Some(poller) = poller {
            tokio::spawn(poller.run(sender));
        }
        loop {
            // A signal of a terminal is not forwarded, and a program that starts later has not received it.
            while let Ok(received) = signals.try_recv() {
                if received.is_termination() {
                    return Ok(received.exit_code());
                }
            }
            let masked = self.masked();
            let mut child = self.program.spawn(masked)?;
            let newer = match next_event(&mut child, &mut signals, &mut changes).await? {
                Event::Changed(newer) => newer,
                Event::Ended { code, is_terminating } => {
                    drain_unless_terminated(child, &mut signals, is_terminating).await;
                    return Ok(code);
                }
            };
            let (status, termination) = child.terminate(self.grace, &mut signals).await?;
            if termination.is_some() {
                drain_unless_terminated(child, &mut signals, true).await;
                return Ok(exit_code(status));
            }
            // A slow reader does not delay the restart.
            let _ = timeout(MAX_DRAIN, child.drain()).await;
            self.program.environment = newer;
        }
    }

    /// Returns the current and all earlier secrets. `None` without `--mask`.
    fn masked(&mut self) -> Option<Arc<MaskedSecrets>> {
        if !self.is_masking {
            return None;
        }
        let environment = &self.program.environment;
        let is_short = |secret: &&SecretText| (1..MIN_LENGTH).contains(&secret.text.trim().len());
        let short: BTreeSet<&str> =
            environment.secrets.iter().filter(is_short).map(|secret| secret.place.as_str()).collect();
        for place in short {
            eprintln!("keyvault: {place} is shorter than {MIN_LENGTH} characters and is not masked in the output");
        }
        self.secrets.extend(environment.secrets.iter().map(|secret| secret.text.clone()));
        self.secrets.sort_unstable_by(|one, other| one.as_str().cmp(other.as_str()));
        self.secrets.dedup();
        Some(Arc::new(MaskedSecrets::new(self.secrets.clone())))
    }
}

/// Waits until the child ends or its environment changes, and forwards signals meanwhile.
async fn next_event(
    child: &mut Child,
    signals: &mut UnboundedReceiver<ReceivedSignal>,
    changes: &mut Receiver<Arc<ChildEnvironment>>,
) -> Result<Event, Failure> {
    let mut is_terminating = false;
    loop {
        tokio::select! {
            biased;
            Some(received) = signals.recv() => {
                is_terminating |= received.is_termination();
                child.forward(received);
            }
            status = child.wait() => return Ok(Event::Ended { code: exit_code(status?), is_terminating }),
            Some(newer) = changes.recv(), if !is_terminating => return Ok(Event::Changed(newer)),
        }
    }
}

/// Waits for a slow reader of the output, but only for a moment after a termination signal.
async fn drain_unless_terminated(child: Child, signals: &mut UnboundedReceiver<ReceivedSignal>, is_terminating: bool) {
    let terminated = async {
        while !is_terminating && !signals.recv().await.is_none_or(ReceivedSignal::is_termination) {}
        sleep(MAX_DRAIN).await;
    };
    tokio::select! {
        () = child.drain() => {}
        () = terminated => {}
    }
}

/// The time for writing the remaining output at a restart or after a termination signal.
const MAX_DRAIN: Duration = Duration::from_secs(2);

#[cfg(all(test, unix))]
mod tests {
    use std::collections::BTreeMap;

    use rustix::process::Signal;

    use super::*;

    #[tokio::test]
    async fn a_program_does_not_start_after_a_termination_signal() {
        let environment = ChildEnvironment { values: BTreeMap::new(), withheld: Vec::new(), secrets: Vec::new() };
        let program = Program {
            words: ["sh", "-c", "exit 7"].map(Into::into).into(),
            environment: Arc::new(environment),
            is_restarted: false,
        };
        let (sender, signals) = mpsc::unbounded_channel();
        for signal in [Signal::USR1, Signal::INT] {
            let received = ReceivedSignal { signal, is_from_terminal: true, is_for_the_group: true };
            sender.send(received).expect("a receiver");
        }
        let code = Supervisor::new(program, false, Duration::ZERO).run(signals, None).await;
        assert_eq!(code.expect("an exit code"), 130);
    }
}
