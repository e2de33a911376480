//! The runtime that timers need.

use std::panic::catch_unwind;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::sleep;

/// Returns why the caller cannot wait here: it is outside a tokio runtime, or its runtime has no timers. `None` if it
/// can.
///
/// Tokio itself panics in these cases, at the first timer.
pub(crate) fn runtime_fault() -> Option<&'static str> {
    if Handle::try_current().is_err() {
        return Some("no tokio runtime runs here");
    }
    // Tokio has no other way to ask: neither `Handle` nor `Builder` shows whether timers are on. So its panic message
    // appears on stderr before our error. The future is dropped before its first poll.
    match catch_unwind(|| drop(sleep(Duration::ZERO))) {
        Ok(()) => None,
        Err(_panic) => Some("the tokio runtime has no timers"),
    }
}

#[cfg(test)]
mod tests {
    use tokio::runtime::Builder;

    use super::*;

    #[test]
    fn a_runtime_with_timers_is_required() {
        assert_eq!(runtime_fault(), Some("no tokio runtime runs here"));
        let without_timers = Builder::new_current_thread().build().unwrap();
        assert_eq!(without_timers.block_on(async { runtime_fault() }), Some("the tokio runtime has no timers"));
        let complete = Builder::new_current_thread().enable_time().build().unwrap();
        assert_eq!(complete.block_on(async { runtime_fault() }), None);
    }
}
