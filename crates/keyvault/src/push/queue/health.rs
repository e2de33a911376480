//! How a queue of events does.

use std::time::SystemTime;

use crate::error::Error;

/// How a queue does, without a value in it.
#[non_exhaustive]
#[derive(Clone, Debug, Default)]
pub struct StorageQueueHealth {
    /// How many messages were received.
    pub messages: u64,
    /// How many events were in them.
    pub events: u64,
    /// How many messages were no events; they are deleted.
    pub unreadable: u64,
    /// How many messages came back too often; they are deleted unread.
    pub worn_out: u64,
    /// How many requests failed since the queue last answered.
    pub consecutive_failures: u32,
    /// What went wrong last, even if the queue answers again.
    pub last_failure: Option<Error>,
    /// When the queue last answered.
    pub last_answer: Option<SystemTime>,
}

impl StorageQueueHealth {
    pub(super) fn answered(&mut self) {
        self.consecutive_failures = 0;
        self.last_answer = Some(SystemTime::now());
    }

    pub(super) fn failed(&mut self, error: Error) {
        self.consecutive_failures = self.consecutive_failures.saturating_add(1);
        self.last_failure = Some(error);
    }
}
