//! The key-values of a seed.

use serde_json::Value;

use super::seed_error::SeedError;
use super::seed_fields::SeedFields;
use crate::app_configuration::{KeyId, SetKeyValue};

/// The name of the section with the key-values of the default store, which no secret can have.
pub(super) const SECTION: &str = "app_configuration";

/// One key-value with its label.
#[derive(Clone)]
pub(super) struct SeedKeyValue {
    pub(super) store: String,
    pub(super) key: String,
    pub(super) set: SetKeyValue,
    /// The secret of the default vault to which the value is a reference.
    secret: Option<String>,
}

impl SeedKeyValue {
    /// Parses a section, an object with a value or several values for each key.
    pub(super) fn parse_section(store: &str, section: Value) -> Result<Vec<Self>, SeedError> {
        let Value::Object(section) = section else {
            return Err(SeedError::new(SECTION, "expected an object"));
        };
        let mut key_values = Vec::new();
        for (key, value) in section {
            let values = match value {
                Value::Array(values) => values,
                value => vec![value],
            };
            for value in values {
                key_values.push(Self::parse(store, &key, value)?);
            }
        }
        Ok(key_values)
    }

    fn parse(store: &str, key: &str, value: Value) -> Result<Self, SeedError> {
        let (set, secret) = match value {
            Value::String(value) => (SetKeyValue::new(value), None),
            Value::Object(object) => state(SeedFields::new(key, object))?,
            _ => return Err(SeedError::new(key, "expected a string, an object or a list of them")),
        };
        let id = KeyId::new(key, set.label.as_deref());
        set.check(&id).map_err(|_| SeedError::new(key, "invalid character in the key, the label or a property"))?;
        Ok(Self { store: store.to_ascii_lowercase(), key: key.to_owned(), set, secret })
    }

    /// Returns the identity and the state. `vault_url` is the URL of the default vault.
    pub(super) fn resolve(&self, vault_url: &str) -> (KeyId, SetKeyValue) {
        let id = KeyId::new(&self.key, self.set.label.as_deref());
        let set = match &self.secret {
            None => self.set.clone(),
            Some(name) => {
                let reference = SetKeyValue::secret_reference(format!("{vault_url}/secrets/{name}"));
                SetKeyValue { value: reference.value, content_type: reference.content_type, ..self.set.clone() }
            }
        };
        (id, set)
    }
}

fn state(mut fields: SeedFields<'_>) -> Result<(SetKeyValue, Option<String>), SeedError> {
    let (value, secret) = (fields.text(&["value"])?, fields.text(&["secret"])?);
    let content_type = fields.text(&["content_type", "contentType"])?;
    let mut set = match (value, &secret) {
        (Some(value), None) => SetKeyValue { content_type, ..SetKeyValue::new(value) },
        (None, Some(_)) if content_type.is_none() => SetKeyValue::new(""),
        _ => return Err(fields.error("", "expected either `value` or `secret`, and `content_type` with a value only")),
    };
    if let Some(label) = fields.text(&["label"])? {
        set = set.label(label);
    }
    set.description = fields.text(&["description"])?;
    let tags = fields.tags()?.unwrap_or_default();
    set.tags = tags.into_iter().map(|(name, value)| (name, Some(value))).collect();
    set.locked = fields.flag("locked")?.unwrap_or(false);
    fields.finish()?;
    Ok((set, secret))
}
