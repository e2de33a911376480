//! The events of a simulated life, in order.

use std::sync::{Arc, Mutex};
use std::{env, fmt};

use tokio::time::Instant;

/// The events so far, with the time by the clock of the life. `Clone` shares them.
#[derive(Clone)]
pub(super) struct Trace {
    begun: Instant,
    /// Whether events are printed as they happen, for a life that does not end.
    is_aloud: bool,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Trace {
    pub(super) fn begin() -> Self {
        let is_aloud = env::var_os("KEYVAULT_SEED").is_some();
        Self { begun: Instant::now(), is_aloud, lines: Arc::default() }
    }

    pub(super) fn note(&self, what: impl fmt::Display) {
        let line = format!("{:?} {what}", self.begun.elapsed());
        if self.is_aloud {
            println!("{line}");
        }
        self.lines.lock().unwrap().push(line);
    }

    /// Returns the events so far.
    pub(super) fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }
}
