//! The origin of a value, for error texts and reports.

use config::{Value, ValueKind};
use keyvault::settings::Key;

/// Describes where the value at `key` is set: `settings.toml key database.host`, `variable SHOP_DATABASE__HOST`.
pub(crate) fn origin(value: &Value, key: &Key) -> String {
    match (value.origin(), &value.kind) {
        // config drops the origin of a table when it merges.
        (None, ValueKind::Table(_)) => format!("the merged layers key {key}"),
        (None, _) => "a value set in code".into(),
        (Some(ENVIRONMENT), _) => variable(value, key),
        (Some(origin), _) => format!("{origin} key {key}"),
    }
}

/// Returns whether the program sets the value in its code: config gives an origin to every other scalar.
pub(crate) fn is_in_code(value: &Value) -> bool {
    value.origin().is_none() && !matches!(value.kind, ValueKind::Table(_) | ValueKind::Array(_))
}

/// Returns the file of a value. For a source that is no file, this is any text that the source calls itself.
pub(crate) fn file(value: &Value) -> Option<&str> {
    value.origin().filter(|origin| *origin != ENVIRONMENT)
}

/// The origin that config gives to each variable.
const ENVIRONMENT: &str = "the environment";

/// Searches the variable of a value, because config does not record it: the only one with the same text and with a name
/// that ends like the key, whatever the prefix and the separator are.
fn variable(value: &Value, key: &Key) -> String {
    let letters = |text: &str| text.replace(['_', '.', '-', '[', ']'], "").to_ascii_uppercase();
    let (key_letters, text) = (letters(&key.to_string()), value.to_string());
    let variables =
        std::env::vars_os().filter_map(|(name, text)| Some((name.into_string().ok()?, text.into_string().ok()?)));
    let mut found = variables.filter(|(name, other)| letters(name).ends_with(&key_letters) && *other == text);
    match (found.next(), found.next()) {
        (Some((name, _)), None) => format!("variable {name}"),
        _ => format!("{ENVIRONMENT} key {key}"),
    }
}
