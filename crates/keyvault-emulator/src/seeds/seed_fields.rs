//! The fields of an object in a seed.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::seed_error::SeedError;

/// The fields of one version or key-value. Each read removes a field, so the unknown fields remain.
pub(super) struct SeedFields<'a> {
    place: &'a str,
    object: Map<String, Value>,
}

impl<'a> SeedFields<'a> {
    /// Creates the fields of an object at a place in the seed.
    pub(super) fn new(place: &'a str, object: Map<String, Value>) -> Self {
        Self { place, object }
    }

    /// Fails if a field was not read.
    pub(super) fn finish(self) -> Result<(), SeedError> {
        match self.object.keys().next() {
            Some(unknown) => Err(self.error(unknown, "unknown field")),
            None => Ok(()),
        }
    }

    pub(super) fn flag(&mut self, name: &str) -> Result<Option<bool>, SeedError> {
        match self.take(&[name]) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(flag)),
            Some(_) => Err(self.error(name, "expected true or false")),
        }
    }

    pub(super) fn tags(&mut self) -> Result<Option<BTreeMap<String, String>>, SeedError> {
        let Some(tags) = self.take(&["tags"]) else { return Ok(None) };
        let wrong = || self.error("tags", "expected an object of strings");
        let Value::Object(tags) = tags else { return Err(wrong()) };
        let tag = |(name, value)| match value {
            Value::String(value) => Ok((name, value)),
            _ => Err(wrong()),
        };
        tags.into_iter().map(tag).collect::<Result<_, _>>().map(Some)
    }

    pub(super) fn object(&mut self, name: &str) -> Result<Option<Value>, SeedError> {
        match self.take(&[name]) {
            None => Ok(None),
            Some(object @ Value::Object(_)) => Ok(Some(object)),
            Some(_) => Err(self.error(name, "expected an object")),
        }
    }

    pub(super) fn timestamp(&mut self, names: &[&str]) -> Result<Option<i64>, SeedError> {
        let seconds = match self.take(names) {
            None => return Ok(None),
            Some(Value::Number(number)) => number.as_i64(),
            Some(Value::String(text)) => {
                OffsetDateTime::parse(&text, &Rfc3339).ok().map(OffsetDateTime::unix_timestamp)
            }
            Some(_) => None,
        };
        let wrong = || self.error(names[0], "expected seconds since 1970 or a date like 2027-01-31T00:00:00Z");
        seconds.ok_or_else(wrong).map(Some)
    }

    pub(super) fn text(&mut self, names: &[&str]) -> Result<Option<String>, SeedError> {
        match self.take(names) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.error(names[0], "expected a string")),
        }
    }

    /// Removes a field by any of its names. `None` if it is absent or null.
    fn take(&mut self, names: &[&str]) -> Option<Value> {
        names.iter().find_map(|name| self.object.remove(*name)).filter(|value| !value.is_null())
    }

    pub(super) fn error(&self, field: &str, problem: impl fmt::Display) -> SeedError {
        let problem = if field.is_empty() { problem.to_string() } else { format!("`{field}`: {problem}") };
        SeedError::new(self.place, problem)
    }
}
