//! Events that Event Grid puts into an Azure Storage queue.
//!
//! Read [`StorageQueue`] first, then `builder`. The stream in `events` drives a `receiver`, which polls the queue: the
//! `poll_interval` decides when, and `message_queue` is the interface to the queue, with `azure_queue` over the
//! official client. What the queue and its stream have in common is in `shared`.

mod azure_queue;
mod builder;
mod events;
#[cfg(test)]
mod fake_queue;
mod health;
mod message_queue;
mod poll_interval;
mod queue;
mod receiver;
mod shared;
#[cfg(test)]
mod tests;

pub use self::builder::StorageQueueBuilder;
pub use self::events::StorageQueueEvents;
pub use self::health::StorageQueueHealth;
pub use self::queue::StorageQueue;
