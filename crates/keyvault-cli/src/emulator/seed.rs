//! The seed file: the secrets that the emulator starts with.

use std::fmt::Display;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use keyvault_emulator::Seed;
use serde_json::Value;

use crate::failure::Failure;

/// Reads a seed in JSON or TOML.
pub(super) fn read(path: &Path) -> Result<Seed, Failure> {
    let message = |cause: &dyn Display| format!("cannot read the seed {}: {cause}", path.display());
    let invalid = |cause: &dyn Display| Failure::Usage(message(cause));
    let text = fs::read_to_string(path).map_err(|cause| match cause.kind() {
        ErrorKind::InvalidData => invalid(&cause),
        kind => io::Error::new(kind, message(&cause)).into(),
    })?;
    // A JSON object starts with a brace, and no TOML document does.
    let is_json = text.trim_start().starts_with('{');
    let text = if is_json { text } else { json_of_toml(&text).map_err(|cause| invalid(&cause))? };
    Seed::from_json(&text).map_err(|cause| invalid(&cause))
}

/// Converts TOML to JSON. The error names only the line, because the parser's message may quote a value.
fn json_of_toml(text: &str) -> Result<String, String> {
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        let start = error.span().map_or(0, |span| span.start);
        let line = text.as_bytes().iter().take(start).filter(|byte| **byte == b'\n').count() + 1;
        format!("neither JSON nor TOML (line {line})")
    })?;
    Ok(json_value(toml::Value::Table(table)).to_string())
}

fn json_value(value: toml::Value) -> Value {
    match value {
        toml::Value::String(text) => text.into(),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Float(number) => number.into(),
        toml::Value::Boolean(flag) => flag.into(),
        toml::Value::Datetime(moment) => moment.to_string().into(),
        toml::Value::Array(items) => items.into_iter().map(json_value).collect(),
        toml::Value::Table(fields) => fields.into_iter().map(|(name, value)| (name, json_value(value))).collect(),
    }
}
