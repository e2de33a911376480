//! The new state of a key-value.

use std::fmt;

use serde::Deserialize;
use serde_json::json;

use super::etag;
use super::filter;
use super::key_value::{KeyId, Tags};
use super::problem::Problem;

/// The new state of a key-value in an App Configuration store: its value, its label and its properties.
///
/// ```
/// use keyvault_emulator::SetKeyValue;
///
/// let setting = SetKeyValue::new(r#"{"port":5432}"#).label("prod").content_type("application/json").tag("team", "a");
/// let reference = SetKeyValue::secret_reference("https://contoso.vault.azure.net/secrets/db-password");
/// ```
#[derive(Clone)]
#[must_use]
pub struct SetKeyValue {
    pub(crate) label: Option<String>,
    pub(crate) value: Option<String>,
    pub(crate) content_type: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) tags: Tags,
    pub(crate) locked: bool,
    /// The ETag if something changes.
    pub(crate) etag: String,
}

impl SetKeyValue {
    /// Creates a state from a value, without a label and without other properties. At most 10,240 bytes with key, label
    /// and all properties.
    pub fn new(value: impl Into<String>) -> Self {
        Self { value: Some(value.into()), ..Self::empty() }
    }

    /// Creates a Key Vault reference to the URI of a secret, with or without a version. The URI is not checked.
    pub fn secret_reference(uri: impl Into<String>) -> Self {
        Self::new(json!({ "uri": uri.into() }).to_string()).content_type(SECRET_REFERENCE)
    }

    /// Creates a feature flag that is on or off for every user. Its key must start with `.appconfig.featureflag/`, and
    /// continue with `id`.
    pub fn feature_flag(id: &str, enabled: bool) -> Self {
        let flag = json!({ "id": id, "enabled": enabled, "conditions": { "client_filters": [] } });
        Self::new(flag.to_string()).content_type(FEATURE_FLAG)
    }

    /// Sets the label. An empty label is no label. No control characters. Its bytes count towards the 10,240 of the
    /// key-value.
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = filter::label(Some(&label.into()));
        self
    }

    /// Sets the content type. No control characters. Its bytes count towards the 10,240 of the key-value.
    pub fn content_type(mut self, content_type: impl Into<String>) -> Self {
        self.content_type = Some(content_type.into());
        self
    }

    /// Sets the description, which exists since api-version 2026-04-01. Its bytes count towards the 10,240 of the
    /// key-value.
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// Adds a tag. At most 256 characters in the name and in the value.
    pub fn tag(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.tags.insert(name.into(), Some(value.into()));
        self
    }

    /// Sets whether the key-value is locked, which makes it read-only for clients. Default: false.
    pub fn locked(mut self, locked: bool) -> Self {
        self.locked = locked;
        self
    }

    /// Chooses another ETag, so that two sets of the same state differ.
    pub(crate) fn with_new_etag(mut self) -> Self {
        self.etag = etag::random();
        self
    }

    /// Parses the body of a set request.
    pub(super) fn parse(body: &[u8]) -> Result<Self, Problem> {
        // The error never quotes the body, because a value may be confidential.
        let body: SetBody = serde_json::from_slice(body).map_err(|_| Problem::invalid("model", ""))?;
        let SetBody { value, content_type, description, tags } = body;
        Ok(Self { value, content_type, description, tags: tags.unwrap_or_default(), ..Self::empty() })
    }

    /// Checks the characters and lengths of a key-value. Its value may have any character.
    pub(crate) fn check(&self, id: &KeyId) -> Result<(), Problem> {
        if id.key.is_empty() || matches!(id.key.as_str(), "." | "..") || id.key.contains('%') || has_control(&id.key) {
            return Err(Problem::invalid("key", ""));
        }
        for (name, text) in [("label", &id.label), ("content_type", &self.content_type)] {
            if text.as_deref().is_some_and(has_control) {
                return Err(Problem::invalid(name, ""));
            }
        }
        check_tags(&self.tags)
    }

    fn empty() -> Self {
        Self {
            label: None,
            value: None,
            content_type: None,
            description: None,
            tags: Tags::new(),
            locked: false,
            etag: etag::random(),
        }
    }
}

impl fmt::Debug for SetKeyValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SetKeyValue")
            .field("label", &self.label)
            .field("content_type", &self.content_type)
            .finish_non_exhaustive()
    }
}

/// The body of a set request. Clients send the key, the label and more, which do not count.
#[derive(Deserialize)]
struct SetBody {
    value: Option<String>,
    content_type: Option<String>,
    description: Option<String>,
    tags: Option<Tags>,
}

/// Checks the names and values of tags.
pub(super) fn check_tags(tags: &Tags) -> Result<(), Problem> {
    let is_valid = |text: &str| text.chars().count() <= MAX_TAG_TEXT && !has_control(text);
    for (name, value) in tags {
        if name.is_empty() || !is_valid(name) || !value.as_deref().is_none_or(is_valid) {
            return Err(Problem::invalid(&format!("tags.{name}"), ""));
        }
    }
    Ok(())
}

pub(super) fn has_control(text: &str) -> bool {
    text.chars().any(char::is_control)
}

/// The content type of a
/// [Key Vault reference](https://learn.microsoft.com/azure/azure-app-configuration/use-key-vault-references-dotnet-core).
const SECRET_REFERENCE: &str = "application/vnd.microsoft.appconfig.keyvaultref+json;charset=utf-8";
/// The content type of a feature flag.
const FEATURE_FLAG: &str = "application/vnd.microsoft.appconfig.ff+json;charset=utf-8";
/// Characters of a tag's name, and of its value.
const MAX_TAG_TEXT: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_and_lengths_are_limited() {
        let id = |key: &str, label: Option<&str>| KeyId { key: key.to_owned(), label: label.map(str::to_owned) };
        let tag = |name: &str, value: &str| SetKeyValue::new("").tag(name, value);
        for (set, id, is_valid) in [
            (SetKeyValue::new("a\nb\0"), id("shop:db/ü *,\\", Some("a/b,*")), true),
            (SetKeyValue::new(""), id("", None), false),
            (SetKeyValue::new(""), id(".", None), false),
            (SetKeyValue::new(""), id("..", None), false),
            (SetKeyValue::new(""), id("...", None), true),
            (SetKeyValue::new(""), id("100%", None), false),
            (SetKeyValue::new(""), id("a\nb", None), false),
            (SetKeyValue::new(""), id("a", Some("a\tb")), false),
            (SetKeyValue::new("").content_type("a\u{85}"), id("a", None), false),
            (tag(&"t".repeat(256), &"v".repeat(256)), id("a", None), true),
            (tag(&"t".repeat(257), ""), id("a", None), false),
            (tag("t", &"v".repeat(257)), id("a", None), false),
            (tag("", "v"), id("a", None), false),
            (tag("a\n", "v"), id("a", None), false),
        ] {
            assert_eq!(set.check(&id).is_ok(), is_valid, "{id:?}");
        }
    }

    #[test]
    fn debug_output_contains_no_value() {
        let text = format!("{:?}", SetKeyValue::new("hunter2").label("prod"));
        assert!(text.contains("prod") && !text.contains("hunter2"), "{text}");
    }
}
