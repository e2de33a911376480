//! A thread that runs what others wait for.

use std::fmt;
use std::sync::{Arc, mpsc};
use std::thread;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use crate::error::{Error, ErrorKind, Result};

/// A runtime on a thread of its own, until the last clone is dropped.
///
/// Nobody enters it: a caller hands over a future and waits for its outcome as for any other thread's. So it does not
/// matter whether the caller is itself inside a runtime.
#[derive(Clone)]
pub(super) struct Worker {
    handle: Handle,
    /// The thread ends when this is dropped.
    _stop: Arc<oneshot::Sender<()>>,
}

impl Worker {
    pub(super) fn start() -> Result<Self> {
        let failed = |_| Error::new(ErrorKind::Unavailable, "no thread could be started for a blocking client");
        let runtime = Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let run = move || {
            // The sender sends nothing: that it is gone is what is waited for.
            _ = runtime.block_on(stopped);
        };
        thread::Builder::new().name("keyvault-blocking".to_owned()).spawn(run).map_err(failed)?;
        Ok(Self { handle, _stop: Arc::new(stop) })
    }

    /// Runs a future to its end; blocks the thread that this is called from.
    pub(super) fn run<T: Send + 'static>(&self, future: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
        let (tell, told) = mpsc::sync_channel(1);
        self.handle.spawn(async move {
            // Whoever waits cannot go away.
            _ = tell.send(future.await);
        });
        let gone = |_| Err(Error::new(ErrorKind::Unavailable, "thread of a blocking client is gone"));
        told.recv().unwrap_or_else(gone)
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").finish_non_exhaustive()
    }
}
