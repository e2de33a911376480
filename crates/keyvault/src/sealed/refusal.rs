//! Why a sealed snapshot is not used.

use std::fmt;

use crate::error::{Error, ErrorKind};

/// Why a `SealedSnapshot` is not used. Holds no value, no key and no text from the file.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SealedRefusal {
    /// There is no file: nothing was sealed yet, or it was removed.
    Missing,
    /// The file cannot be read, or is no regular file.
    Unreadable,
    /// The file is larger than any that is written.
    TooLarge,
    /// The file is no sealed snapshot, or one of a format that this version does not know.
    UnknownFormat,
    /// The file ends before its end.
    Truncated,
    /// The file was sealed with another key.
    OtherKey,
    /// The file is not as it was written.
    Tampered,
    /// The secrets are of other vaults than those of this program.
    OtherVault,
    /// The file was sealed by another identity.
    OtherIdentity,
    /// The secrets were last known good longer ago than is allowed.
    TooOld,
    /// The file was written at a time that is still to come: a clock is wrong.
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

/// The vault that cannot be reached is still the reason that there are no settings, and may come back.
impl From<SealedRefusal> for Error {
    fn from(refusal: SealedRefusal) -> Self {
        Error::new(ErrorKind::Unavailable, refusal.clause())
    }
}
