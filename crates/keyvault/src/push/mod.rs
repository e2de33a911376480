//! Events that make one secret due now, so that a rotation does not wait for the next interval.

mod event;

pub use self::event::{PushEvent, SecretEvent, SecretEventKind};
