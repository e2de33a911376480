//! One key-value.

use std::collections::BTreeMap;
use std::fmt;
use std::time::SystemTime;

use azure_core::time::parse_rfc3339;
use keyvault::SecretId;
use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

use super::content_type::ContentType;
use super::key_vault_reference::parse_key_vault_reference;

/// The prefix of the keys of feature flags.
pub const FEATURE_FLAG_PREFIX: &str = ".appconfig.featureflag/";

/// One key-value of a store: a value with its attributes, identified by its key and its label.
///
/// App Configuration does not treat values as secret. This type does: `Debug` does not show the value, and it is
/// zeroized on drop.
#[derive(Clone, Deserialize, Eq, PartialEq)]
pub struct KeyValue {
    key: String,
    #[serde(default)]
    label: Option<String>,
    #[serde(default)]
    value: Option<Zeroizing<String>>,
    #[serde(default)]
    content_type: Option<String>,
    #[serde(default)]
    etag: Option<String>,
    #[serde(default, deserialize_with = "date")]
    last_modified: Option<SystemTime>,
    #[serde(default, deserialize_with = "locked")]
    locked: bool,
    #[serde(default)]
    description: Option<String>,
    /// A tag may have the value `null`.
    #[serde(default, deserialize_with = "tags")]
    tags: BTreeMap<String, Option<String>>,
}

impl KeyValue {
    /// Returns the key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Returns the label, or `None` without one.
    pub fn label(&self) -> Option<&str> {
        self.label.as_deref().filter(|label| !label.is_empty())
    }

    /// Returns the value, or `None` if the key-value has none or if it was not requested.
    pub fn value(&self) -> Option<&str> {
        self.value.as_ref().map(|value| value.as_str())
    }

    /// Returns the content type.
    pub fn content_type(&self) -> Option<&str> {
        self.content_type.as_deref()
    }

    /// Returns the ETag, without quotes. It changes whenever the key-value does.
    pub fn etag(&self) -> Option<&str> {
        self.etag.as_deref()
    }

    /// Returns the time of the last change.
    pub fn last_modified(&self) -> Option<SystemTime> {
        self.last_modified
    }

    /// Returns whether the key-value is locked, so that it cannot be changed.
    pub fn is_locked(&self) -> bool {
        self.locked
    }

    /// Returns the description.
    pub fn description(&self) -> Option<&str> {
        self.description.as_deref()
    }

    /// Returns the size of all its texts in memory, in bytes.
    pub(crate) fn size(&self) -> usize {
        let texts = [&self.label, &self.content_type, &self.etag, &self.description];
        let texts = texts.into_iter().flatten().map(String::len).sum::<usize>();
        let tags = self.tags().map(|(name, value)| name.len() + value.map_or(0, str::len)).sum::<usize>();
        self.key.len() + self.value().map_or(0, str::len) + texts + tags
    }

    /// Returns the tags, in the order of their names. A tag may have no value.
    pub fn tags(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.tags.iter().map(|(name, value)| (name.as_str(), value.as_deref()))
    }

    /// Returns whether the key-value is a feature flag: by its key and its content type.
    pub fn is_feature_flag(&self) -> bool {
        self.key.starts_with(FEATURE_FLAG_PREFIX) && ContentType::of(self.content_type()) == ContentType::FeatureFlag
    }

    /// Returns whether the key-value refers to a snapshot: by its content type. Its value may be malformed.
    pub(crate) fn is_snapshot_reference(&self) -> bool {
        ContentType::of(self.content_type()) == ContentType::SnapshotReference
    }

    /// Returns the secret in Key Vault that the key-value refers to. `None` unless its content type is that of a
    /// reference.
    ///
    /// # Errors
    ///
    /// [`Invalid`](keyvault::ErrorKind::Invalid), without the value, if the value is not JSON with the URI of a secret.
    pub fn key_vault_reference(&self) -> Option<keyvault::Result<SecretId>> {
        let is_reference = ContentType::of(self.content_type()) == ContentType::KeyVaultReference;
        is_reference.then(|| parse_key_vault_reference(self.value().unwrap_or_default()))
    }

    /// Returns where a setting of this key-value is written, for errors and reports: `App Configuration key shop:db
    /// label prod`.
    pub fn place(&self) -> String {
        match self.label() {
            Some(label) => format!("App Configuration key {} label {label}", self.key),
            None => format!("App Configuration key {}", self.key),
        }
    }
}

impl fmt::Debug for KeyValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("KeyValue");
        shown.field("key", &self.key).field("label", &self.label()).field("content_type", &self.content_type);
        shown.field("etag", &self.etag).field("locked", &self.locked).finish_non_exhaustive()
    }
}

/// A date that cannot be parsed is absent: no setting depends on it.
pub(crate) fn date<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SystemTime>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text.and_then(|text| parse_rfc3339(&text).ok()).map(SystemTime::from))
}

/// The documentation shows a text and `null` in the place of a boolean.
fn locked<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Locked {
        Boolean(bool),
        Text(String),
        Null(()),
    }
    Ok(match Locked::deserialize(deserializer)? {
        Locked::Boolean(locked) => locked,
        Locked::Text(text) => text.eq_ignore_ascii_case("true"),
        Locked::Null(()) => false,
    })
}

/// The documentation shows `[]` for the absence of tags.
fn tags<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, Option<String>>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Tags {
        Object(BTreeMap<String, Option<String>>),
        Empty([(); 0]),
        Null(()),
    }
    Ok(match Tags::deserialize(deserializer)? {
        Tags::Object(tags) => tags,
        Tags::Empty([]) | Tags::Null(()) => BTreeMap::new(),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_key_value_is_read_from_the_answer_of_a_store() {
        let json = r#"{"etag":"4f6dd610dd5e4deebc7fbaef685fb903","key":"shop:url","label":"prod","content_type":null,
            "value":"canary","tags":{"team":"a","x":null},"locked":true,"description":"where",
            "last_modified":"2017-12-05T02:41:26+00:00","unknown":[1]}"#;
        let found: KeyValue = serde_json::from_str(json).unwrap();
        assert_eq!((found.key(), found.label(), found.value()), ("shop:url", Some("prod"), Some("canary")));
        assert_eq!((found.content_type(), found.etag()), (None, Some("4f6dd610dd5e4deebc7fbaef685fb903")));
        assert_eq!(found.last_modified(), Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_512_441_686)));
        assert_eq!(Vec::from_iter(found.tags()), [("team", Some("a")), ("x", None)]);
        assert!(found.is_locked() && !found.is_feature_flag());
        assert_eq!(found.description(), Some("where"));
        assert_eq!(found.place(), "App Configuration key shop:url label prod");
        assert!(!format!("{found:?}").contains("canary"), "{found:?}");
        let texts = ["shop:url", "prod", "canary", "4f6dd610dd5e4deebc7fbaef685fb903", "where", "team", "a", "x"];
        assert_eq!(found.size(), texts.concat().len());
    }

    #[test]
    fn absent_attributes_are_absent() {
        for json in [
            r#"{"key":"a"}"#,
            r#"{"key":"a","label":"","tags":null,"locked":null,"last_modified":"canary","value":null}"#,
            r#"{"key":"a","tags":[],"locked":"false"}"#,
            r#"{"key":"a","tags":{},"locked":false}"#,
        ] {
            let found: KeyValue = serde_json::from_str(json).unwrap();
            assert_eq!((found.label(), found.value(), found.etag(), found.last_modified()), (None, None, None, None));
            assert_eq!((found.tags().count(), found.place().as_str()), (0, "App Configuration key a"));
            assert!(!found.is_locked(), "{json}");
        }
        for json in [r#"{"key":"a","locked":"true"}"#, r#"{"key":"a","locked":true}"#] {
            assert!(serde_json::from_str::<KeyValue>(json).unwrap().is_locked(), "{json}");
        }
        for json in [r#"{"key":"a","tags":["b"]}"#, r#"{"key":"a","locked":1}"#, r#"{"key":"a","tags":{"b":1}}"#] {
            assert!(serde_json::from_str::<KeyValue>(json).is_err(), "{json}");
        }
    }
}
