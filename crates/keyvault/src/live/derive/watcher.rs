//! Who wants to know of a resource that follows settings.

use std::fmt;

use tokio::sync::watch;

use super::health::State;
use crate::error::Error;

/// Tells of every replacement and failed build since it was made. Does not keep the resource.
#[derive(Clone)]
pub struct DerivedWatcher {
    state: watch::Receiver<State>,
    replacements: u64,
    failures: u64,
}

/// What a [`DerivedWatcher`] tells.
#[derive(Clone, Debug)]
pub enum DerivedNotice {
    /// The resource was replaced; it fits the settings of this generation.
    Replaced(u64),
    /// A build failed; the last good resource stands.
    Failed(Error),
}

impl DerivedWatcher {
    pub(super) fn new(state: watch::Receiver<State>) -> Self {
        let (replacements, failures) = state.borrow().counts();
        Self { state, replacements, failures }
    }

    /// Waits for the next notice; none after the end of the following. Several replacements since the last call are told
    /// as one, and so are failures.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing: the next call tells it.
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

    /// Waits for the next replacement, past all failures, and tells the generation of its settings; none after the end of
    /// the following. Cancel safe as [`next`](DerivedWatcher::next).
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
