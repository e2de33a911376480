//! The secrets that a name map turned into settings.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use zeroize::Zeroizing;

use super::key::Key;
use super::secret_issue::SecretIssue;
use crate::secret::{Secret, SecretId, SecretProperties};

/// The secrets that a name map turned into settings, each under the key of its name.
///
/// `Clone` is cheap. `Debug` shows keys and the names of secrets.
#[derive(Clone, Default)]
pub struct MappedSecrets {
    /// In the order of the keys.
    pub(crate) secrets: Arc<[(Key, MappedSecret)]>,
    pub(crate) notes: Arc<[MappingNote]>,
    /// What the name map asks for and the vault does not have, such as a prefix.
    pub(crate) unmatched: Arc<[String]>,
}

/// The secret behind one setting: the whole secret, or a value in an expanded JSON secret.
#[derive(Clone)]
pub struct MappedSecret {
    pub(crate) secret: Arc<Secret>,
    /// A value of an expanded JSON secret; `None` for the whole secret.
    pub(crate) part: Option<Arc<MappedPart>>,
}

/// A value of an expanded JSON secret.
pub(crate) struct MappedPart {
    /// The number of steps of the key that the secret's name gives.
    pub(crate) depth: usize,
    pub(crate) kind: MappedKind,
    /// The text of a string, the JSON text of a number, a boolean, or a value below the depth limit; else empty.
    pub(crate) text: Zeroizing<String>,
}

/// The kind of value of a [`MappedSecret`].
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MappedKind {
    /// Text. The other kinds occur in expanded JSON secrets only.
    Text,
    /// A table without members.
    EmptyTable,
    /// A list without elements.
    EmptyList,
    /// An empty element of a list. Without it, the elements behind it would move up.
    Null,
}

/// A note on a secret that a name map took or skipped, because of an issue with it.
#[non_exhaustive]
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct MappingNote {
    /// The setting that the secret gives.
    pub key: Key,
    /// The secret, with its version if it was fetched.
    pub secret: SecretId,
    /// The issue with it.
    pub issue: SecretIssue,
    /// Whether the map took the secret anyway.
    pub is_taken: bool,
    /// Whether the map is set to log a warning.
    pub(crate) is_warning: bool,
    /// Distinguishes versions of a secret that was only listed.
    pub(crate) created: Option<SystemTime>,
}

impl MappedSecrets {
    /// Returns every secret with its key, in the order of the keys.
    pub fn iter(&self) -> impl Iterator<Item = (&Key, &MappedSecret)> {
        self.secrets.iter().map(|(key, secret)| (key, secret))
    }

    /// Returns the secret at `key`.
    pub fn get(&self, key: &Key) -> Option<&MappedSecret> {
        let at = self.secrets.binary_search_by(|(one, _)| one.cmp(key)).ok()?;
        Some(&self.secrets[at].1)
    }

    /// Returns the secrets at `key` and below it, each with its key.
    pub(crate) fn at_or_below<'s>(&'s self, key: &'s Key) -> impl Iterator<Item = &'s (Key, MappedSecret)> {
        let first = self.secrets.partition_point(|(one, _)| one < key);
        self.secrets[first..].iter().take_while(move |(one, _)| one == key || key.is_above(one))
    }

    /// Returns the notes on secrets that are disabled, outside their dates, or absent although optional, in the order
    /// of the keys.
    pub fn notes(&self) -> &[MappingNote] {
        &self.notes
    }

    /// Returns where a mapped setting is written, for errors and reports.
    pub(crate) fn origin(id: &SecretId) -> String {
        format!("the names in vault {}", id.vault())
    }
}

impl MappedSecret {
    /// Returns the identifier of the secret, with its version.
    pub fn id(&self) -> &SecretId {
        self.secret.id()
    }

    /// Returns everything about the secret but its value.
    pub fn properties(&self) -> &SecretProperties {
        self.secret.properties()
    }

    /// Returns the kind of value.
    pub fn kind(&self) -> MappedKind {
        self.part.as_ref().map_or(MappedKind::Text, |part| part.kind)
    }

    /// Returns the plaintext, which is empty if the value is not text.
    pub fn expose_secret(&self) -> &str {
        self.part.as_ref().map_or_else(|| self.secret.expose_secret(), |part| &part.text)
    }
}

impl fmt::Debug for MappedSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter().map(|(key, secret)| (key.to_string(), secret.id()))).finish()
    }
}

impl fmt::Debug for MappedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MappedSecret").field("id", self.id()).field("kind", &self.kind()).finish_non_exhaustive()
    }
}

impl fmt::Display for MappingNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outcome = if self.is_taken { "taken" } else { "skipped" };
        write!(f, "{} is {outcome}: {}: {}", self.key, self.issue, self.secret)
    }
}
