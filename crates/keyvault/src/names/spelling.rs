//! The spelling of names as keys, and back.

use std::fmt;
use std::sync::Arc;

use crate::settings::{Key, Segment};

/// The spelling of a name's levels in a key. A crate that maps the names of another store uses it, too.
#[derive(Clone, Debug, Default)]
pub enum Spelling {
    /// Lower case, with `_` for `-`.
    #[default]
    Folded,
    /// The words of a level in a case of their own.
    Words(Case),
    /// As the name is written.
    Kept,
    /// The program's own function.
    Function(Function<KeyFunction>),
}

/// The case of the words of a level, as serde's `rename_all` names it.
#[derive(Clone, Copy, Debug)]
pub enum Case {
    /// `connection_string`
    Snake,
    /// `connectionString`
    Camel,
    /// `ConnectionString`
    Pascal,
}

/// A function of the program.
pub struct Function<F: ?Sized>(pub(super) Arc<F>);

pub(super) type KeyFunction = dyn Fn(&str) -> Option<Key> + Send + Sync;
pub(super) type NameFunction = dyn Fn(&Key) -> Option<String> + Send + Sync;

impl Spelling {
    /// Returns the key for a name without its prefix, or `None` if the name has an empty level.
    pub(super) fn key(&self, name: &str) -> Option<Key> {
        match self {
            Spelling::Function(function) => (function.0)(name).filter(|key| !key.segments().is_empty()),
            _ => self.key_of(name.split("--")),
        }
    }

    /// Returns the key for the levels of a name, or `None` if one of them is empty.
    ///
    /// A level that is a number is the index of a list, except the first one.
    pub fn key_of<'n>(&self, levels: impl Iterator<Item = &'n str>) -> Option<Key> {
        let levels = levels.enumerate().map(|(depth, level)| match index(level) {
            Some(index) if depth > 0 => Some(Segment::Index(index)),
            _ => (!level.is_empty()).then(|| Segment::Name(self.level(level).into())),
        });
        levels.collect()
    }

    fn level(&self, level: &str) -> String {
        match self {
            Spelling::Folded => level.to_ascii_lowercase().replace('-', "_"),
            Spelling::Words(case) => case.level(level),
            Spelling::Kept | Spelling::Function(_) => level.to_owned(),
        }
    }

    /// Returns the spelling of a member of a JSON value. Only the case of words changes it.
    pub fn member(&self, name: &str) -> String {
        match self {
            Spelling::Words(case) => case.level(name),
            Spelling::Folded | Spelling::Kept | Spelling::Function(_) => name.to_owned(),
        }
    }

    /// Returns names that may give `key`, the preferred one first.
    pub(super) fn names(&self, key: &Key) -> Vec<String> {
        match self {
            Spelling::Folded => vec![joined(key, hyphenated)],
            Spelling::Words(_) => vec![joined(key, pascal), joined(key, hyphenated)],
            Spelling::Kept => vec![joined(key, str::to_owned)],
            Spelling::Function(_) => Vec::new(),
        }
    }
}

/// Returns the index that a level is, unless it is written with leading zeros.
fn index(level: &str) -> Option<usize> {
    let is_number = level.bytes().all(|b| b.is_ascii_digit()) && (level == "0" || !level.starts_with('0'));
    level.parse().ok().filter(|_| is_number)
}

impl Case {
    fn level(self, level: &str) -> String {
        let snake = snake(level);
        let capital = |word: &str| {
            let mut letters = word.chars();
            letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect::<String>()
        };
        match self {
            Case::Snake => snake,
            Case::Pascal => snake.split('_').map(capital).collect(),
            Case::Camel => {
                let mut words = snake.split('_');
                words.next().into_iter().map(str::to_owned).chain(words.map(capital)).collect()
            }
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

fn joined(key: &Key, level: fn(&str) -> String) -> String {
    let levels = key.segments().iter().map(|segment| match segment {
        Segment::Name(name) => level(name),
        Segment::Index(index) => index.to_string(),
    });
    levels.collect::<Vec<_>>().join("--")
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
    fn names_are_spelled_as_serde_renames_fields() {
        for (level, camel, pascal) in [
            ("ConnectionString", "connectionString", "ConnectionString"),
            ("connection-string", "connectionString", "ConnectionString"),
            ("connectionString", "connectionString", "ConnectionString"),
            ("APIKey", "apiKey", "ApiKey"),
            ("api-key-2", "apiKey2", "ApiKey2"),
            ("S3Bucket", "s3Bucket", "S3Bucket"),
            ("Password", "password", "Password"),
            ("ÄpfelUndBirnen", "äpfelUndBirnen", "ÄpfelUndBirnen"),
            ("a", "a", "A"),
        ] {
            assert_eq!(Case::Camel.level(level), camel, "{level}");
            assert_eq!(Case::Pascal.level(level), pascal, "{level}");
        }
    }

    #[test]
    fn numbers_after_the_first_level_are_indexes() {
        for (name, expected) in [
            ("Hosts--1", "hosts[1]"),
            ("Servers--0--Password", "servers[0].password"),
            ("m--0--1", "m[0][1]"),
            ("0--a", "0.a"),
            ("a--00", "a.00"),
            ("a--01", "a.01"),
            ("a--1x", "a.1x"),
            ("a--1-2", "a.1_2"),
            ("a--99999999999999999999", "a.99999999999999999999"),
        ] {
            assert_eq!(Spelling::Folded.key(name).unwrap().to_string(), expected, "{name}");
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
