//! What an adapter tells core about its framework.

use std::fmt;
use std::hash::Hash;
use std::path::PathBuf;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use crate::key::Key;
use crate::named::{NamedSecret, NamedSecrets};
use crate::origin::Fingerprint;
use crate::pass::Resolved;
use crate::secret::{Secret, SecretId};

/// The layers of a configuration framework: what makes its merged tree, again at every refresh.
///
/// Implemented by closures.
pub trait Layers: Send + Sync + 'static {
    /// The merged tree.
    type Tree: Tree;

    /// Merges the layers, with the secrets that were mapped by name at their place among them. Reads files; does not
    /// wait.
    fn merge(&self, named: &NamedSecrets) -> Result<Self::Tree, Mismatch>;
}

impl<F, R> Layers for F
where
    F: Fn(&NamedSecrets) -> Result<R, Mismatch> + Send + Sync + 'static,
    R: Tree,
{
    type Tree = R;

    fn merge(&self, named: &NamedSecrets) -> Result<R, Mismatch> {
        self(named)
    }
}

/// The merged values of a framework, as a tree that references are resolved in.
///
/// An adapter writes these three over its framework's own type; everything else — fetching, comparing, publishing — is
/// core's.
pub trait Tree: Send + Sized + 'static {
    /// Gives every value that is in effect.
    fn leaves(&self) -> Result<Vec<Leaf>, Mismatch>;

    /// Puts resolved text in the place of values, and takes out those that turned out to be absent.
    fn replace(self, resolved: Vec<(Leaf, Option<Resolved>)>) -> Result<Self, Mismatch>;

    /// Makes typed settings.
    fn extract<T: DeserializeOwned>(self) -> Result<T, Mismatch>;
}

/// One value of a tree, with its place in the layers.
pub struct Leaf {
    pub(crate) key: Key,
    place: Option<String>,
    pub(crate) file: Option<PathBuf>,
    pub(crate) content: Content,
}

pub(crate) enum Content {
    /// A string, which may have references in it.
    Text(Zeroizing<String>),
    /// Any other value: only whether it changed is of interest.
    Other(Fingerprint),
    /// A secret that was mapped by name. Its text is never read as a reference.
    Named(Arc<Secret>),
    /// One that was fetched before, of which no more is known.
    Earlier(SecretId),
}

impl Leaf {
    /// Describes a string at `key`; `place` says where it is written: a file, a variable.
    pub fn text(key: Key, place: impl Into<String>, text: impl Into<String>) -> Self {
        Self { key, place: Some(place.into()), file: None, content: Content::Text(Zeroizing::new(text.into())) }
    }

    /// Describes a value that is no string. Only a keyed hash of `value` is kept.
    pub fn other(key: Key, place: impl Into<String>, value: impl Hash) -> Self {
        Self { key, place: Some(place.into()), file: None, content: Content::Other(Fingerprint::of(value)) }
    }

    /// Describes a secret that was mapped to `key` by its name, and that the layers were given.
    pub fn named(key: Key, secret: &NamedSecret) -> Self {
        Self { key, place: None, file: None, content: Content::Named(Arc::clone(secret.secret())) }
    }

    /// Describes a secret that the layers have of themselves, from a provider that fetched it before; `secret` has its version.
    pub fn earlier(key: Key, secret: SecretId) -> Self {
        Self { key, place: None, file: None, content: Content::Earlier(secret) }
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
        Self { key, content: Content::Text(Zeroizing::new(text)), ..self }
    }

    /// Tells where the value is written.
    pub(crate) fn place(&self) -> String {
        match (&self.place, &self.content) {
            (None, Content::Named(secret)) => secret.id().to_string(),
            (None, Content::Earlier(secret)) => secret.to_string(),
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

impl fmt::Debug for Leaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leaf").field("key", &self.key.to_string()).finish_non_exhaustive()
    }
}

/// Why a tree does not make settings: a path, what was expected there and what kind of value was found.
///
/// `config` and `figment` quote the offending value in their errors. This type takes an error apart instead: it has room
/// for words of ours, for keys, and for what the *type* expected, and none for a value or a foreign message.
#[derive(Clone, Debug, Default)]
pub struct Mismatch {
    /// The path to the value, from the root; empty if the framework does not know it.
    pub path: Vec<String>,
    /// What went wrong, in words of ours: `not valid`, `missing`.
    pub clause: &'static str,
    /// What the type expects: `u16`, `one of fast, slow`.
    pub expected: Option<String>,
    /// The kind of value that was found: `string`.
    pub found: Option<&'static str>,
    /// Where the value is written, if no value is in the tree: a file that does not parse.
    pub place: Option<String>,
}

impl Mismatch {
    /// Says what went wrong, and nothing more yet.
    pub fn new(clause: &'static str) -> Self {
        Self { clause, ..Self::default() }
    }

    /// Says that a layer at `place` cannot be read. Of a parser's `message`, which shows the very line that it stumbled
    /// over, line and column are kept.
    pub fn unreadable(place: Option<String>, message: &str) -> Self {
        let position = match (number_after(message, "line "), number_after(message, "column ")) {
            (Some(line), Some(column)) => format!(" line {line}, column {column}"),
            _ => String::new(),
        };
        Self { place: place.map(|place| place + &position), ..Self::new("layer cannot be read") }
    }
}

fn number_after<'m>(message: &'m str, word: &str) -> Option<&'m str> {
    let digits = message.split_once(word)?.1;
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    (1..=6).contains(&end).then(|| &digits[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_parsers_message_only_the_position_is_kept() {
        for (message, place) in [
            ("TOML parse error at line 3, column 12\n3 | password = canary", "f line 3, column 12"),
            ("expected value at line 1 column 9", "f line 1, column 9"),
            ("canary line x, column y", "f"),
            ("", "f"),
        ] {
            let mismatch = Mismatch::unreadable(Some("f".into()), message);
            assert_eq!(mismatch.place.as_deref(), Some(place), "{message}");
        }
    }
}
