//! Converting the errors of figment to errors without a value.

use figment::Error;
use figment::error::{Actual, Kind};
use keyvault::settings::Mismatch;

use crate::origin;

/// Keeps the parts of `error` that contain no value: the path, the expected type, the kind of the value found.
pub(crate) fn mismatch(error: &Error) -> Mismatch {
    let mut mismatch = mismatch_of_kind(&error.kind);
    mismatch.path.splice(..0, error.path.iter().cloned());
    mismatch
}

/// Converts an error about a layer that cannot be read, for example a file with a syntax error.
pub(crate) fn unreadable(error: &Error) -> Mismatch {
    let place = error.metadata.as_ref().map(origin::source);
    match &error.kind {
        Kind::Message(message) => Mismatch::unreadable(place, message),
        _ => Mismatch { place, ..mismatch(error) },
    }
}

/// Returns whether serde itself wrote the expectation.
///
/// Any other text comes from the settings type, which may have put the value into it in any encoding.
fn is_written_by_serde(expected: &str) -> bool {
    let words = [
        "u8",
        "u16",
        "u32",
        "u64",
        "u128",
        "usize",
        "i8",
        "i16",
        "i32",
        "i64",
        "i128",
        "isize",
        "f32",
        "f64",
        "a boolean",
        "a character",
        "a string",
        "a byte array",
        "a sequence",
        "a map",
        "unit",
        "option",
        "variant identifier",
        "field identifier",
    ];
    if let Some(number) = expected.strip_prefix("a nonzero ") {
        return words.contains(&number);
    }
    let named = ["struct ", "tuple struct ", "unit struct ", "enum ", "a tuple of size ", "an array of length "];
    let is_name = |rest: &str| !rest.is_empty() && rest.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    words.contains(&expected) || named.iter().any(|word| expected.strip_prefix(word).is_some_and(is_name))
}

fn mismatch_of_kind(kind: &Kind) -> Mismatch {
    let invalid = Mismatch::new("value is not valid");
    match kind {
        Kind::InvalidType(found, expected) | Kind::InvalidValue(found, expected) => {
            Mismatch { expected: without_value(expected), found: Some(found_kind(found)), ..invalid }
        }
        Kind::InvalidLength(_, expected) => Mismatch { expected: without_value(expected), ..invalid },
        Kind::UnknownVariant(_, expected) => {
            Mismatch { expected: Some(one_of(expected)), found: Some("something else"), ..invalid }
        }
        Kind::UnknownField(_, expected) => Mismatch {
            expected: Some(one_of(expected)),
            found: Some("another key"),
            ..Mismatch::new("unknown setting")
        },
        Kind::MissingField(name) => missing(name),
        Kind::DuplicateField(_) => Mismatch::new("setting is set twice"),
        Kind::ISizeOutOfRange(_) | Kind::USizeOutOfRange(_) => Mismatch::new("number is out of range"),
        Kind::Unsupported(found) | Kind::UnsupportedKey(found, _) => {
            Mismatch { found: Some(found_kind(found)), ..invalid }
        }
        // The text comes from the settings type and may quote the value.
        Kind::Message(_) => invalid,
    }
}

/// Adds the field to the path, because figment's path ends above it. A field name is no value.
fn missing(name: &str) -> Mismatch {
    Mismatch { path: vec![name.to_owned()], ..Mismatch::new("setting is missing") }
}

fn without_value(expected: &str) -> Option<String> {
    is_written_by_serde(expected).then(|| expected.to_owned())
}

fn one_of(names: &[&str]) -> String {
    format!("one of {}", names.join(", "))
}

fn found_kind(actual: &Actual) -> &'static str {
    match actual {
        Actual::Bool(_) => "a boolean",
        Actual::Unsigned(_) | Actual::Signed(_) => "an integer",
        Actual::Float(_) => "a float",
        Actual::Char(_) | Actual::Str(_) => "a string",
        Actual::Bytes(_) => "bytes",
        Actual::Seq => "an array",
        Actual::Map => "a table",
        Actual::Unit | Actual::Option => "nothing",
        _ => "something else",
    }
}
