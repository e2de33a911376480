//! The stream of a queue's events.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt};
use tokio::runtime::Handle;

use super::queue::StorageQueue;
use super::receiver::Receiver;
use crate::push::event::PushEvent;

/// The stream of the events of a [`StorageQueue`](super::StorageQueue).
#[must_use = "the queue is polled only while the stream is polled"]
pub struct StorageQueueEvents {
    events: BoxStream<'static, PushEvent>,
    queue: StorageQueue,
}

impl StorageQueueEvents {
    pub(super) fn new(queue: StorageQueue) -> Self {
        let receiver = Receiver::new(queue.clone());
        let events = stream::unfold(receiver, |mut receiver| async {
            let events = receiver.next().await?;
            Some((stream::iter(events), receiver))
        });
        Self { events: events.flatten().boxed(), queue }
    }
}

impl Stream for StorageQueueEvents {
    type Item = PushEvent;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<PushEvent>> {
        self.events.as_mut().poll_next(context)
    }
}

impl Drop for StorageQueueEvents {
    fn drop(&mut self) {
        if !self.queue.shared.is_own || self.queue.is_removed() {
            return;
        }
        if let Ok(runtime) = Handle::try_current() {
            let queue = self.queue.clone();
            runtime.spawn(async move {
                if let Err(error) = queue.remove().await {
                    tracing::warn!(%error, queue = queue.name(), "queue of this instance could not be removed");
                }
            });
        }
    }
}

impl fmt::Debug for StorageQueueEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StorageQueueEvents").field("name", &self.queue.name()).finish_non_exhaustive()
    }
}
