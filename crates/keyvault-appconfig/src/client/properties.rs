//! The attributes of a key-value that a program sets beside its value.

use std::collections::BTreeMap;

use serde::Serialize;

use super::condition::Condition;

/// The attributes of a key-value to set, and the condition under which it is set. What is not set here, the store
/// removes.
#[must_use]
#[derive(Clone, Debug, Default)]
pub struct KeyValueProperties {
    pub(super) attributes: Attributes,
    pub(super) condition: Option<Condition>,
}

/// The members of the body beside the value.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Attributes {
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    tags: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
}

impl KeyValueProperties {
    /// Creates an empty set of attributes, without a condition.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the content type of the value, such as `application/json`.
    pub fn content_type(mut self, content_type: impl Into<String>) -> Self {
        self.attributes.content_type = Some(content_type.into());
        self
    }

    /// Adds a tag, or replaces one of the same name.
    pub fn tag(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.attributes.tags.insert(name.into(), value.into());
        self
    }

    /// Sets the description. A store keeps it since API version `2026-04-01`.
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.attributes.description = Some(description.into());
        self
    }

    /// Sets the condition. Default: none.
    pub fn only_if(mut self, condition: Condition) -> Self {
        self.condition = Some(condition);
        self
    }
}
