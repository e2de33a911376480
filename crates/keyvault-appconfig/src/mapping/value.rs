//! The value of a key-value, read by its content type.

use keyvault::settings::StoredValue;
use keyvault::{Error, ErrorKind};
use zeroize::Zeroizing;

use super::json;
use super::key_map::KeyMap;
use crate::key_value::{ContentType, KeyValue};

/// Returns the value of a key-value as settings, or `None` if it has none.
///
/// JSON becomes a tree; what has a JSON content type and is not JSON is text, as in the official providers.
///
/// # Errors
///
/// [`Invalid`](ErrorKind::Invalid), without the value, if a reference to a secret is malformed.
pub(super) fn value_of(key_value: &KeyValue, map: &KeyMap) -> Result<Option<StoredValue>, Error> {
    let Some(text) = key_value.value() else { return Ok(None) };
    if let Some(secret) = key_value.key_vault_reference() {
        // The text is made of the parsed identifier, so that no part of a URI can end the reference early.
        let reference = format!("@Microsoft.KeyVault(SecretUri={})", secret?.url());
        return Ok(Some(StoredValue::Text(Zeroizing::new(reference))));
    }
    let parsed = match ContentType::of(key_value.content_type()) {
        ContentType::Json => json::tree(text, &|name: &str| map.member(name)),
        // One that was not followed: it is in a snapshot.
        ContentType::SnapshotReference => return Ok(None),
        ContentType::Text | ContentType::FeatureFlag | ContentType::KeyVaultReference => None,
    };
    let value = parsed.unwrap_or_else(|| StoredValue::Text(Zeroizing::new(text.to_owned())));
    Ok(Some(value).filter(|value| !matches!(value, StoredValue::Null)))
}

/// Returns an error about the content of a key-value. Its clause never repeats the content.
pub(super) fn malformed(clause: &'static str, help: &'static str) -> Error {
    Error::new(ErrorKind::Invalid, clause).with_help(help)
}
