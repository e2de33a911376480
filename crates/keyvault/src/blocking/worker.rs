//! A thread that runs the futures of a blocking client.

use std::fmt;
use std::sync::{Arc, mpsc};
use std::thread;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use crate::error::{Error, ErrorKind, Result};

/// A runtime on a thread of its own, which ends when the last clone is dropped.
///
/// A caller hands over a future and waits for the result, without entering the runtime. So it may itself run inside of
/// a runtime.
#[derive(Clone)]
pub(super) struct Worker {
    handle: Handle,
    /// The thread ends when this is dropped.
    _stop: Arc<oneshot::Sender<()>>,
}

impl Worker {
    /// Starts the thread.
    pub(super) fn start() -> Result<Self> {
        let failed = |_| Error::new(ErrorKind::Unavailable, "thread of a blocking client cannot be started");
        let runtime = Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let run = move || {
            // The sender never sends; the receiver completes when it is dropped.
            _ = runtime.block_on(stopped);
        };
        thread::Builder::new().name("keyvault-blocking".to_owned()).spawn(run).map_err(failed)?;
        Ok(Self { handle, _stop: Arc::new(stop) })
    }

    /// Runs a future to completion. Blocks the calling thread.
    pub(super) fn run<T: Send + 'static>(&self, future: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
        let (sender, receiver) = mpsc::sync_channel(1);
        self.handle.spawn(async move {
            // The receiver below waits until this is sent.
            _ = sender.send(future.await);
        });
        let gone = |_| Err(Error::new(ErrorKind::Unavailable, "thread of a blocking client has ended"));
        receiver.recv().unwrap_or_else(gone)
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").finish_non_exhaustive()
    }
}
