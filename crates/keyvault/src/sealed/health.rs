//! The health of a sealed snapshot.

use std::time::SystemTime;

use crate::error::Error;

/// The health of the `SealedSnapshot` of live settings. Holds no value.
#[non_exhaustive]
#[derive(Clone, Debug, Default)]
pub struct SealedHealth {
    /// The time at which the secrets in use were last known good, while they come from the file: the program started in
    /// an outage and has not read a vault since. `None` once a vault was read.
    pub started_from: Option<SystemTime>,
    /// The time at which the secrets that this process sealed last were known good. `None` if it has sealed none.
    ///
    /// `SealedSnapshot::not_older_than` takes it at the next start.
    pub saved: Option<SystemTime>,
    /// The error of the last write. `None` if the last write succeeded.
    pub last_error: Option<Error>,
}
