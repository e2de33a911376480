//! The signals that end a command.

use std::future::Future;
use std::io;

#[cfg(windows)]
use tokio::signal::windows::{self, CtrlBreak, CtrlC, CtrlClose, CtrlLogoff, CtrlShutdown};

/// Registers for the signals that end a command. The future waits for the first one.
#[cfg(unix)]
pub(crate) fn signal() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// Registers for the events that end a command. The future waits for the first one.
#[cfg(windows)]
pub(crate) fn signal() -> io::Result<impl Future<Output = ()>> {
    let mut events = ConsoleEvents::listen()?;
    Ok(async move { events.next().await })
}

/// The events of the console that end a command: Ctrl-C, Ctrl-Break, and the end of the console, the session and the
/// system. While this value exists, none of them ends this process.
#[cfg(windows)]
pub(crate) struct ConsoleEvents {
    interrupt: CtrlC,
    pause: CtrlBreak,
    close: CtrlClose,
    logoff: CtrlLogoff,
    shutdown: CtrlShutdown,
}

#[cfg(windows)]
impl ConsoleEvents {
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: windows::ctrl_c()?,
            pause: windows::ctrl_break()?,
            close: windows::ctrl_close()?,
            logoff: windows::ctrl_logoff()?,
            shutdown: windows::ctrl_shutdown()?,
        })
    }

    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.pause.recv() => {}
            _ = self.close.recv() => {}
            _ = self.logoff.recv() => {}
            _ = self.shutdown.recv() => {}
        }
    }
}
