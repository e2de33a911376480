//! The loop that receives messages from a queue.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use tokio::time::sleep;

use super::message_queue::Message;
use super::poll_interval::PollInterval;
use super::shared::SharedQueue;
use crate::error::{ErrorKind, Result};
use crate::push::batch::EventBatch;
use crate::push::event::PushEvent;

/// The state between two events of the stream.
pub(super) struct Receiver {
    queue: Arc<SharedQueue>,
    interval: PollInterval,
    pause: Duration,
    /// Events that were received and not yet yielded.
    ready: VecDeque<PushEvent>,
    /// Messages to delete once `ready` is empty. A crash before that causes a repetition and loses no event.
    undeleted: Vec<Message>,
    is_created: bool,
}

impl Receiver {
    pub(super) fn new(queue: Arc<SharedQueue>) -> Self {
        Self {
            interval: PollInterval::new(queue.longest_pause),
            pause: Duration::ZERO,
            ready: VecDeque::new(),
            undeleted: Vec::new(),
            is_created: false,
            queue,
        }
    }

    /// Waits for the next event; `None` after the queue was removed.
    pub(super) async fn next(&mut self) -> Option<PushEvent> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            self.delete_messages().await;
            sleep(self.pause).await;
            if self.queue.is_removed() {
                return None;
            }
            self.pause = self.poll().await;
        }
    }

    /// Polls the queue once, and returns the pause before the next poll.
    async fn poll(&mut self) -> Duration {
        let messages = match self.receive().await {
            Ok(messages) => messages,
            Err(error) => {
                // A cleanup of the queues of crashed instances may have removed this one.
                self.is_created &= error.kind() != ErrorKind::NotFound;
                self.queue.record_failure(&error);
                return self.interval.after_failure(fastrand::f64());
            }
        };
        let has_failed = self.interval.failures() > 0;
        let pause = self.interval.after_messages(messages.len(), fastrand::f64());
        self.queue.health().record_success();
        for message in &messages {
            self.parse(message);
        }
        self.undeleted.extend(messages);
        if has_failed {
            tracing::info!(queue = self.queue.name, "queue of events answers again; every secret is checked once");
            self.ready.push_back(PushEvent::MayHaveLost);
        }
        pause
    }

    async fn receive(&mut self) -> Result<Vec<Message>> {
        if self.queue.is_own && !self.is_created {
            self.queue.messages.create().await?;
            self.is_created = true;
        }
        self.queue.messages.receive().await
    }

    fn parse(&mut self, message: &Message) {
        let mut health = self.queue.health();
        health.messages += 1;
        if message.received > MOST_DELIVERIES {
            health.worn_out += 1;
            drop(health);
            tracing::warn!(message = message.id, "message was received too often and is deleted");
            return;
        }
        match EventBatch::parse(message.text.as_bytes()) {
            Ok(mut batch) => {
                batch.retain(&self.queue.vaults);
                health.events += batch.events.len() as u64;
                self.ready.extend(batch.events.into_iter().map(PushEvent::from));
            }
            Err(error) => {
                health.unreadable += 1;
                drop(health);
                tracing::warn!(%error, message = message.id, "message is not an event and is deleted");
            }
        }
    }

    async fn delete_messages(&mut self) {
        let messages = std::mem::take(&mut self.undeleted);
        for deleted in join_all(messages.iter().map(|message| self.queue.messages.delete(message))).await {
            if let Err(error) = deleted {
                // The message returns and repeats its events, which changes nothing, until it is received too often.
                self.queue.record_failure(&error);
            }
        }
    }
}

/// The number of deliveries after which a message is assumed to crash its receivers.
const MOST_DELIVERIES: i64 = 5;
