//! Watching a derived resource.

use std::fmt;

use tokio::sync::watch;

use super::health::DerivedState;
use crate::error::Error;

/// Yields every replacement and failed build since it was created. It does not keep the resource.
///
/// [`Derived::watch`](super::Derived::watch) creates one.
#[derive(Clone)]
pub struct DerivedWatcher {
    state: watch::Receiver<DerivedState>,
    replacements: u64,
    failures: u64,
}

/// An item of a [`DerivedWatcher`].
#[derive(Clone, Debug)]
pub enum DerivedNotice {
    /// The resource was replaced. It matches the settings of this generation.
    Replaced(u64),
    /// A build failed, or the background task ended by itself. The last good resource stays.
    Failed(Error),
}

impl DerivedWatcher {
    pub(super) fn new(state: watch::Receiver<DerivedState>) -> Self {
        let (replacements, failures) = {
            let state = state.borrow();
            (state.replacements, state.failures)
        };
        Self { state, replacements, failures }
    }

    /// Waits for the next notice; `None` after the end of the task. Several replacements since the last call are merged
    /// into one notice, and so are failures.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing: the next call yields it.
    pub async fn next(&mut self) -> Option<DerivedNotice> {
        loop {
            if let Some(notice) = self.notice() {
                return Some(notice);
            }
            if !self.state.borrow().is_following {
                return None;
            }
            self.state.changed().await.ok()?;
        }
    }

    /// Waits for the next replacement, skips failures, and returns the generation of its settings; `None` after the end
    /// of the task.
    ///
    /// # Cancel safety
    ///
    /// As [`next`](DerivedWatcher::next).
    pub async fn replaced(&mut self) -> Option<u64> {
        loop {
            if let DerivedNotice::Replaced(generation) = self.next().await? {
                return Some(generation);
            }
        }
    }

    fn notice(&mut self) -> Option<DerivedNotice> {
        let state = self.state.borrow_and_update();
        if state.replacements > self.replacements {
            self.replacements = state.replacements;
            return Some(DerivedNotice::Replaced(state.generation));
        }
        if state.failures > self.failures {
            self.failures = state.failures;
            return state.last_error.clone().map(DerivedNotice::Failed);
        }
        None
    }
}

impl fmt::Debug for DerivedWatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DerivedWatcher").field("replacements", &self.replacements).finish_non_exhaustive()
    }
}
