//! Watching for changes and failures.

use std::fmt;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::watch;

use super::notices::Notice;
use super::publication::{Change, Publication, Published, PublishedCell};
use super::shared_state::SharedState;
use crate::error::Error;
use crate::settings::Origins;

/// Yields every change and failure since it was created.
///
/// Changes that arrive faster than they are read are merged into one, with the keys of all, and come before other
/// notices. The last 64 other notices are kept; [`Notice::Missed`] reports how many older ones were lost. A watcher
/// does not keep the settings refreshed.
///
/// [`Live::watch`](super::Live::watch) creates one.
pub struct Watcher<T> {
    pub(crate) feed: ChangeFeed,
    pub(crate) published: PublishedCell<T>,
}

impl<T: Send + Sync> Watcher<T> {
    /// Returns the current settings, whether or not their change was yielded yet.
    pub fn published(&self) -> Arc<Published<T>> {
        self.published.load_full()
    }

    /// Waits for the next notice; `None` after the end of the refresh loop.
    ///
    /// The wait has no limit. While the runtime of the start does not run, there are no notices, and
    /// [`health`](super::Live::health) turns red.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing: the next call yields it.
    pub async fn next(&mut self) -> Option<Notice> {
        self.feed.next().await
    }

    /// Waits for the next change and skips other notices; `None` after the end of the refresh loop.
    ///
    /// # Cancel safety
    ///
    /// As [`next`](Watcher::next).
    pub async fn changed(&mut self) -> Option<Change> {
        self.feed.changed().await
    }
}

impl<T> fmt::Debug for Watcher<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watcher").field("generation", &self.feed.generation).finish_non_exhaustive()
    }
}

/// The part of a watcher that does not depend on the type of the settings.
pub(crate) struct ChangeFeed {
    state: Arc<SharedState>,
    signal: watch::Receiver<()>,
    generation: u64,
    origins: Arc<Origins>,
    /// How many notices were yielded or came before this watcher.
    notices: u64,
}

impl ChangeFeed {
    pub(super) fn new(state: &Arc<SharedState>) -> Self {
        let mut signal = state.signal.clone();
        signal.borrow_and_update();
        let publication = state.publication.load_full();
        let notices = state.health_state().notices.count();
        let origins = Arc::clone(&publication.origins);
        Self { state: Arc::clone(state), signal, generation: publication.generation, origins, notices }
    }

    /// Returns the current publication.
    pub(crate) fn publication(&self) -> Arc<Publication> {
        self.state.publication.load_full()
    }

    /// Returns why the loop ended by itself, if it did.
    pub(crate) fn loss(&self) -> Option<Error> {
        self.state.health_state().loss.clone()
    }

    /// Waits for the next notice. The future is boxed so that it is compiled in this crate.
    pub(crate) fn next(&mut self) -> BoxFuture<'_, Option<Notice>> {
        async move {
            loop {
                let is_following = self.state.health_state().is_following;
                if let Some(notice) = self.notice() {
                    return Some(notice);
                }
                if !is_following {
                    return None;
                }
                self.signal.changed().await.ok()?;
            }
        }
        .boxed()
    }

    /// Waits for the next change.
    pub(crate) fn changed(&mut self) -> BoxFuture<'_, Option<Change>> {
        async move {
            loop {
                if let Notice::Changed(change) = self.next().await? {
                    return Some(change);
                }
            }
        }
        .boxed()
    }

    /// Returns the next notice that was not yielded yet.
    fn notice(&mut self) -> Option<Notice> {
        self.signal.borrow_and_update();
        if let Some(change) = self.change() {
            return Some(Notice::Changed(change));
        }
        let (notices, notice) = self.state.health_state().notices.after(self.notices)?;
        self.notices = notices;
        Some(notice)
    }

    fn change(&mut self) -> Option<Change> {
        let publication = self.state.publication.load_full();
        if publication.generation == self.generation {
            return None;
        }
        let mut change = publication.change();
        if publication.generation > self.generation + 1 {
            change.keys = self.origins.changed(&publication.origins);
        }
        self.generation = publication.generation;
        self.origins = Arc::clone(&publication.origins);
        // Values that changed and changed back since the last call are no change.
        (!change.keys.is_empty()).then_some(change)
    }
}
