//! A queue for tests.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use super::messages::{MOST_AT_ONCE, Message, Messages};
use super::{Inner, StorageQueue};
use crate::error::{Error, ErrorKind, Result};
use crate::secret::Vault;

/// A queue in this process, of which a test can have everything go wrong.
#[derive(Clone, Default)]
pub(super) struct Fake(Arc<Mutex<State>>);

#[derive(Default)]
pub(super) struct State {
    pub(super) is_gone: bool,
    pub(super) is_failing: bool,
    pub(super) may_not_delete: bool,
    waiting: Vec<Message>,
    hidden: Vec<Message>,
    pub(super) asked: Vec<Instant>,
    pub(super) made: usize,
    pub(super) removed: usize,
}

impl Fake {
    pub(super) fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.0.lock().unwrap())
    }

    pub(super) fn send(&self, text: impl Into<String>) {
        self.with(|state| {
            let id = format!("{}", state.waiting.len() + state.hidden.len());
            state.waiting.push(Message { id, text: text.into(), ..Message::default() });
        });
    }

    /// Lets the time pass after which hidden messages come back.
    pub(super) fn come_back(&self) {
        self.with(|state| state.waiting.append(&mut state.hidden));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.with(|state| state.waiting.is_empty() && state.hidden.is_empty())
    }

    pub(super) fn queue(&self, is_own: bool) -> StorageQueue {
        self.queue_for(is_own, Vec::new())
    }

    pub(super) fn queue_for(&self, is_own: bool, vaults: Vec<Vault>) -> StorageQueue {
        let inner = Inner::new("queue".into(), self.clone(), vaults, Duration::from_secs(10), is_own);
        StorageQueue { inner: Arc::new(inner) }
    }
}

#[async_trait]
impl Messages for Fake {
    async fn receive(&self) -> Result<Vec<Message>> {
        self.with(|state| {
            state.asked.push(Instant::now());
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
            if state.may_not_delete {
                return Err(Error::new(ErrorKind::Denied, "queue may not be read"));
            }
            state.hidden.retain(|hidden| hidden.id != message.id);
            Ok(())
        })
    }

    async fn create(&self) -> Result<()> {
        self.with(|state| (state.is_gone, state.made) = (false, state.made + 1));
        Ok(())
    }

    async fn remove(&self) -> Result<()> {
        self.with(|state| (state.is_gone, state.removed) = (true, state.removed + 1));
        Ok(())
    }
}
