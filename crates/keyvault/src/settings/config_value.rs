//! One value of a framework's tree.

use std::fmt;
use std::hash::Hash;
use std::path::PathBuf;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::key::Key;
use super::mapped::MappedSecret;
use super::origin::Fingerprint;
use crate::secret::{Secret, SecretId};

/// One value of a tree, with its place in the layers.
pub struct ConfigValue {
    pub(crate) key: Key,
    place: Option<String>,
    pub(crate) file: Option<PathBuf>,
    pub(crate) content: ValueContent,
}

pub(crate) enum ValueContent {
    /// A string, which may have references in it.
    Text(Zeroizing<String>),
    /// Any other value: only whether it changed is of interest.
    Other(Fingerprint),
    /// A secret that was mapped by name. Its text is never read as a reference.
    Mapped(Arc<Secret>),
    /// One that was fetched before, of which no more is known.
    Earlier(SecretId),
}

impl ConfigValue {
    /// Describes a string at `key`; `place` says where it is written: a file, a variable.
    pub fn text(key: Key, place: impl Into<String>, text: impl Into<String>) -> Self {
        Self { key, place: Some(place.into()), file: None, content: ValueContent::Text(Zeroizing::new(text.into())) }
    }

    /// Describes a value that is no string. Only a keyed hash of `value` is kept.
    pub fn other(key: Key, place: impl Into<String>, value: impl Hash) -> Self {
        Self { key, place: Some(place.into()), file: None, content: ValueContent::Other(Fingerprint::of(value)) }
    }

    /// Describes a secret that was mapped to `key` by its name, and that the layers were given.
    pub fn mapped(key: Key, secret: &MappedSecret) -> Self {
        Self { key, place: None, file: None, content: ValueContent::Mapped(Arc::clone(secret.secret())) }
    }

    /// Describes a secret that the layers have of themselves, from a provider that fetched it before; `secret` has its version.
    pub fn earlier(key: Key, secret: SecretId) -> Self {
        Self { key, place: None, file: None, content: ValueContent::Earlier(secret) }
    }

    /// Names the file that the value is written in, where the framework knows it: then the line of a reference is looked
    /// for, and told if there is no doubt about it.
    #[must_use]
    pub fn in_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.file = Some(path.into());
        self
    }

    /// Describes a table as the one string that it stands for.
    pub(crate) fn joined(self, key: Key, text: String) -> Self {
        Self { key, content: ValueContent::Text(Zeroizing::new(text)), ..self }
    }

    /// Tells where the value is written.
    pub(crate) fn place(&self) -> String {
        match (&self.place, &self.content) {
            (None, ValueContent::Mapped(secret)) => secret.id().to_string(),
            (None, ValueContent::Earlier(secret)) => secret.to_string(),
            (place, _) => place.clone().unwrap_or_default(),
        }
    }

    /// Says more about where the value is written.
    pub(crate) fn set_place(&mut self, place: String) {
        self.place = Some(place);
    }

    /// Tells the key.
    pub fn key(&self) -> &Key {
        &self.key
    }
}

impl fmt::Debug for ConfigValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConfigValue").field("key", &self.key.to_string()).finish_non_exhaustive()
    }
}
