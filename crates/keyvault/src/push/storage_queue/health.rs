//! The health of a queue of events.

use std::time::SystemTime;

use crate::error::Error;

/// The health of a queue: counters and the last failure. Holds no value.
#[non_exhaustive]
#[derive(Clone, Debug, Default)]
pub struct StorageQueueHealth {
    /// The number of messages received.
    pub messages: u64,
    /// The number of events in these messages.
    pub events: u64,
    /// The number of messages that contained no event. They are deleted.
    pub unreadable: u64,
    /// The number of messages that were received more than five times. They are deleted without being parsed.
    pub worn_out: u64,
    /// The number of failed requests since the last successful one.
    pub consecutive_failures: u32,
    /// The last failure. A later success does not clear it.
    pub last_failure: Option<Error>,
    /// The time of the last successful request.
    pub last_answer: Option<SystemTime>,
}
