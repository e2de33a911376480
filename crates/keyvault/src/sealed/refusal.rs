//! The reasons to refuse a sealed snapshot.

use std::fmt;

use crate::error::{Error, ErrorKind};

/// The reason that a `SealedSnapshot` is refused. Holds no value, no key and no text from the file.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SealedRefusal {
    /// The file does not exist: nothing was sealed, or the file was removed.
    Missing,
    /// The file cannot be read, or is not a regular file.
    Unreadable,
    /// The file is larger than 16 MiB, the largest that is written.
    TooLarge,
    /// The file is not a sealed snapshot, or has a format that this version does not know.
    UnknownFormat,
    /// The file is incomplete.
    Truncated,
    /// The file was sealed with another key.
    OtherKey,
    /// The file was changed after it was written.
    Tampered,
    /// The secrets come from other vaults than those of this program.
    OtherVault,
    /// The file was sealed by another identity.
    OtherIdentity,
    /// The secrets were last known good longer ago than the maximum age.
    TooOld,
    /// The secrets are older than those of the newest file that the program knows (`SealedSnapshot::not_older_than`):
    /// an earlier file was put back.
    RolledBack,
    /// The time in the file is more than 5 minutes in the future: a clock is wrong.
    FromTheFuture,
}

impl SealedRefusal {
    fn clause(self) -> &'static str {
        match self {
            Self::Missing => "there is no sealed snapshot",
            Self::Unreadable => "sealed snapshot cannot be read",
            Self::TooLarge => "sealed snapshot is larger than it may be",
            Self::UnknownFormat => "sealed snapshot has an unknown format",
            Self::Truncated => "sealed snapshot is cut off",
            Self::OtherKey => "sealed snapshot was sealed with another key",
            Self::Tampered => "sealed snapshot was tampered with",
            Self::OtherVault => "sealed snapshot is of another vault",
            Self::OtherIdentity => "sealed snapshot was sealed by another identity",
            Self::TooOld => "sealed snapshot is older than allowed",
            Self::RolledBack => "sealed snapshot is older than one that the program knows",
            Self::FromTheFuture => "sealed snapshot is from the future",
        }
    }
}

impl fmt::Display for SealedRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.clause())
    }
}

impl std::error::Error for SealedRefusal {}

/// Converts a refusal into a transient error: the start fails because no vault is reachable, and a vault may recover.
impl From<SealedRefusal> for Error {
    fn from(refusal: SealedRefusal) -> Self {
        Error::new(ErrorKind::Unavailable, refusal.clause())
    }
}
