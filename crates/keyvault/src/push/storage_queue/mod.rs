//! Events that Event Grid puts into an Azure Storage queue.
//!
//! Read [`StorageQueue`] in `queue` first, then `builder`. The stream in `events` polls the queue: the `poll_interval`
//! decides when, and `message_queue` is the interface to the queue, with `azure_queue` over the official client.
//! `health` holds the counters and the last failure.

mod azure_queue;
mod builder;
mod events;
mod health;
mod message_queue;
mod poll_interval;
mod queue;
#[cfg(test)]
mod tests;

pub use self::builder::StorageQueueBuilder;
pub use self::events::StorageQueueEvents;
pub use self::health::StorageQueueHealth;
pub use self::queue::StorageQueue;
