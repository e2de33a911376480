//! A queue in memory, for tests.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use crate::error::{Error, ErrorKind, Result};
use crate::push::storage_queue::message_queue::{MOST_AT_ONCE, Message, MessageQueue};
use crate::push::storage_queue::queue::{SharedQueue, StorageQueue};
use crate::secret::Vault;

/// A queue in memory with configurable failures.
#[derive(Clone, Default)]
pub(super) struct FakeQueue(Arc<Mutex<FakeQueueState>>);

#[derive(Default)]
pub(super) struct FakeQueueState {
    pub(super) is_gone: bool,
    pub(super) is_failing: bool,
    pub(super) denies_delete: bool,
    waiting: Vec<Message>,
    hidden: Vec<Message>,
    pub(super) requests: Vec<Instant>,
    pub(super) created: usize,
    pub(super) removed: usize,
}

impl FakeQueue {
    pub(super) fn with<T>(&self, change: impl FnOnce(&mut FakeQueueState) -> T) -> T {
        change(&mut self.0.lock().unwrap())
    }

    pub(super) fn send(&self, text: impl Into<String>) {
        self.with(|state| {
            let id = format!("{}", state.waiting.len() + state.hidden.len());
            state.waiting.push(Message { id, text: text.into(), ..Message::default() });
        });
    }

    /// Makes the hidden messages visible again.
    pub(super) fn unhide(&self) {
        self.with(|state| state.waiting.append(&mut state.hidden));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.with(|state| state.waiting.is_empty() && state.hidden.is_empty())
    }

    pub(super) fn queue(&self, is_own: bool) -> StorageQueue {
        self.queue_for(is_own, Vec::new())
    }

    pub(super) fn queue_for(&self, is_own: bool, vaults: Vec<Vault>) -> StorageQueue {
        let shared = SharedQueue {
            name: "queue".into(),
            messages: Box::new(self.clone()),
            vaults,
            longest_pause: Duration::from_secs(10),
            is_own,
            is_removed: AtomicBool::default(),
            health: Mutex::default(),
        };
        StorageQueue { shared: Arc::new(shared) }
    }
}

#[async_trait]
impl MessageQueue for FakeQueue {
    async fn receive(&self) -> Result<Vec<Message>> {
        self.with(|state| {
            state.requests.push(Instant::now());
            if state.is_failing {
                return Err(Error::new(ErrorKind::Unavailable, "queue could not be reached"));
            }
            if state.is_gone {
                return Err(Error::new(ErrorKind::NotFound, "queue or message not found"));
            }
            let taken = state.waiting.len().min(MOST_AT_ONCE);
            let mut taken: Vec<_> = state.waiting.drain(..taken).collect();
            taken.iter_mut().for_each(|message| message.received += 1);
            state.hidden.extend(taken.iter().cloned());
            Ok(taken)
        })
    }

    async fn delete(&self, message: &Message) -> Result<()> {
        self.with(|state| {
            if state.denies_delete {
                return Err(Error::new(ErrorKind::Denied, "access to the queue is denied"));
            }
            state.hidden.retain(|hidden| hidden.id != message.id);
            Ok(())
        })
    }

    async fn create(&self) -> Result<()> {
        self.with(|state| (state.is_gone, state.created) = (false, state.created + 1));
        Ok(())
    }

    async fn remove(&self) -> Result<()> {
        self.with(|state| (state.is_gone, state.removed) = (true, state.removed + 1));
        Ok(())
    }
}
