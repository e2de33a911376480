//! The result of the last search for a certificate to issue.

use std::time::Duration;

/// The time of the next issue in the data after a number of changes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NextIssuance {
    pub(super) changes: u64,
    /// `None` if none is due at any time.
    pub(super) at: Option<Duration>,
}
