//! Who wants to know what changed.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::watch;

use super::Published;
use super::engine::{Shared, Signal};
use super::health::SecretHealth;
use super::pulse::Failure;
use crate::error::Error;
use crate::settings::Origins;

/// Tells of every change and failure since it was made.
///
/// Changes that come faster than they are asked for are told as one, with the keys of all. A watcher does not keep the
/// settings refreshed.
pub struct Watcher<T> {
    shared: Arc<Shared<T>>,
    signal: watch::Receiver<Signal>,
    generation: u64,
    origins: Arc<Origins>,
    failures: u64,
    told: u64,
}

/// What a [`Watcher`] tells.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub enum Notice {
    /// New settings were published.
    Changed(Change),
    /// A refresh failed; the last good settings stand.
    Failed(Error),
    /// The vault took away a secret that is in use, where that [counts](super::Revocation::Revoke): health is red.
    Revoked(Error),
    /// There is something to be known about a secret in use: it expires soon or has expired, is not valid yet, or is not
    /// what the vault calls the latest. Told once for each version.
    Secret(SecretHealth),
}

/// Which settings changed: keys, never values.
#[non_exhaustive]
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Change {
    /// Which settings are current since.
    pub generation: u64,
    /// When they were published.
    pub at: SystemTime,
    /// The keys whose values changed, came or went, in order.
    pub keys: Vec<String>,
}

impl<T: Send + Sync> Watcher<T> {
    pub(super) fn new(shared: Arc<Shared<T>>) -> Self {
        let mut signal = shared.signal.clone();
        let failures = signal.borrow_and_update().failures;
        let published = shared.published.load_full();
        let told = shared.pulse().told();
        let origins = Arc::clone(&published.origins);
        Self { generation: published.generation, origins, failures, told, signal, shared }
    }

    /// Gives the settings as they are now, told of already or not.
    pub fn published(&self) -> Arc<Published<T>> {
        self.shared.published.load_full()
    }

    /// Waits for the next notice; none after the end of the refresh.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing: the next call tells it.
    pub async fn next(&mut self) -> Option<Notice> {
        loop {
            let Signal { failures } = *self.signal.borrow_and_update();
            if let Some(change) = self.change() {
                return Some(Notice::Changed(change));
            }
            if let Some((told, secret)) = self.shared.pulse().notice_after(self.told) {
                self.told = told;
                return Some(Notice::Secret(secret));
            }
            if failures > self.failures {
                self.failures = failures;
                if let Some(Failure { error, is_revocation }) = self.shared.last_failure() {
                    return Some(if is_revocation { Notice::Revoked(error) } else { Notice::Failed(error) });
                }
            }
            self.signal.changed().await.ok()?;
        }
    }

    /// Waits for the next change, past all failures; none after the end of the refresh. Cancel safe as
    /// [`next`](Watcher::next).
    pub async fn changed(&mut self) -> Option<Change> {
        loop {
            if let Notice::Changed(change) = self.next().await? {
                return Some(change);
            }
        }
    }

    fn change(&mut self) -> Option<Change> {
        let published = self.shared.published.load_full();
        if published.generation == self.generation {
            return None;
        }
        let keys = if published.generation == self.generation + 1 {
            published.changed.to_vec()
        } else {
            self.origins.changed(&published.origins)
        };
        self.generation = published.generation;
        self.origins = Arc::clone(&published.origins);
        // There and back again since the last call is no change.
        (!keys.is_empty()).then(|| Change { generation: published.generation, at: published.at, keys })
    }
}

impl<T> fmt::Debug for Watcher<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watcher").field("generation", &self.generation).finish_non_exhaustive()
    }
}
