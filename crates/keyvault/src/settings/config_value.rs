//! One value of a framework's tree.

use std::fmt;
use std::hash::Hash;
use std::path::PathBuf;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::key::Key;
use super::mapped::{MappedKind, MappedSecret};
use super::origin::Fingerprint;
use crate::secret::{Secret, SecretId};

/// One value of a tree, with its key and its place in the layers.
///
/// `Debug` shows the key only.
pub struct ConfigValue {
    pub(crate) key: Key,
    /// The file or variable that contains the value; `None` for a secret.
    pub(super) place: Option<String>,
    pub(crate) file: Option<PathBuf>,
    /// Whether the program sets the value in its code.
    pub(crate) is_in_code: bool,
    pub(crate) content: ValueContent,
}

pub(crate) enum ValueContent {
    /// A string, which may contain references.
    Text(Zeroizing<String>),
    /// A value of another type. The fingerprint shows whether it changed.
    Other(Fingerprint),
    /// A secret that was mapped by name. Its text is never parsed as a reference.
    Mapped(Arc<Secret>),
    /// A secret that a provider of the layers fetched earlier. Only its identifier is known.
    Earlier(SecretId),
}

impl ConfigValue {
    /// Creates a string value at `key`. `place` names the file or variable that contains it.
    pub fn text(key: Key, place: impl Into<String>, text: impl Into<String>) -> Self {
        Self::new(key, Some(place.into()), ValueContent::Text(Zeroizing::new(text.into())))
    }

    /// Creates a value at `key` that is not a string. Keeps only a keyed hash of `value`.
    pub fn other(key: Key, place: impl Into<String>, value: impl Hash) -> Self {
        Self::new(key, Some(place.into()), ValueContent::Other(Fingerprint::of(value)))
    }

    /// Creates a value for a secret that the name map mapped to `key`, or for a setting of a store, that
    /// [`Layers::merge`](super::Layers::merge) received.
    pub fn mapped(key: Key, secret: &MappedSecret) -> Self {
        match (secret.place(), secret.kind()) {
            (None, _) => Self::new(key, None, ValueContent::Mapped(Arc::clone(&secret.secret))),
            (Some(place), MappedKind::Text) => Self::text(key, place, secret.expose_secret()),
            (Some(place), kind) => Self::other(key, place, (kind, secret.expose_secret())),
        }
    }

    /// Creates a value for a secret that a provider of the layers fetched earlier. `secret` names its version.
    pub fn earlier(key: Key, secret: SecretId) -> Self {
        Self::new(key, None, ValueContent::Earlier(secret))
    }

    fn new(key: Key, place: Option<String>, content: ValueContent) -> Self {
        Self { key, place, file: None, is_in_code: false, content }
    }

    /// Sets the file that contains the value, if the framework knows it.
    ///
    /// Errors and reports then name the line of a reference, unless the line is ambiguous.
    #[must_use]
    pub fn in_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.file = Some(path.into());
        self
    }

    /// Marks a value that the program sets in its code, such as a default.
    ///
    /// Such a value that hides a secret is reported; see [`NameMap::hidden`](crate::NameMap::hidden).
    #[must_use]
    pub fn in_code(mut self) -> Self {
        self.is_in_code = true;
        self
    }

    /// Returns where the value is written.
    pub(crate) fn place(&self) -> String {
        match (&self.place, &self.content) {
            (None, ValueContent::Mapped(secret)) => secret.id().to_string(),
            (None, ValueContent::Earlier(secret)) => secret.to_string(),
            (place, _) => place.clone().unwrap_or_default(),
        }
    }

    /// Returns the key.
    pub fn key(&self) -> &Key {
        &self.key
    }
}

impl fmt::Debug for ConfigValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConfigValue").field("key", &self.key.to_string()).finish_non_exhaustive()
    }
}
