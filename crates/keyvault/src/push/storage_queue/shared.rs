//! The state that a queue shares with its stream.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::health::StorageQueueHealth;
use super::message_queue::MessageQueue;
use crate::error::{Error, Result};
use crate::secret::Vault;

pub(super) struct SharedQueue {
    pub(super) name: String,
    pub(super) messages: Box<dyn MessageQueue>,
    pub(super) vaults: Vec<Vault>,
    pub(super) longest_pause: Duration,
    /// The queue belongs to this instance, which creates and removes it.
    pub(super) is_own: bool,
    is_removed: AtomicBool,
    health: Mutex<StorageQueueHealth>,
}

impl SharedQueue {
    pub(super) fn new(
        name: String,
        messages: impl MessageQueue,
        vaults: Vec<Vault>,
        longest_pause: Duration,
        is_own: bool,
    ) -> Self {
        Self {
            name,
            messages: Box::new(messages),
            vaults,
            longest_pause,
            is_own,
            is_removed: AtomicBool::new(false),
            health: Mutex::default(),
        }
    }

    pub(super) fn is_removed(&self) -> bool {
        self.is_removed.load(Ordering::Acquire)
    }

    pub(super) fn health(&self) -> MutexGuard<'_, StorageQueueHealth> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn record_failure(&self, error: &Error) {
        tracing::warn!(%error, queue = self.name, "queue of events failed and is polled again");
        self.health().record_failure(error.clone());
    }

    pub(super) async fn remove(&self) -> Result<()> {
        self.is_removed.store(true, Ordering::Release);
        self.messages.remove().await
    }
}
