//! Where a value is written, for people.

use config::{Value, ValueKind};
use keyvault::Key;

use crate::source;

/// Tells the place of the value at `key`: `settings.toml key database.host`, `variable SHOP_DATABASE__HOST`.
pub(crate) fn place(value: &Value, key: &Key) -> String {
    match (value.origin(), &value.kind) {
        // config loses the origin of a table when it merges.
        (None, ValueKind::Table(_)) => format!("the merged layers key {key}"),
        (None, _) => "a value set in code".into(),
        (Some(ENVIRONMENT), _) => variable(value, key),
        (Some(origin), _) => format!("{origin} key {key}"),
    }
}

/// Tells which file a value is written in: config's origin of it, which a source of another kind may call anything.
pub(crate) fn file(value: &Value) -> Option<&str> {
    value.origin().filter(|origin| *origin != ENVIRONMENT)
}

/// Tells the address of the secret that a value is, if it is one that was mapped by its name.
pub(crate) fn secret(value: &Value) -> Option<&str> {
    value.origin()?.strip_prefix(source::NAME)
}

/// The origin of everything that config takes from variables.
const ENVIRONMENT: &str = "the environment";

/// config does not say which variable a key was made of, so it is looked for: the one that has the value and ends like
/// the key, whatever prefix and separator were.
fn variable(value: &Value, key: &Key) -> String {
    let letters = |text: &str| text.replace(['_', '.', '-', '[', ']'], "").to_ascii_uppercase();
    let (ending, text) = (letters(&key.to_string()), value.to_string());
    let variables =
        std::env::vars_os().filter_map(|(name, text)| Some((name.into_string().ok()?, text.into_string().ok()?)));
    let mut found = variables.filter(|(name, held)| letters(name).ends_with(&ending) && *held == text);
    match (found.next(), found.next()) {
        (Some((name, _)), None) => format!("variable {name}"),
        _ => format!("{ENVIRONMENT} key {key}"),
    }
}
