//! The reason that a tree does not make settings.

use super::key::{Key, Segment};
use crate::secret::SecretId;

/// The reason that a tree does not make settings: a path, the expectation there, and the kind of value that was found.
///
/// `config` and `figment` quote the offending value in their errors. This type keeps only the safe parts of such an
/// error: fixed clauses, keys, and what the *type* expected. It has no field for a value or for another library's
/// message.
#[derive(Clone, Debug, Default)]
pub struct Mismatch {
    /// The path to the value, from the root; empty if the framework does not know it.
    pub path: Vec<String>,
    /// The failure, as a fixed clause: `not valid`, `missing`.
    pub clause: &'static str,
    /// The expectation of the type: `u16`, `one of fast, slow`.
    pub expected: Option<String>,
    /// The kind of value that was found: `string`.
    pub found: Option<&'static str>,
    /// The place of the failure if the tree has no value there, such as a file that does not parse.
    pub place: Option<String>,
    /// The remedy, as a fixed clause.
    pub help: Option<&'static str>,
}

impl Mismatch {
    /// Creates a mismatch with a clause and no further details.
    pub fn new(clause: &'static str) -> Self {
        Self { clause, ..Self::default() }
    }

    /// Creates a mismatch for a mapped secret that has no place at `key`: elements before it are missing in the list.
    pub fn gap(key: &Key, secret: Option<&SecretId>) -> Self {
        Self::misplaced(key, secret, "list has no element before this one", HELP_WITH_GAPS)
    }

    /// Creates a mismatch for a mapped secret that has no place at `key`: it is an element of a list where the layers
    /// have a table, or a member of a table where they have a list.
    pub fn table_and_list(key: &Key, secret: Option<&SecretId>) -> Self {
        Self::misplaced(key, secret, "setting is both a table and a list", HELP_WITH_TABLES)
    }

    fn misplaced(key: &Key, secret: Option<&SecretId>, clause: &'static str, help: &'static str) -> Self {
        let path = key.segments().iter().map(|segment| match segment {
            Segment::Name(name) => name.to_string(),
            Segment::Index(index) => index.to_string(),
        });
        let place = secret.map(|secret| format!("secret {}", secret.latest()));
        Self { path: path.collect(), place, help: Some(help), ..Self::new(clause) }
    }

    /// Creates a mismatch for a layer at `place` that cannot be read.
    ///
    /// Keeps only line and column of the parser's `message`, because the message quotes the offending line.
    pub fn unreadable(place: Option<String>, message: &str) -> Self {
        let position = match (number_after(message, "line "), number_after(message, "column ")) {
            (Some(line), Some(column)) => format!(" line {line}, column {column}"),
            _ => String::new(),
        };
        Self { place: place.map(|place| place + &position), ..Self::new("layer cannot be read") }
    }
}

const HELP_WITH_GAPS: &str = "add the elements before it, or number the elements from 0; a table whose names are numbers \
                              needs NameMap::function";

const HELP_WITH_TABLES: &str = "rename the secret or the setting, or take fewer secrets by name: NameMap::prefix, tag or \
                                only_keys_of, or references_only()";

fn number_after<'m>(message: &'m str, word: &str) -> Option<&'m str> {
    let digits = message.split_once(word)?.1;
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    (1..=6).contains(&end).then(|| &digits[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unreadable_layer_keeps_only_the_position_of_the_message() {
        for (message, place) in [
            ("TOML parse error at line 3, column 12\n3 | password = canary", "f line 3, column 12"),
            ("expected value at line 1 column 9", "f line 1, column 9"),
            ("canary line x, column y", "f"),
            ("", "f"),
        ] {
            let mismatch = Mismatch::unreadable(Some("f".into()), message);
            assert_eq!(mismatch.place.as_deref(), Some(place), "{message}");
        }
    }
}
