//! Ends for tests that would wait for ever: what never comes is to fail a test, not to hang it.

use std::panic::resume_unwind;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use tokio::time::timeout;

/// Waits for what comes within an hour of a paused clock, or never.
#[track_caller]
pub(crate) fn within_an_hour<T>(waiting: impl Future<Output = T>) -> impl Future<Output = T> {
    let (caller, waiting) = (std::panic::Location::caller(), timeout(Duration::from_secs(3_600), waiting));
    async move { waiting.await.unwrap_or_else(|_| panic!("nothing came in an hour: {caller}")) }
}

/// Runs `story` with a paused clock on a thread of its own. A loop that leaves nobody a turn lets no timer of its runtime
/// fire; so the thread is given up after a minute.
pub(crate) fn beside_a_watch<F: Future<Output = ()>>(story: impl FnOnce() -> F + Send + 'static) {
    let (done, end) = channel();
    let thread = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
        runtime.unwrap().block_on(story());
        _ = done.send(());
    });
    match end.recv_timeout(Duration::from_secs(60)) {
        Err(RecvTimeoutError::Timeout) => panic!("the loop leaves nobody a turn"),
        _ => thread.join().unwrap_or_else(|panic| resume_unwind(panic)),
    }
}
