//! Everything that happens in a life, in order.

use std::fmt;
use std::sync::{Arc, Mutex};

use tokio::time::Instant;

/// What happened, with the time by the clock of the life. `Clone` shares it.
#[derive(Clone)]
pub(super) struct Trace {
    begun: Instant,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Trace {
    pub(super) fn begin() -> Self {
        Self { begun: Instant::now(), lines: Arc::default() }
    }

    pub(super) fn note(&self, what: impl fmt::Display) {
        self.lines.lock().unwrap().push(format!("{:?} {what}", self.begun.elapsed()));
    }

    /// Gives what happened so far.
    pub(super) fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }
}
