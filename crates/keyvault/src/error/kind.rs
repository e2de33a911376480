//! The kinds of errors.

use std::time::Duration;

/// The kind of an [`Error`](super::Error): what the caller can do about it.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ErrorKind {
    /// The object is in a state that does not permit the operation: it exists already, is deleted and recoverable, is
    /// locked, has changed, or another operation on it is still running. [`Error::advice`](super::Error::advice) has
    /// the remedy.
    Conflict,
    /// The vault does not permit the operation, to this identity or to any, or this program does not allow the vault:
    /// grant access, then retry.
    Denied,
    /// A name, reference or setting is malformed: fix it; a retry cannot help.
    Invalid,
    /// The vault has no such secret or version, or it is disabled or deleted.
    NotFound,
    /// The secrets arrived but do not make valid settings.
    InvalidSettings,
    /// The vault asked us to slow down, and said how long to wait if it knew.
    Throttled {
        /// How long the vault asked us to wait.
        retry_after: Option<Duration>,
    },
    /// The vault could not be reached or failed: the last good settings still stand.
    Unavailable,
}
