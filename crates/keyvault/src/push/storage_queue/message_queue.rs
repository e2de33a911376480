//! The interface to a queue of messages.

use async_trait::async_trait;

use crate::error::Result;

/// One message. The queue hides it from other receivers until it is deleted or a minute has passed.
#[derive(Clone, Debug, Default)]
pub(super) struct Message {
    pub(super) id: String,
    pub(super) receipt: String,
    pub(super) text: String,
    /// The number of times that the message was received, including this time.
    pub(super) received: i64,
}

/// A queue of messages: Azure's, or the fake of a test. Every call ends within a deadline.
#[async_trait]
pub(super) trait MessageQueue: Send + Sync + 'static {
    /// Receives at most [`MOST_AT_ONCE`] messages and hides them from other receivers.
    async fn receive(&self) -> Result<Vec<Message>>;

    /// Deletes a message. A message that does not exist is not an error.
    async fn delete(&self, message: &Message) -> Result<()>;

    /// Creates the queue unless it exists.
    async fn create(&self) -> Result<()>;

    /// Removes the queue. A queue that does not exist is not an error.
    async fn remove(&self) -> Result<()>;
}

/// The largest number of messages that one request returns.
pub(super) const MOST_AT_ONCE: usize = 32;
