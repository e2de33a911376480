//! A bounded queue between the receiver of events and their stream.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use super::event::{PushEvent, SecretEvent};

/// A bounded queue of events. `Clone` is cheap and shares the queue.
///
/// A full queue drops further events and yields one [`PushEvent::MayHaveLost`] for them, so a flood causes one check of
/// every secret.
#[derive(Clone, Debug)]
pub(super) struct EventQueue(Arc<Mutex<EventQueueState>>);

#[derive(Debug)]
struct EventQueueState {
    events: VecDeque<SecretEvent>,
    capacity: usize,
    has_overflowed: bool,
    is_closed: bool,
    has_receiver: bool,
    receiver: Option<Waker>,
}

impl EventQueue {
    pub(super) fn new(capacity: usize) -> Self {
        Self(Arc::new(Mutex::new(EventQueueState {
            events: VecDeque::new(),
            capacity,
            has_overflowed: false,
            is_closed: false,
            has_receiver: true,
            receiver: None,
        })))
    }

    /// Adds events without waiting, and returns the number of events that did not fit.
    pub(super) fn push(&self, events: impl IntoIterator<Item = SecretEvent>) -> usize {
        let mut state = self.lock();
        let mut dropped = 0;
        for event in events {
            if state.events.len() < state.capacity {
                state.events.push_back(event);
            } else {
                dropped += 1;
            }
        }
        state.has_overflowed |= dropped > 0;
        wake(state);
        dropped
    }

    /// Takes the next event; `None` if the queue is closed and empty.
    pub(super) fn poll_next(&self, context: &mut Context<'_>) -> Poll<Option<PushEvent>> {
        let mut state = self.lock();
        if let Some(event) = state.events.pop_front() {
            return Poll::Ready(Some(event.into()));
        }
        // After the other events: a check that begins now finds every lost change.
        if std::mem::take(&mut state.has_overflowed) {
            return Poll::Ready(Some(PushEvent::MayHaveLost));
        }
        if state.is_closed {
            return Poll::Ready(None);
        }
        state.receiver = Some(context.waker().clone());
        Poll::Pending
    }

    /// Ends the stream of the receiver after the events in the queue.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.is_closed = true;
        wake(state);
    }

    /// Drops the events in the queue, because the receiver is gone.
    pub(super) fn drop_receiver(&self) {
        let mut state = self.lock();
        state.has_receiver = false;
        state.events.clear();
    }

    pub(super) fn has_receiver(&self) -> bool {
        self.lock().has_receiver
    }

    fn lock(&self) -> MutexGuard<'_, EventQueueState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Wakes the receiver after releasing the lock, which the receiver needs.
fn wake(mut state: MutexGuard<'_, EventQueueState>) {
    let receiver = state.receiver.take();
    drop(state);
    if let Some(receiver) = receiver {
        receiver.wake();
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use futures::FutureExt;

    use super::super::event::SecretEventKind;
    use super::*;
    use crate::secret::SecretId;

    fn event(name: &str) -> SecretEvent {
        let id = SecretId::parse(&format!("https://contoso.vault.azure.net/secrets/{name}/0af1")).unwrap();
        SecretEvent::new(id, SecretEventKind::NewVersion)
    }

    fn next(queue: &EventQueue) -> Option<Option<PushEvent>> {
        poll_fn(|context| queue.poll_next(context)).now_or_never()
    }

    #[test]
    fn a_full_queue_yields_its_events_and_then_one_loss() {
        let queue = EventQueue::new(2);
        assert_eq!(queue.push([event("a"), event("b"), event("c"), event("d")]), 2);
        assert_eq!(queue.push([event("e")]), 1);
        assert_eq!(next(&queue), Some(Some(event("a").into())));
        assert_eq!(next(&queue), Some(Some(event("b").into())));
        assert_eq!(next(&queue), Some(Some(PushEvent::MayHaveLost)));
        assert_eq!(next(&queue), None, "the loss is reported once");
        assert_eq!(queue.push([event("f")]), 0);
        assert_eq!(next(&queue), Some(Some(event("f").into())));
    }

    #[test]
    fn a_closed_queue_yields_its_events_before_the_end() {
        let queue = EventQueue::new(2);
        queue.push([event("a")]);
        queue.close();
        assert_eq!(next(&queue), Some(Some(event("a").into())));
        assert_eq!(next(&queue), Some(None));
    }

    #[tokio::test]
    async fn a_push_or_a_close_wakes_the_waiting_receiver() {
        for closes in [false, true] {
            let queue = EventQueue::new(2);
            let receiver = tokio::spawn({
                let queue = queue.clone();
                async move { poll_fn(|context| queue.poll_next(context)).await }
            });
            tokio::task::yield_now().await;
            if closes {
                queue.close()
            } else {
                _ = queue.push([event("a")])
            }
            assert_eq!(receiver.await.unwrap(), (!closes).then(|| event("a").into()));
        }
    }
}
