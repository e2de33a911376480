//! The freshness of an answer: when its fetch began, and how old it may be.

use tokio::time::Instant;

/// How old an answer may be.
#[derive(Clone, Copy, Debug)]
pub(super) enum Freshness {
    /// Of any age.
    Any,
    /// From a fetch that began at this time or later.
    Since(Instant),
    /// From a fetch that began after this time on the cache's logical clock.
    After(u64),
}

/// When a fetch began. Its answer may miss any later change.
#[derive(Clone, Copy)]
pub(super) struct FetchStart {
    pub(super) time: Instant,
    /// The time on the cache's logical clock, where no two events have the same time.
    pub(super) logical_time: u64,
}

impl FetchStart {
    pub(super) fn is_fresh(self, freshness: Freshness) -> bool {
        match freshness {
            Freshness::Any => true,
            Freshness::Since(time) => self.time >= time,
            Freshness::After(time) => self.logical_time > time,
        }
    }
}
