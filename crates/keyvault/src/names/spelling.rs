//! How the letters of a name become those of a key, and back.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use crate::settings::{Key, Segment};

/// How the levels of a name are spelt in a key.
#[derive(Clone, Default)]
pub(super) enum Spelling {
    /// In lower case, with `_` for `-`.
    #[default]
    Folded,
    /// As `Folded`, and the words of `PascalCase` are told apart.
    Snake,
    /// As the program says.
    Function(Arc<Function>),
}

pub(super) type Function = dyn Fn(&str) -> Option<Key> + Send + Sync;
pub(super) type Reverse = dyn Fn(&Key) -> Option<String> + Send + Sync;

impl Spelling {
    /// Tells the key for a name without its prefix; none if nothing stands between two separators.
    pub(super) fn key(&self, name: &str) -> Option<Key> {
        let level: fn(&str) -> String = match self {
            Spelling::Folded => fold,
            Spelling::Snake => snake,
            Spelling::Function(function) => return function(name).filter(|key| !key.segments().is_empty()),
        };
        let levels: Vec<String> = name.split("--").map(level).collect();
        let complete = levels.iter().all(|level| !level.is_empty());
        complete.then(|| levels.iter().map(String::as_str).collect())
    }

    /// Spells the member of a JSON secret, which has a case of its own and is left as it is but for words told apart.
    pub(crate) fn member<'n>(&self, name: &'n str) -> Cow<'n, str> {
        match self {
            Spelling::Snake => Cow::Owned(snake(name)),
            Spelling::Folded | Spelling::Function(_) => Cow::Borrowed(name),
        }
    }

    /// Gives spellings that may give `key`, the best first.
    pub(super) fn names(&self, key: &Key) -> Vec<String> {
        match self {
            Spelling::Folded => joined(key, hyphenated).into_iter().collect(),
            Spelling::Snake => [joined(key, pascal), joined(key, hyphenated)].into_iter().flatten().collect(),
            Spelling::Function(_) => Vec::new(),
        }
    }
}

impl fmt::Debug for Spelling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Spelling::Folded => "Folded",
            Spelling::Snake => "Snake",
            Spelling::Function(_) => "Function",
        })
    }
}

fn fold(level: &str) -> String {
    level.to_ascii_lowercase().replace('-', "_")
}

/// A word begins at a capital behind a small letter or a digit, and at the last of several capitals if a small letter is
/// next: `APIKey` is two words. Digits belong to the word before them.
fn snake(level: &str) -> String {
    let letters: Vec<char> = level.chars().collect();
    let mut spelt = String::with_capacity(level.len() + 4);
    for (i, &letter) in letters.iter().enumerate() {
        let before = i.checked_sub(1).map(|i| letters[i]);
        let after_small = before.is_some_and(|before| before.is_lowercase() || before.is_numeric());
        let after_capital = before.is_some_and(char::is_uppercase);
        let before_small = letters.get(i + 1).is_some_and(|after| after.is_lowercase());
        if letter.is_uppercase() && (after_small || (after_capital && before_small)) {
            spelt.push('_');
        }
        match letter {
            '-' => spelt.push('_'),
            letter => spelt.extend(letter.to_lowercase()),
        }
    }
    spelt
}

fn joined(key: &Key, level: fn(&str) -> String) -> Option<String> {
    let levels: Option<Vec<String>> = key
        .segments()
        .iter()
        .map(|segment| match segment {
            Segment::Name(name) => Some(level(name)),
            Segment::Index(_) => None,
        })
        .collect();
    levels.map(|levels| levels.join("--"))
}

fn hyphenated(level: &str) -> String {
    level.replace('_', "-")
}

/// Words that begin with a letter are told apart by their capitals, others by a hyphen.
fn pascal(level: &str) -> String {
    let mut spelt = String::with_capacity(level.len());
    for (i, word) in level.split('_').enumerate() {
        let mut letters = word.chars();
        match letters.next() {
            Some(first) if first.is_ascii_lowercase() => spelt.push(first.to_ascii_uppercase()),
            Some(first) if i == 0 => spelt.push(first),
            Some(first) => spelt.extend(['-', first]),
            None => spelt.push('-'),
        }
        spelt.push_str(letters.as_str());
    }
    spelt
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_told_apart() {
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
    fn words_are_put_together() {
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
