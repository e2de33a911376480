//! What there is to know of a sealed snapshot while a program runs.

use std::time::SystemTime;

use crate::error::Error;

/// How it stands with the `SealedSnapshot` of live settings. Holds no value.
#[non_exhaustive]
#[derive(Clone, Debug, Default)]
pub struct SealedHealth {
    /// When the secrets in use were last known good, as long as they are those of the file: the program started in an
    /// outage, and no vault could be read since. None once one was.
    pub started_from: Option<SystemTime>,
    /// As of when the secrets are that this process sealed last; none if it sealed none yet.
    pub saved: Option<SystemTime>,
    /// Why the file could not be written the last time; none if it could.
    pub last_error: Option<Error>,
}
