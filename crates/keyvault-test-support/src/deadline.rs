//! Limits for tests that would otherwise wait forever: a missing event fails the test instead of hanging it.

use std::panic::resume_unwind;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use tokio::time::timeout;

/// Waits for `waiting`, and panics after one hour of the paused clock.
#[track_caller]
pub fn within_an_hour<T>(waiting: impl Future<Output = T>) -> impl Future<Output = T> {
    let (caller, waiting) = (std::panic::Location::caller(), timeout(Duration::from_secs(3_600), waiting));
    async move { waiting.await.unwrap_or_else(|_| panic!("timed out after one hour: {caller}")) }
}

/// Runs `test` with a paused clock on its own thread, and panics if that thread is still busy after a minute.
///
/// A loop that never yields starves the timers of its runtime, so only another thread can detect it.
pub fn on_a_watched_thread<F: Future<Output = ()>>(test: impl FnOnce() -> F + Send + 'static) {
    let (done, end) = channel();
    let thread = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
        runtime.unwrap().block_on(test());
        _ = done.send(());
    });
    match end.recv_timeout(Duration::from_secs(60)) {
        Err(RecvTimeoutError::Timeout) => panic!("the loop never yields"),
        _ => thread.join().unwrap_or_else(|panic| resume_unwind(panic)),
    }
}
