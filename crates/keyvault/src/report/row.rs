//! What became of one reference.

use std::time::{SystemTime, UNIX_EPOCH};

use azure_core::time::{OffsetDateTime, to_rfc3339};
use serde::ser::{Serialize, SerializeStruct, Serializer};

use crate::error::Error;
use crate::layers::Leaf;
use crate::name_map::Finding;
use crate::named::NameNote;
use crate::reference::Reference;
use crate::secret::{Secret, SecretId};
use crate::status::ReferenceStatus;

/// What became of one reference, or of one secret that was mapped by its name.
#[non_exhaustive]
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ReportRow {
    /// The key of the setting: `database.password`.
    pub setting: String,
    /// Where it is written: a file, a variable, the names in a vault.
    pub origin: String,
    /// The vault's name, or its host where that is under no known domain; none if the reference is malformed.
    pub vault: Option<String>,
    /// The secret's name; none if the reference is malformed.
    pub secret: Option<String>,
    /// The version in use or, while there is none, the version that the reference names.
    pub version: Option<String>,
    /// Whether the reference names its version: then it never rotates.
    pub is_pinned: bool,
    /// Whether a secret that does not exist makes the setting absent instead of failing the load.
    pub is_optional: bool,
    /// Whether the setting is absent because its optional secret does not exist, or a secret by name was left out because
    /// it is disabled or outside its dates.
    pub is_absent: bool,
    /// Whether an earlier version stays in use because the secret could not be read anew.
    pub is_kept: bool,
    /// What became of it, in App Service's words.
    pub status: ReferenceStatus,
    /// What happened, if more than the status says.
    pub detail: Option<String>,
    /// What to do about it.
    pub advice: Option<String>,
    /// When the secret's value stops being valid, if that was set.
    pub expires: Option<SystemTime>,
}

impl ReportRow {
    /// Tells whether the reference has no value of this load. One that was not tried did not fail, nor did an optional one
    /// whose secret does not exist; one whose earlier version stays in use did.
    pub fn is_failed(&self) -> bool {
        !self.is_absent && !matches!(self.status, ReferenceStatus::Initialized | ReferenceStatus::Resolved)
    }

    /// Makes the row of a failure that tells its secret and setting.
    pub(crate) fn of_failure(error: &Error) -> Option<Self> {
        error.secret()?;
        Some(Self::at(error.setting()?.to_owned(), error.origin()?.to_owned()).failed(error))
    }

    /// Makes the row of a secret by name that was left out, which fails nothing.
    pub(super) fn of_note(note: &NameNote) -> Self {
        let row = Self::at(note.key.to_string(), note.origin()).about(&note.secret).failed(&note.finding.error());
        Self { is_absent: true, is_optional: note.finding == Finding::Missing, advice: None, ..row }
    }

    /// Begins a row for a reference or name in `leaf` that was not tried yet.
    pub(crate) fn of(leaf: &Leaf) -> Self {
        Self::at(leaf.key.to_string(), leaf.place())
    }

    pub(super) fn at(setting: String, origin: String) -> Self {
        Self {
            setting,
            origin,
            vault: None,
            secret: None,
            version: None,
            is_pinned: false,
            is_optional: false,
            is_absent: false,
            is_kept: false,
            status: ReferenceStatus::Initialized,
            detail: None,
            advice: None,
            expires: None,
        }
    }

    pub(crate) fn referring(self, reference: &Reference) -> Self {
        Self { is_pinned: reference.is_pinned(), is_optional: reference.is_optional(), ..self }
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

    pub(crate) fn failed(self, error: &Error) -> Self {
        let row = match error.secret() {
            Some(secret) => self.about(secret),
            None => self,
        };
        Self { status: error.status(), detail: Some(error.detail()), advice: error.advice().map(str::to_owned), ..row }
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
            (self.is_absent && !self.is_optional, "left out by the name map".to_owned()),
            (self.is_optional && !self.is_absent, "optional".to_owned()),
            (self.is_kept, "the last good version stays in use".to_owned()),
            (self.expires.is_some(), format!("expires {}", day(self.expires).unwrap_or_default())),
        ];
        notes.into_iter().filter_map(|(holds, note)| holds.then_some(note))
    }
}

impl Serialize for ReportRow {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut row = serializer.serialize_struct("ReportRow", 13)?;
        row.serialize_field("setting", &self.setting)?;
        row.serialize_field("origin", &self.origin)?;
        row.serialize_field("vault", &self.vault)?;
        row.serialize_field("secret", &self.secret)?;
        row.serialize_field("version", &self.version)?;
        row.serialize_field("is_pinned", &self.is_pinned)?;
        row.serialize_field("is_optional", &self.is_optional)?;
        row.serialize_field("is_absent", &self.is_absent)?;
        row.serialize_field("is_kept", &self.is_kept)?;
        row.serialize_field("status", self.status.as_str())?;
        row.serialize_field("detail", &self.detail)?;
        row.serialize_field("advice", &self.advice)?;
        row.serialize_field("expires", &rfc3339(self.expires))?;
        row.end()
    }
}

/// A date that no calendar has, the year 300000, is left out.
fn rfc3339(time: Option<SystemTime>) -> Option<String> {
    let seconds = time?.duration_since(UNIX_EPOCH).ok()?.as_secs();
    OffsetDateTime::from_unix_timestamp(seconds.try_into().ok()?).ok().map(|time| to_rfc3339(&time))
}

fn day(time: Option<SystemTime>) -> Option<String> {
    rfc3339(time).map(|time| time.chars().take_while(|c| *c != 'T').collect())
}
