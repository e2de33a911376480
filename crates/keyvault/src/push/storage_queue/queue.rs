//! A queue in a storage account to which Event Grid delivers.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use super::events::StorageQueueEvents;
use super::health::StorageQueueHealth;
use super::message_queue::MessageQueue;
use crate::error::{Error, Result};
use crate::secret::Vault;

/// A queue in a storage account to which Event Grid delivers events.
///
/// A queue gives each message to one receiver: one queue serves one process, or one process that forwards the events. A
/// fleet uses [`per_instance`](super::StorageQueueBuilder::per_instance). `Clone` is cheap and shares everything.
///
/// # Examples
///
/// ```no_run
/// use std::sync::Arc;
///
/// use azure_core::credentials::TokenCredential;
/// use keyvault::push::StorageQueue;
///
/// # fn example(credential: Arc<dyn TokenCredential>) -> keyvault::Result<()> {
/// let url = "https://contoso.queue.core.windows.net/shop-secrets";
/// let queue = StorageQueue::builder(url).credential(credential).build()?;
/// let events = queue.events(); // for LiveBuilder::events
/// # drop(events);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct StorageQueue {
    pub(super) shared: Arc<SharedQueue>,
}

/// The state that a queue shares with its streams.
pub(super) struct SharedQueue {
    pub(super) name: String,
    pub(super) messages: Box<dyn MessageQueue>,
    pub(super) vaults: Vec<Vault>,
    pub(super) longest_pause: Duration,
    /// The queue belongs to this instance, which creates and removes it.
    pub(super) is_own: bool,
    pub(super) is_removed: AtomicBool,
    pub(super) health: Mutex<StorageQueueHealth>,
}

impl StorageQueue {
    /// Returns the name of the queue. For a queue of this instance, it ends with 16 random digits.
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// Returns the stream of the queue's events, for [`LiveBuilder::events`](crate::LiveBuilder::events).
    ///
    /// The stream polls the queue while it is polled itself, and receives at most 32 messages with each request. The
    /// pause between two requests starts at one second and doubles while no message arrives, up to
    /// [`longest_pause`](super::StorageQueueBuilder::longest_pause).
    ///
    /// A message is deleted after the stream has yielded its events. A message without an event, or one that was
    /// received more than five times, is logged, counted and deleted: an event is only a hint, and the next check of
    /// the vault makes up for it.
    ///
    /// If the queue fails or does not exist, the stream polls again with a backoff of at most a minute, and yields
    /// [`PushEvent::MayHaveLost`](crate::push::PushEvent::MayHaveLost) when the queue answers. Only
    /// [`remove`](StorageQueue::remove) ends the stream, and a poll outside a tokio runtime. Two streams of one queue
    /// compete for its messages.
    pub fn events(&self) -> StorageQueueEvents {
        StorageQueueEvents::new(self.clone())
    }

    /// Returns the health of the queue, without waiting.
    pub fn health(&self) -> StorageQueueHealth {
        self.lock_health().clone()
    }

    /// Creates the queue unless it exists. Costs one request.
    ///
    /// The stream of a queue of this instance creates the queue too. Call this for a resource that needs the queue
    /// first, such as the subscription that delivers to it.
    ///
    /// # Errors
    ///
    /// The storage account's error.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future may leave the queue created. A second call has the same result.
    pub async fn create(&self) -> Result<()> {
        self.shared.messages.create().await
    }

    /// Removes a queue of this instance with its messages, and ends its stream. Costs one request.
    ///
    /// Dropping the stream removes the queue in the background, if the runtime runs long enough.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) for a queue that belongs to others too; otherwise the storage account's
    /// error. A queue that does not exist is not an error.
    ///
    /// # Cancel safety
    ///
    /// The stream ends even if the future is dropped after its first poll. The queue may then remain; a second call
    /// removes it.
    pub async fn remove(&self) -> Result<()> {
        if !self.shared.is_own {
            return Err(Error::invalid("queue does not belong to this instance alone"));
        }
        self.shared.is_removed.store(true, Ordering::Release);
        self.shared.messages.remove().await
    }

    pub(super) fn is_removed(&self) -> bool {
        self.shared.is_removed.load(Ordering::Acquire)
    }

    pub(super) fn lock_health(&self) -> MutexGuard<'_, StorageQueueHealth> {
        self.shared.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn record_failure(&self, error: &Error) {
        tracing::warn!(%error, queue = self.name(), "request to the queue of events failed");
        let mut health = self.lock_health();
        health.consecutive_failures = health.consecutive_failures.saturating_add(1);
        health.last_failure = Some(error.clone());
    }

    pub(super) fn record_success(&self) {
        let mut health = self.lock_health();
        health.consecutive_failures = 0;
        health.last_answer = Some(SystemTime::now());
    }
}

impl fmt::Debug for StorageQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StorageQueue").field("name", &self.shared.name).finish_non_exhaustive()
    }
}
