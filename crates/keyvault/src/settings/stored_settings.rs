//! The settings of a store outside the process at one moment, and the document that core keeps of them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::key::{Key, Segment};
use super::mapped::{MappedKind, MappedPart, MappedSecret, MappedSecrets};
use super::origin::Fingerprint;
use super::scalar::Scalar;
use crate::error::{Error, ErrorKind, Result};
use crate::reference::{JsonString, to_json};
use crate::secret::{Secret, SecretId, SecretProperties, SecretVersion};

/// All settings that a [`SettingStore`](super::SettingStore) has at one moment. `Debug` shows keys and places.
///
/// `Clone` is cheap. A store whose settings have not changed returns a clone of the last ones, which costs the least.
#[derive(Clone, Default)]
pub struct StoredSettings {
    content: Arc<Content>,
}

#[derive(Clone, Default)]
struct Content {
    values: BTreeMap<Key, StoredLeaf>,
    unmatched: Vec<String>,
}

/// The value of one setting. `Debug` shows its kind only.
#[derive(Clone)]
pub enum StoredValue {
    /// Text, which may contain references. It converts to numbers and booleans as text from the environment does.
    Text(Zeroizing<String>),
    /// A number or a boolean, as JSON writes it. Any other text here, also a number that is too large, is text.
    Scalar(Zeroizing<String>),
    /// An empty value.
    Null,
    /// A table.
    Table(Vec<(String, StoredValue)>),
    /// A list, which overrides one of a lower layer as a whole.
    List(Vec<StoredValue>),
}

#[derive(Clone)]
struct StoredLeaf {
    /// The number of steps of the key that the setting's own key gives.
    depth: usize,
    kind: MappedKind,
    text: Zeroizing<String>,
    place: Arc<str>,
}

/// The document of a store.
#[derive(Deserialize, Serialize)]
struct Document<'d> {
    #[serde(borrow)]
    settings: Vec<DocumentEntry<'d>>,
    unmatched: Vec<String>,
}

/// One value in the document of a store.
#[derive(Deserialize, Serialize)]
struct DocumentEntry<'d> {
    key: Vec<DocumentSegment>,
    depth: usize,
    #[serde(with = "DocumentKind")]
    kind: MappedKind,
    #[serde(borrow)]
    place: Cow<'d, str>,
    text: JsonString,
}

#[derive(Deserialize, Serialize)]
#[serde(untagged)]
enum DocumentSegment {
    Index(usize),
    Name(Box<str>),
}

/// How a document names a [`MappedKind`], whose public type has no `Serialize`.
#[derive(Deserialize, Serialize)]
#[serde(remote = "MappedKind")]
enum DocumentKind {
    Text,
    Scalar,
    EmptyTable,
    EmptyList,
    Null,
}

impl StoredSettings {
    /// Sets the value at `key`. `place` says where it is written, for errors and reports: `App Configuration key
    /// shop:url label prod`.
    ///
    /// A value replaces what was set at its key and below. An index in `key` is an element of a list to which other
    /// layers may contribute.
    pub fn set(&mut self, key: &Key, place: &str, value: StoredValue) {
        let content = Arc::make_mut(&mut self.content);
        let below: Vec<Key> = content
            .values
            .range(key.clone()..)
            .map(|(one, _)| one)
            .take_while(|one| *one == key || key.is_above(one))
            .cloned()
            .collect();
        below.iter().for_each(|key| _ = content.values.remove(key));
        content.add(key.clone(), key.segments().len(), &place.into(), value);
    }

    /// Sets what the layer asks for and the store does not have, in one clause each. Default: nothing.
    ///
    /// [`Report::unmatched`](crate::Report::unmatched) has these notes, and each is logged as a warning, once.
    pub fn set_unmatched(&mut self, notes: Vec<String>) {
        if self.content.unmatched != notes {
            Arc::make_mut(&mut self.content).unmatched = notes;
        }
    }

    /// Returns what the layer asks for and the store does not have.
    pub fn unmatched(&self) -> &[String] {
        &self.content.unmatched
    }

    /// Returns each value with its key: its text, which is empty unless it is text, a number or a boolean.
    #[doc(hidden)]
    pub fn iter(&self) -> impl Iterator<Item = (&Key, &str)> {
        self.content.values.iter().map(|(key, leaf)| (key, leaf.text.as_str()))
    }

    /// Returns whether these are the other settings: a clone of them, unchanged.
    #[doc(hidden)]
    pub fn is_clone_of(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.content, &other.content)
    }

    /// Returns the settings as one secret: a document whose version changes with its content.
    pub(crate) fn to_document(&self, id: &SecretId, as_of: SystemTime) -> Result<Secret> {
        let Content { values, unmatched } = &*self.content;
        let settings = values.iter().map(|(key, leaf)| leaf.entry(key)).collect();
        let failed = |_| Error::new(ErrorKind::Unavailable, "settings of the store could not be kept");
        let json = to_json(&Document { settings, unmatched: unmatched.clone() }).map_err(failed)?;
        let text = std::str::from_utf8(&json).map_err(|_| unreadable())?;
        let version = SecretVersion::parse(&Fingerprint::of(text).to_string()).map_err(|_| unreadable())?;
        Ok(Secret::new(SecretProperties::new(id.with_version(version)), text, as_of))
    }
}

impl Content {
    fn add(&mut self, key: Key, depth: usize, place: &Arc<str>, value: StoredValue) {
        let (kind, text) = match value {
            StoredValue::Text(text) => (MappedKind::Text, text),
            StoredValue::Scalar(text) if Scalar::of_json(&text).is_some() => (MappedKind::Scalar, text),
            StoredValue::Scalar(text) => (MappedKind::Text, text),
            StoredValue::Null => (MappedKind::Null, Zeroizing::default()),
            StoredValue::Table(members) if members.is_empty() => (MappedKind::EmptyTable, Zeroizing::default()),
            StoredValue::List(items) if items.is_empty() => (MappedKind::EmptyList, Zeroizing::default()),
            StoredValue::Table(members) => {
                return members
                    .into_iter()
                    .for_each(|(name, member)| self.add(key.member(&name), depth, place, member));
            }
            StoredValue::List(items) => {
                let items = items.into_iter().enumerate();
                return items.for_each(|(index, item)| self.add(key.element(index), depth, place, item));
            }
        };
        self.values.insert(key, StoredLeaf { depth, kind, text, place: Arc::clone(place) });
    }
}

impl fmt::Debug for StoredSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places = self.content.values.iter().map(|(key, leaf)| (key.to_string(), &leaf.place));
        f.debug_map().entries(places).finish()
    }
}

impl fmt::Debug for StoredValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text(_) => "Text(…)",
            Self::Scalar(_) => "Scalar(…)",
            Self::Null => "Null",
            Self::Table(_) => "Table(…)",
            Self::List(_) => "List(…)",
        })
    }
}

impl StoredLeaf {
    fn entry(&self, key: &Key) -> DocumentEntry<'_> {
        let segment = |segment: &Segment| match segment {
            Segment::Name(name) => DocumentSegment::Name(name.clone()),
            Segment::Index(index) => DocumentSegment::Index(*index),
        };
        DocumentEntry {
            key: key.segments().iter().map(segment).collect(),
            depth: self.depth,
            kind: self.kind,
            place: (&*self.place).into(),
            text: JsonString(self.text.clone()),
        }
    }
}

impl MappedSecrets {
    /// Reads the document of a store.
    pub(crate) fn of_document(document: &Arc<Secret>) -> Result<Self> {
        let Document { settings, unmatched } =
            serde_json::from_str(document.expose_secret()).map_err(|_| unreadable())?;
        let setting = |entry: DocumentEntry<'_>| {
            let segment = |segment| match segment {
                DocumentSegment::Name(name) => Segment::Name(name),
                DocumentSegment::Index(index) => Segment::Index(index),
            };
            let place = Some(entry.place.as_ref().into());
            let part = MappedPart { depth: entry.depth, kind: entry.kind, text: entry.text.0, place };
            let key: Key = entry.key.into_iter().map(segment).collect();
            (key, MappedSecret { secret: Arc::clone(document), part: Some(Arc::new(part)) })
        };
        let mut mapped = Self::from_sorted(settings.into_iter().map(setting).collect());
        mapped.unmatched = unmatched.into();
        Ok(mapped)
    }
}

fn unreadable() -> Error {
    Error::new(ErrorKind::Unavailable, "settings of the store cannot be read")
}
