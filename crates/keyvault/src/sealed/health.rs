//! What there is to know of a sealed snapshot while a program runs.

use std::time::SystemTime;

use azure_core::time::{OffsetDateTime, to_rfc3339};
use serde::ser::{Serialize, SerializeStruct, Serializer};

use crate::error::Error;

/// How it stands with the `SealedSnapshot` of live settings. Holds no value.
///
/// `Serialize` writes it as [`Health`](crate::Health) does: dates in RFC 3339, the error as its one line.
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

impl Serialize for SealedHealth {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let date = |time: Option<SystemTime>| time.map(|time| to_rfc3339(&OffsetDateTime::from(time)));
        let mut sealed = serializer.serialize_struct("SealedHealth", 3)?;
        sealed.serialize_field("started_from", &date(self.started_from))?;
        sealed.serialize_field("saved", &date(self.saved))?;
        sealed.serialize_field("last_error", &self.last_error.as_ref().map(ToString::to_string))?;
        sealed.end()
    }
}
