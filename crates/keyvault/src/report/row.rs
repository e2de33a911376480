//! One row of a report.

use std::time::SystemTime;

use serde::{Serialize, Serializer};

use super::status::ReferenceStatus;
use crate::secret::{Secret, SecretId};
use crate::time::rfc3339;

/// The outcome of one reference, or of one secret mapped by name.
#[non_exhaustive]
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct ReportRow {
    /// The key of the setting: `database.password`.
    pub setting: String,
    /// Where it is written: a file, a variable, the names in a vault.
    pub origin: String,
    /// The vault's name, or its host if that is under no known domain. `None` if the reference is malformed.
    pub vault: Option<String>,
    /// The secret's name. `None` if the reference is malformed.
    pub secret: Option<String>,
    /// The version in use, or the version that the reference names if no version is in use.
    pub version: Option<String>,
    /// Whether the reference names its version, so that it never rotates.
    pub is_pinned: bool,
    /// Whether a secret that does not exist makes the setting absent instead of failing the load.
    pub is_optional: bool,
    /// Whether the setting is absent because its optional secret does not exist, or because a secret mapped by name was
    /// skipped: it is disabled or outside its dates.
    pub is_absent: bool,
    /// Whether an earlier version stays in use because the secret could not be read again.
    pub is_kept: bool,
    /// The outcome, in App Service's words.
    #[serde(serialize_with = "status_name")]
    pub status: ReferenceStatus,
    /// The cause, if there is more to say than the status does.
    pub detail: Option<String>,
    /// The remedy, if there is one.
    pub advice: Option<String>,
    /// When the secret expires, if a date was set.
    #[serde(serialize_with = "date")]
    pub expires: Option<SystemTime>,
}

impl ReportRow {
    /// Returns whether this load got no value for the row.
    ///
    /// A reference that was not tried did not fail, nor did an optional one whose secret does not exist. One whose
    /// earlier version stays in use did.
    pub fn is_failed(&self) -> bool {
        !self.is_absent && !matches!(self.status, ReferenceStatus::Initialized | ReferenceStatus::Resolved)
    }

    /// Creates a row that was not tried yet.
    pub(crate) fn new(setting: String, origin: String) -> Self {
        Self { setting, origin, ..Self::default() }
    }

    pub(crate) fn about(mut self, secret: &SecretId) -> Self {
        self.vault = Some(secret.vault().to_string());
        self.secret = Some(secret.name().to_string());
        self.version = secret.version().map(ToString::to_string);
        self
    }

    pub(crate) fn resolved(self, secret: &Secret) -> Self {
        let expires = secret.properties().expires();
        Self { status: ReferenceStatus::Resolved, expires, ..self.about(secret.id()) }
    }

    pub(super) fn what(&self) -> String {
        match (&self.secret, &self.vault) {
            (Some(secret), Some(vault)) => format!("{secret} in {vault}"),
            _ => String::new(),
        }
    }

    pub(super) fn notes(&self) -> impl Iterator<Item = String> {
        let version = self.version.as_deref().map(|version| version.get(..8).unwrap_or(version));
        let notes = [
            (version.is_some(), format!("version {}", version.unwrap_or_default())),
            (self.is_pinned, "pinned: never rotates".to_owned()),
            (self.is_absent && self.is_optional, "optional: the setting is absent".to_owned()),
            (self.is_absent && !self.is_optional, "skipped by the name map".to_owned()),
            (self.is_optional && !self.is_absent, "optional".to_owned()),
            (self.is_kept, "the last good version stays in use".to_owned()),
            (self.expires.is_some(), format!("expires {}", day(self.expires).unwrap_or_default())),
        ];
        notes.into_iter().filter_map(|(holds, note)| holds.then_some(note))
    }
}

fn status_name<S: Serializer>(status: &ReferenceStatus, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(status)
}

fn date<S: Serializer>(time: &Option<SystemTime>, serializer: S) -> Result<S::Ok, S::Error> {
    time.and_then(rfc3339).serialize(serializer)
}

fn day(time: Option<SystemTime>) -> Option<String> {
    time.and_then(rfc3339).map(|time| time.chars().take_while(|c| *c != 'T').collect())
}
