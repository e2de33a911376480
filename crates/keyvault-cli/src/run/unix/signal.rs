//! Signals that are forwarded to the child.

use std::io;
use std::thread;

use rustix::process::{Pid, Signal, getpid, getsid, kill_process};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::iterator::SignalsInfo;
use signal_hook::iterator::exfiltrator::origin::WithOrigin;
use signal_hook::low_level::siginfo::Cause;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// A signal that this process received.
#[derive(Clone, Copy, Debug)]
pub(in crate::run) struct ReceivedSignal {
    pub(in crate::run) signal: Signal,
    /// A terminal sent it, not a process.
    pub(in crate::run) is_from_terminal: bool,
    /// The terminal signalled the whole process group, so the child already received the signal.
    pub(in crate::run) is_for_the_group: bool,
}

impl ReceivedSignal {
    /// Returns whether the sender wants the command to end. A HUP from a process asks a server to reload instead.
    pub(in crate::run) fn is_termination(self) -> bool {
        match self.signal {
            Signal::USR1 | Signal::USR2 => false,
            Signal::HUP => self.is_from_terminal,
            _ => true,
        }
    }

    /// Returns the exit code that a shell reports for a program that this signal ended.
    pub(in crate::run) fn exit_code(self) -> i32 {
        128 + self.signal.as_raw()
    }
}

/// Registers for the signals that are forwarded, and returns them as a channel.
pub(in crate::run) fn listen() -> io::Result<UnboundedReceiver<ReceivedSignal>> {
    let (sender, receiver) = unbounded_channel();
    let mut signals = SignalsInfo::<WithOrigin>::new(FORWARDED.map(|(number, _)| number))?;
    thread::spawn(move || {
        for origin in &mut signals {
            let forwarded = FORWARDED.into_iter().find(|(number, _)| *number == origin.signal);
            let Some((_, signal)) = forwarded else { continue };
            let is_from_terminal = matches!(origin.cause, Cause::Kernel);
            // A terminal that hangs up signals the leader of the session alone.
            let is_for_the_group = is_from_terminal && !(signal == Signal::HUP && leads_the_session());
            let received = ReceivedSignal { signal, is_from_terminal, is_for_the_group };
            if sender.send(received).is_err() {
                return;
            }
        }
    });
    Ok(receiver)
}

fn leads_the_session() -> bool {
    getsid(None).is_ok_and(|leader| leader == getpid())
}

const FORWARDED: [(i32, Signal); 6] = [
    (SIGTERM, Signal::TERM),
    (SIGINT, Signal::INT),
    (SIGHUP, Signal::HUP),
    (SIGQUIT, Signal::QUIT),
    (SIGUSR1, Signal::USR1),
    (SIGUSR2, Signal::USR2),
];

/// Sends `signal` to a child that was not waited for. Does nothing if the child has already ended.
pub(super) fn send(child: &tokio::process::Child, signal: Signal) {
    let id = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    if let Some(id) = id {
        let _ = kill_process(id, signal);
    }
}
