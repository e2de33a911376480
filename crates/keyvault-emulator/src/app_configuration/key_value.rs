//! A key-value, as a store keeps it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::filter;
use super::set_key_value::SetKeyValue;

/// The tags of a key-value or a snapshot. A value can be null.
pub(super) type Tags = BTreeMap<String, Option<String>>;

/// A state of a key-value. The data file and snapshots contain it in this form.
#[derive(Clone, Deserialize, Serialize)]
pub(crate) struct KeyValue {
    pub(crate) key: String,
    pub(crate) label: Option<String>,
    pub(crate) content_type: Option<String>,
    pub(crate) value: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<String>,
    #[serde(default, skip_serializing_if = "Tags::is_empty")]
    pub(crate) tags: Tags,
    #[serde(default)]
    pub(crate) locked: bool,
    pub(crate) etag: String,
    pub(crate) modified: Duration,
}

impl KeyValue {
    /// Creates a key-value from a set request.
    pub(super) fn new(id: &KeyId, set: SetKeyValue, now: Duration) -> Self {
        Self {
            key: id.key.clone(),
            label: id.label.clone(),
            content_type: set.content_type,
            value: set.value,
            description: set.description,
            tags: set.tags,
            locked: set.locked,
            etag: set.etag,
            modified: now,
        }
    }

    /// Returns the identity.
    pub(super) fn id(&self) -> KeyId {
        KeyId { key: self.key.clone(), label: self.label.clone() }
    }

    /// Returns whether a set request changes nothing.
    pub(super) fn equals(&self, set: &SetKeyValue) -> bool {
        self.content_type == set.content_type
            && self.value == set.value
            && self.description == set.description
            && self.tags == set.tags
            && self.locked == set.locked
    }

    /// Returns the number of bytes that count towards the limit.
    pub(super) fn size(&self) -> usize {
        let optional = [&self.label, &self.content_type, &self.value, &self.description];
        let tags = self.tags.iter().map(|(name, value)| name.len() + value.as_ref().map_or(0, String::len));
        self.key.len() + optional.into_iter().flatten().map(String::len).sum::<usize>() + tags.sum::<usize>()
    }
}

/// The identity of a key-value: its key and label.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct KeyId {
    pub(crate) key: String,
    pub(crate) label: Option<String>,
}

impl KeyId {
    /// Creates an identity. An empty label is no label.
    pub(crate) fn new(key: &str, label: Option<&str>) -> Self {
        Self { key: key.to_owned(), label: filter::label(label) }
    }

    /// Returns a text that sorts as the service lists key-values: by key, and without a label first.
    ///
    /// Neither a key nor a label has a control character, so the line break keeps keys apart and sorts before every
    /// longer key.
    pub(super) fn sort_text(&self) -> String {
        match &self.label {
            None => self.key.clone(),
            Some(label) => format!("{}\n{label}", self.key),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_values_sort_by_key_and_then_by_label() {
        let ids = [("a", None), ("a", Some("!")), ("a", Some("b")), ("a!", None), ("a!", Some("a")), ("aa", None)];
        let texts = ids.map(|(key, label)| KeyId { key: key.to_owned(), label: label.map(str::to_owned) }.sort_text());
        assert!(texts.is_sorted(), "{texts:?}");
    }
}
