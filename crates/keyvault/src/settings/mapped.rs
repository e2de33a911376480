//! The secrets that a name map turned into settings, with the settings of stores outside the process.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use zeroize::Zeroizing;

use super::key::Key;
use super::scalar::Scalar;
use super::secret_issue::SecretIssue;
use crate::secret::{Secret, SecretId, SecretProperties};

/// The secrets that a name map turned into settings, each under the key of its name.
///
/// The settings of a [`SettingStore`](super::SettingStore) are among them and override secrets of the same key;
/// [`split`](MappedSecrets::split) separates them. `Clone` is cheap. `Debug` shows keys and the names of secrets.
#[derive(Clone, Default)]
pub struct MappedSecrets {
    /// In the order of the keys.
    pub(crate) secrets: Arc<[(Key, MappedSecret)]>,
    pub(crate) notes: Arc<[MappingNote]>,
    /// What the name map asks for and the vault does not have, such as a prefix; the same of stores.
    pub(crate) unmatched: Arc<[String]>,
    /// The secrets apart, and the settings of stores apart; `None` without a store.
    parts: Option<Arc<[MappedSecrets; 2]>>,
}

/// The value of one setting: a secret, a value in an expanded JSON secret, or a setting of a store.
#[derive(Clone)]
pub struct MappedSecret {
    /// The secret, or the document of the store.
    pub(crate) secret: Arc<Secret>,
    /// A value in the secret or in the document; `None` for the whole secret.
    pub(crate) part: Option<Arc<MappedPart>>,
}

/// A value of an expanded JSON secret or of a store.
pub(crate) struct MappedPart {
    /// The number of steps of the key that the name of the secret, or the key in the store, gives.
    pub(crate) depth: usize,
    pub(crate) kind: MappedKind,
    /// The text of a string, the JSON text of a number, a boolean, or a value below the depth limit; else empty.
    pub(crate) text: Zeroizing<String>,
    /// Where a store has the value; `None` for a secret.
    pub(crate) place: Option<Arc<str>>,
}

/// The kind of value of a [`MappedSecret`].
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum MappedKind {
    /// Text. The other kinds occur in expanded JSON secrets and in stores only.
    Text,
    /// A number or a boolean. It occurs in stores only: a secret is text.
    Scalar,
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
    /// Creates the secrets from their keys, which are sorted.
    pub(crate) fn from_sorted(secrets: Vec<(Key, MappedSecret)>) -> Self {
        Self { secrets: secrets.into(), ..Self::default() }
    }

    /// Adds the settings of stores, and what they do not have; `merged` are the settings of both.
    pub(crate) fn with_stores(
        self,
        stores: Vec<(Key, MappedSecret)>,
        unmatched_in_stores: Vec<String>,
        merged: Vec<(Key, MappedSecret)>,
    ) -> Self {
        let notes = Arc::clone(&self.notes);
        let unmatched = self.unmatched.iter().chain(&unmatched_in_stores).cloned().collect();
        let parts = Some(Arc::new([self, Self::from_sorted(stores)]));
        Self { secrets: merged.into(), notes, unmatched, parts }
    }

    /// Returns the secrets, and the settings of stores, so that an adapter can place them apart among its layers.
    #[must_use]
    pub fn split(&self) -> [Self; 2] {
        match &self.parts {
            Some(parts) => [parts[0].clone(), parts[1].clone()],
            None => [self.clone(), Self::default()],
        }
    }

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

    /// Returns where a store outside the process has the value, or `None` for a secret.
    ///
    /// The value of a store is plain text that may contain references. It is a layer's value and not a secret.
    pub fn place(&self) -> Option<&str> {
        self.part.as_ref()?.place.as_deref()
    }

    /// Returns the kind of value.
    pub fn kind(&self) -> MappedKind {
        self.part.as_ref().map_or(MappedKind::Text, |part| part.kind)
    }

    /// Returns the number or the boolean; `None` for a value of another kind.
    pub fn scalar(&self) -> Option<Scalar> {
        (self.kind() == MappedKind::Scalar).then(|| Scalar::of_json(self.expose_secret())).flatten()
    }

    /// Returns the plaintext, which is empty if the value is neither text nor a scalar.
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
