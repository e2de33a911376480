//! A runtime on a thread of its own, for callers that block.

use std::pin::pin;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use tokio::task::unconstrained;

use crate::error::{Error, ErrorKind, Result};

/// A thread that drives connections and timers, and ends when the last clone is dropped.
///
/// The caller's thread polls its own future and sleeps in between, without blocking inside of the runtime. So it may
/// itself run inside of a runtime.
#[derive(Clone, Debug)]
pub(crate) struct Worker {
    handle: Handle,
    /// The thread ends when this is dropped.
    _stop: Arc<oneshot::Sender<()>>,
}

impl Worker {
    /// Starts the thread.
    pub(crate) fn start() -> Result<Self> {
        let failed = |_| Error::new(ErrorKind::Unavailable, "thread for blocking calls cannot be started");
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

    /// Runs `create` where futures use the timers of this thread.
    pub(super) fn enter<T>(&self, create: impl FnOnce() -> T) -> T {
        let _entered = self.handle.enter();
        create()
    }

    /// Runs a future to completion. Blocks the calling thread.
    pub(crate) fn run<F: Future>(&self, future: F) -> F::Output {
        let _entered = self.handle.enter();
        // A runtime around the caller limits the work of a task until the task yields, which this one does not.
        let mut future = pin!(unconstrained(future));
        let (sender, woken) = sync_channel(1);
        let waker = Waker::from(Arc::new(WakeSender(sender)));
        let mut context = Context::from_waker(&waker);
        loop {
            match future.as_mut().poll(&mut context) {
                Poll::Ready(output) => return output,
                // Cannot fail: `waker` keeps the sender.
                Poll::Pending => _ = woken.recv(),
            }
        }
    }
}

/// Wakes the thread that waits at the other end. Several wakes before it looks count as one.
struct WakeSender(SyncSender<()>);

impl Wake for WakeSender {
    fn wake(self: Arc<Self>) {
        _ = self.0.try_send(());
    }
}
