//! Events that make one secret due now, so that a rotation does not wait for the next interval.

mod delivery;
mod envelope;
mod event;
mod mailbox;
#[cfg(feature = "storage-queue")]
mod queue;
mod webhook;

pub use self::event::{PushEvent, SecretEvent, SecretEventKind};
#[cfg(feature = "storage-queue")]
pub use self::queue::{StorageQueue, StorageQueueBuilder, StorageQueueEvents, StorageQueueHealth};
pub use self::webhook::{Webhook, WebhookAnswer, WebhookBuilder, WebhookEvents, webhook};
