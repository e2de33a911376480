//! The reason that a tree does not make settings.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::de::{self, Expected, Unexpected};
use zeroize::Zeroizing;

use super::comma_separated;
use super::key::{Key, same_letters};
use super::origin::Fingerprint;
use super::scalar::Scalar;
use crate::secret::SecretId;

/// The reason that a tree does not make settings: a path, the expectation there, and the kind of value that was found.
///
/// `config` and `figment` quote the offending value in their errors. This type shows only the safe parts of such an
/// error: fixed clauses, keys, and what the *type* expected. The value itself is kept hidden, to find its key where
/// serde lost it.
///
/// It is a serde error, so that a deserializer can return it.
#[derive(Clone, Default)]
pub struct Mismatch {
    /// The path to the value, from the root; empty if the framework does not know it.
    pub(crate) path: Key,
    /// The failure, as a fixed clause: `value is not valid`.
    pub(crate) clause: &'static str,
    /// The expectation of the type: `u16`, `one of fast, slow`.
    pub(crate) expected: Option<String>,
    /// The place of the failure if the tree has no value there, such as a file that does not parse.
    pub(crate) place: Option<String>,
    /// The remedy, as a fixed clause.
    pub(crate) help: Option<&'static str>,
    pub(super) details: Box<Details>,
}

#[derive(Clone, Default)]
pub(super) struct Details {
    /// The kind of value that was found: `a string`.
    found: Option<&'static str>,
    pub(super) subject: Option<Subject>,
    /// The variants of an enum.
    pub(super) variants: &'static [&'static str],
    /// The field of the type that an unknown member spells otherwise.
    field: Option<&'static str>,
    /// Distinguishes two messages of the settings type.
    message: Option<Fingerprint>,
    /// The file that contains the value.
    pub(super) file: Option<PathBuf>,
    /// The other mismatches of the same extraction.
    others: Vec<Mismatch>,
}

impl Details {
    /// Returns whether the settings type wrote the message, which reveals nothing.
    pub(super) fn is_custom(&self) -> bool {
        self.message.is_some()
    }
}

/// The part of the tree that the type does not take, as the type reports it.
#[derive(Clone, PartialEq)]
pub(super) enum Subject {
    Value(Scalar),
    /// The name of a member of a table, if the type tells the truth.
    Member(Zeroizing<String>),
}

pub(super) const INVALID: &str = "value is not valid";
pub(crate) const MISSING: &str = "setting is missing";
pub(crate) const ENDS_WITH_WHITE_SPACE: &str = "text that ends with white space";
pub(crate) const ARRAY: &str = "an array";
pub(crate) const UNKNOWN: &str = "unknown setting";

impl Mismatch {
    /// Creates a mismatch with a clause and no further details.
    pub fn new(clause: &'static str) -> Self {
        Self { clause, ..Self::default() }
    }

    /// Creates a mismatch for a setting without a value.
    pub fn missing(name: &str) -> Self {
        Self { path: Key::root().member(name), ..Self::new(MISSING) }
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
        let place = secret.map(|secret| format!("secret {}", secret.latest()));
        Self { path: key.clone(), place, help: Some(help), ..Self::new(clause) }
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

    /// Sets the place, for a value that the tree does not contain.
    #[must_use]
    pub fn in_place(mut self, place: Option<String>) -> Self {
        self.place = place;
        self
    }

    /// Puts `key` before the path: the path was relative to the value at `key`.
    #[must_use]
    pub fn below(mut self, key: &Key) -> Self {
        self.path = key.segments().iter().chain(self.path.segments()).cloned().collect();
        self
    }

    /// Adds the other mismatches of the same extraction.
    pub(super) fn with_others(mut self, others: Vec<Mismatch>) -> Self {
        self.details.others = others;
        self
    }

    /// Returns every mismatch of the extraction.
    pub(crate) fn split(mut self) -> Vec<Mismatch> {
        let others = std::mem::take(&mut self.details.others);
        std::iter::once(self).chain(others).collect()
    }

    /// Returns the kind of value that was found.
    pub(crate) fn found(&self) -> Option<&'static str> {
        match &self.details.subject {
            Some(Subject::Value(Scalar::Text(text))) if text.ends_with(char::is_whitespace) => {
                Some(ENDS_WITH_WHITE_SPACE)
            }
            _ => self.details.found,
        }
    }

    /// Returns the field of the type that an unknown member spells otherwise.
    pub(crate) fn field(&self) -> Option<&'static str> {
        self.details.field
    }

    /// Returns the file that contains the value.
    pub(crate) fn file(&self) -> Option<&Path> {
        self.details.file.as_deref()
    }

    /// Returns whether two extractions failed for the same reason.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let reason = |it: &Self| (it.clause, it.details.message);
        reason(self) == reason(other)
            && self.path == other.path
            && self.expected == other.expected
            && self.details.subject == other.details.subject
    }

    fn with(mut self, change: impl FnOnce(&mut Details)) -> Self {
        change(&mut self.details);
        self
    }

    fn unexpected(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let (found, value) = match unexpected {
            Unexpected::Bool(b) => ("a boolean", Some(Scalar::Bool(b))),
            Unexpected::Unsigned(n) => ("an integer", Some(Scalar::Integer(n.into()))),
            Unexpected::Signed(n) => ("an integer", Some(Scalar::Integer(n.into()))),
            Unexpected::Float(n) => ("a float", Some(Scalar::Float(n))),
            Unexpected::Char(c) => ("a string", Some(Scalar::text(c.to_string()))),
            Unexpected::Str(text) => ("a string", Some(Scalar::text(text))),
            Unexpected::Bytes(_) => ("bytes", None),
            Unexpected::Seq => (ARRAY, None),
            Unexpected::Map => ("a table", None),
            Unexpected::Unit | Unexpected::Option => ("nothing", None),
            _ => ("something else", None),
        };
        Self { expected: without_value(expected), ..Self::new(INVALID) }.with(|details| {
            details.found = Some(found);
            details.subject = value.map(Subject::Value);
        })
    }
}

impl de::Error for Mismatch {
    fn custom<T: fmt::Display>(message: T) -> Self {
        let message = Zeroizing::new(message.to_string());
        // serde has no other error for these cases.
        if let Some(name) = message.strip_prefix("unknown field `").and_then(|rest| rest.split('`').next()) {
            return Self::new(UNKNOWN).with(|details| details.subject = Some(Subject::Member(name.to_owned().into())));
        }
        let untagged = message.strip_prefix("data did not match any variant of untagged ").filter(|it| is_named(it));
        let expected = untagged.map(|name| format!("a variant of {name}"));
        let help = NOT_SUPPORTED.contains(&message.as_str()).then_some(HELP_WITH_128_BITS);
        let message = Fingerprint::of(message.as_str());
        Self { expected, help, ..Self::new(INVALID) }.with(|details| details.message = Some(message))
    }

    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::unexpected(unexpected, expected)
    }

    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::unexpected(unexpected, expected)
    }

    fn invalid_length(_: usize, expected: &dyn Expected) -> Self {
        Self { expected: without_value(expected), ..Self::new(INVALID) }
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        Self { expected: one_of(expected), ..Self::new(INVALID) }.with(|details| {
            details.found = Some("something else");
            details.subject = Some(Subject::Value(Scalar::text(variant)));
            details.variants = expected;
        })
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        Self { expected: one_of(expected), ..Self::new(UNKNOWN) }.with(|details| {
            details.found = Some("another key");
            details.field = expected.iter().copied().find(|known| same_letters(known, field));
            details.subject = Some(Subject::Member(field.to_owned().into()));
        })
    }

    fn missing_field(field: &'static str) -> Self {
        Self::missing(field)
    }

    fn duplicate_field(_: &'static str) -> Self {
        Self::new("setting is set twice")
    }
}

impl std::error::Error for Mismatch {}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.clause)
    }
}

impl fmt::Debug for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mismatch").field("clause", &self.clause).finish_non_exhaustive()
    }
}

/// Returns an expectation that serde or this crate wrote.
///
/// Any other text comes from the settings type, which may have put the value into it in any encoding.
fn without_value(expected: &dyn Expected) -> Option<String> {
    let expected = Zeroizing::new(expected.to_string());
    let number = expected.strip_prefix("a nonzero ").unwrap_or(&expected);
    let is_known = NUMBERS.contains(&number) || WORDS.contains(&expected.as_str()) || is_named(&expected);
    #[cfg(feature = "certificates")]
    let is_known = is_known || crate::certificate::Problem::is_expectation(&expected);
    is_known.then(|| expected.as_str().to_owned())
}

pub(super) const NUMBERS: [&str; 14] =
    ["u8", "u16", "u32", "u64", "u128", "usize", "i8", "i16", "i32", "i64", "i128", "isize", "f32", "f64"];

const WORDS: [&str; 10] = [
    "a boolean",
    "a character",
    "a string",
    "a byte array",
    "a sequence",
    "a map",
    "unit",
    "option",
    "variant identifier",
    comma_separated::EXPECTED,
];

/// The messages of serde where a deserializer or a buffer of serde has no such number.
const NOT_SUPPORTED: [&str; 2] = ["i128 is not supported", "u128 is not supported"];

const HELP_WITH_128_BITS: &str = "use a number of at most 64 bits, or text that the program parses: figment and the \
                                  buffers of serde (flatten, tagged and untagged enums) have no larger number";

/// Returns whether `expected` is the name of a type, as serde writes it.
fn is_named(expected: &str) -> bool {
    let kinds = ["struct ", "tuple struct ", "unit struct ", "enum ", "a tuple of size ", "an array of length "];
    let is_name = |rest: &str| !rest.is_empty() && rest.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    kinds.iter().any(|kind| expected.strip_prefix(kind).is_some_and(is_name))
}

fn one_of(names: &[&str]) -> Option<String> {
    (!names.is_empty()).then(|| format!("one of {}", names.join(", ")))
}

pub(crate) const HELP_WITH_INDEXES: &str = "a number in the name of a secret is an index of a list; a table whose \
                                            names are numbers needs NameMap::function";

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

    #[test]
    fn only_expectations_of_serde_are_kept() {
        let expected = |text: &str| <Mismatch as de::Error>::invalid_type(Unexpected::Unit, &text).expected;
        for text in ["u16", "a nonzero u16", "a boolean", "struct Db_1", "a tuple of size 2", "enum Level"] {
            assert_eq!(expected(text).as_deref(), Some(text));
        }
        for text in ["", "canary", "a nonzero canary", "struct ", "struct a-b", "struct a b", "u16 canary"] {
            assert_eq!(expected(text), None, "{text}");
        }
    }
}
