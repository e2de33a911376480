//! The stream of a queue's events, which polls the queue.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::join_all;
use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt};
use tokio::runtime::Handle;
use tokio::time::sleep;

use super::message_queue::Message;
use super::poll_interval::PollInterval;
use super::queue::StorageQueue;
use crate::error::{Error, ErrorKind, Result};
use crate::push::batch::EventBatch;
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

/// The state between two polls of a queue.
struct Receiver {
    queue: StorageQueue,
    interval: PollInterval,
    pause: Duration,
    /// Messages to delete once their events were yielded. A crash before that causes a repetition and loses no event.
    undeleted: Vec<Message>,
    is_created: bool,
}

impl Receiver {
    fn new(queue: StorageQueue) -> Self {
        let interval = PollInterval::new(queue.shared.longest_pause);
        Self { queue, interval, pause: Duration::ZERO, undeleted: Vec::new(), is_created: false }
    }

    /// Polls the queue once, after the pause, and returns its events; `None` after the queue was removed.
    ///
    /// The caller has yielded the events of the previous poll.
    async fn next(&mut self) -> Option<Vec<PushEvent>> {
        if let Err(error) = Error::unless_on_runtime() {
            self.queue.record_failure(&error);
            return None;
        }
        self.delete_messages().await;
        sleep(self.pause).await;
        if self.queue.is_removed() {
            return None;
        }
        let messages = match self.receive().await {
            Ok(messages) => messages,
            Err(error) => {
                // A cleanup of the queues of crashed instances may have removed this one.
                self.is_created &= error.kind() != ErrorKind::NotFound;
                self.queue.record_failure(&error);
                self.pause = self.interval.after_failure(fastrand::f64());
                return Some(Vec::new());
            }
        };
        let has_failed = self.interval.failures() > 0;
        self.pause = self.interval.after_messages(messages.len(), fastrand::f64());
        self.queue.record_success();
        let mut events: Vec<PushEvent> = messages.iter().flat_map(|message| self.events_of(message)).collect();
        self.undeleted = messages;
        if has_failed {
            tracing::info!(queue = self.queue.name(), "queue of events answers again; every secret is checked once");
            events.push(PushEvent::MayHaveLost);
        }
        Some(events)
    }

    async fn receive(&mut self) -> Result<Vec<Message>> {
        if self.queue.shared.is_own && !self.is_created {
            self.queue.shared.messages.create().await?;
            self.is_created = true;
        }
        self.queue.shared.messages.receive().await
    }

    /// Returns the events of a message, and counts them.
    fn events_of(&self, message: &Message) -> Vec<PushEvent> {
        let mut health = self.queue.lock_health();
        health.messages += 1;
        if message.received > MOST_DELIVERIES {
            health.worn_out += 1;
            drop(health);
            tracing::warn!(message = message.id, "message was received too often and is deleted");
            return Vec::new();
        }
        match EventBatch::parse(message.text.as_bytes()) {
            Ok(mut batch) => {
                batch.retain(&self.queue.shared.vaults);
                health.events += batch.events.len() as u64;
                batch.events
            }
            Err(error) => {
                health.unreadable += 1;
                drop(health);
                tracing::warn!(%error, message = message.id, "message is not an event and is deleted");
                Vec::new()
            }
        }
    }

    async fn delete_messages(&mut self) {
        let messages = std::mem::take(&mut self.undeleted);
        for deleted in join_all(messages.iter().map(|message| self.queue.shared.messages.delete(message))).await {
            if let Err(error) = deleted {
                // The message returns and repeats its events, which changes nothing, until it is received too often.
                self.queue.record_failure(&error);
            }
        }
    }
}

/// The number of deliveries after which a message is assumed to crash its receivers.
const MOST_DELIVERIES: i64 = 5;
