//! Signals that are for the child.

use std::io;
use std::thread;

use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::iterator::SignalsInfo;
use signal_hook::iterator::exfiltrator::origin::WithOrigin;
use signal_hook::low_level::siginfo::Cause;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// A signal that this process received.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Received {
    pub(crate) signal: Signal,
    /// A terminal sends to everybody in the foreground: the child has it already, and a second one means more than one.
    pub(crate) is_from_terminal: bool,
}

impl Received {
    /// Tells whether somebody wants an end. HUP that is not of a terminal asks a server to read its settings again.
    pub(crate) fn ends(self) -> bool {
        match self.signal {
            Signal::USR1 | Signal::USR2 => false,
            Signal::HUP => self.is_from_terminal,
            _ => true,
        }
    }
}

/// Catches the signals that are passed on, from now on.
pub(crate) fn catch() -> io::Result<UnboundedReceiver<Received>> {
    let (sender, receiver) = unbounded_channel();
    let mut signals = SignalsInfo::<WithOrigin>::new(CAUGHT.map(|(number, _)| number))?;
    thread::spawn(move || {
        for origin in &mut signals {
            let caught = CAUGHT.into_iter().find(|(number, _)| *number == origin.signal);
            let Some((_, signal)) = caught else { continue };
            let received = Received { signal, is_from_terminal: matches!(origin.cause, Cause::Kernel) };
            if sender.send(received).is_err() {
                return;
            }
        }
    });
    Ok(receiver)
}

const CAUGHT: [(i32, Signal); 6] = [
    (SIGTERM, Signal::TERM),
    (SIGINT, Signal::INT),
    (SIGHUP, Signal::HUP),
    (SIGQUIT, Signal::QUIT),
    (SIGUSR1, Signal::USR1),
    (SIGUSR2, Signal::USR2),
];

/// Sends `signal` to a child that was not waited for yet. That it is gone already is no failure.
pub(crate) fn send(child: &tokio::process::Child, signal: Signal) {
    let id = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    if let Some(id) = id {
        let _ = kill_process(id, signal);
    }
}
