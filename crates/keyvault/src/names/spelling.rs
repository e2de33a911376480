//! The spelling of names as keys, and back.

use std::fmt;
use std::sync::Arc;

use crate::settings::Key;

/// The spelling of a name's levels in a key.
#[derive(Clone, Debug, Default)]
pub(super) enum Spelling {
    /// Lower case, with `_` for `-`.
    #[default]
    Folded,
    /// Like `Folded`, and with `_` between the words of `PascalCase`.
    Snake,
    /// The program's own function.
    Function(Function<KeyFunction>),
}

/// A function of the program.
pub(super) struct Function<F: ?Sized>(pub(super) Arc<F>);

pub(super) type KeyFunction = dyn Fn(&str) -> Option<Key> + Send + Sync;
pub(super) type NameFunction = dyn Fn(&Key) -> Option<String> + Send + Sync;

impl Spelling {
    /// Returns the key for a name without its prefix, or `None` if the name has an empty level.
    pub(super) fn key(&self, name: &str) -> Option<Key> {
        let level: fn(&str) -> String = match self {
            Spelling::Folded => fold,
            Spelling::Snake => snake,
            Spelling::Function(function) => return (function.0)(name).filter(|key| !key.segments().is_empty()),
        };
        let levels: Vec<String> = name.split("--").map(level).collect();
        let complete = levels.iter().all(|level| !level.is_empty());
        complete.then(|| levels.iter().map(String::as_str).collect())
    }

    /// Returns the spelling of a member of a JSON secret. Only `Snake` changes it.
    pub(super) fn member(&self, name: &str) -> String {
        match self {
            Spelling::Snake => snake(name),
            Spelling::Folded | Spelling::Function(_) => name.to_owned(),
        }
    }

    /// Returns names that may give `key`, the preferred one first.
    pub(super) fn names(&self, key: &Key) -> Vec<String> {
        match self {
            Spelling::Folded => joined(key, hyphenated).into_iter().collect(),
            Spelling::Snake => [joined(key, pascal), joined(key, hyphenated)].into_iter().flatten().collect(),
            Spelling::Function(_) => Vec::new(),
        }
    }
}

impl<F: ?Sized> Clone for Function<F> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<F: ?Sized> fmt::Debug for Function<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Function")
    }
}

fn fold(level: &str) -> String {
    level.to_ascii_lowercase().replace('-', "_")
}

/// Converts `PascalCase` to `snake_case`.
///
/// A word begins at an upper-case letter after a lower-case letter or a digit, and at the last of several upper-case
/// letters if a lower-case letter follows: `APIKey` is two words. Digits belong to the word before them.
fn snake(level: &str) -> String {
    let letters: Vec<char> = level.chars().collect();
    let mut spelling = String::with_capacity(level.len() + 4);
    for (i, &letter) in letters.iter().enumerate() {
        let before = i.checked_sub(1).map(|i| letters[i]);
        let after_lower = before.is_some_and(|before| before.is_lowercase() || before.is_numeric());
        let after_upper = before.is_some_and(char::is_uppercase);
        let before_lower = letters.get(i + 1).is_some_and(|after| after.is_lowercase());
        if letter.is_uppercase() && (after_lower || (after_upper && before_lower)) {
            spelling.push('_');
        }
        match letter {
            '-' => spelling.push('_'),
            letter => spelling.extend(letter.to_lowercase()),
        }
    }
    spelling
}

fn joined(key: &Key, level: fn(&str) -> String) -> Option<String> {
    let levels: Option<Vec<String>> = key.segments().iter().map(|segment| segment.name().map(level)).collect();
    levels.map(|levels| levels.join("--"))
}

fn hyphenated(level: &str) -> String {
    level.replace('_', "-")
}

/// Converts `snake_case` to `PascalCase`, with a hyphen before a word that does not begin with a letter.
fn pascal(level: &str) -> String {
    let mut spelling = String::with_capacity(level.len());
    for (i, word) in level.split('_').enumerate() {
        let mut letters = word.chars();
        match letters.next() {
            Some(first) if first.is_ascii_lowercase() => spelling.push(first.to_ascii_uppercase()),
            Some(first) if i == 0 => spelling.push(first),
            Some(first) => spelling.extend(['-', first]),
            None => spelling.push('-'),
        }
        spelling.push_str(letters.as_str());
    }
    spelling
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pascal_case_becomes_snake_case() {
        for (level, expected) in [
            ("ConnectionString", "connection_string"),
            ("APIKey", "api_key"),
            ("HTTPSPort", "https_port"),
            ("UserID", "user_id"),
            ("S3Bucket", "s3_bucket"),
            ("V2API", "v2_api"),
            ("Db1Host", "db1_host"),
            ("OAuth2Token", "o_auth2_token"),
            ("camelCase", "camel_case"),
            ("smtp-from-address", "smtp_from_address"),
            ("Smtp-FromAddress", "smtp_from_address"),
            ("ALLCAPS", "allcaps"),
            ("DB-HOST", "db_host"),
            ("A", "a"),
            ("0", "0"),
            ("-x", "_x"),
            ("ÄpfelUndBirnen", "äpfel_und_birnen"),
            ("", ""),
        ] {
            assert_eq!(snake(level), expected, "{level}");
        }
    }

    #[test]
    fn snake_case_becomes_pascal_case() {
        for (level, expected) in [
            ("connection_string", "ConnectionString"),
            ("s3_bucket", "S3Bucket"),
            ("a_1", "A-1"),
            ("_x", "-X"),
            ("0", "0"),
        ] {
            assert_eq!(pascal(level), expected, "{level}");
        }
    }
}
