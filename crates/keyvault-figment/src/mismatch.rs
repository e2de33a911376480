//! figment's errors, taken apart so that no value is left in them.

use figment::Error;
use figment::error::{Actual, Kind};
use keyvault::Mismatch;

use crate::place;

/// Takes what may be told out of `error`: the path, what was expected, the kind of what was found.
pub(crate) fn mismatch(error: &Error) -> Mismatch {
    let mut mismatch = of_kind(&error.kind);
    mismatch.path.splice(..0, error.path.iter().cloned());
    mismatch
}

/// As [`mismatch`], of what failed before there were values: a file that does not parse.
pub(crate) fn unreadable(error: &Error) -> Mismatch {
    let place = error.metadata.as_ref().map(place::source);
    match &error.kind {
        Kind::Message(message) => Mismatch::unreadable(place, message),
        _ => Mismatch { place, ..mismatch(error) },
    }
}

/// Tells whether an expectation is in serde's own words, which quote nothing.
///
/// A type's own may have the value in them, as it is or in base64, hex or whatever else nobody would look for.
fn is_of_serde(expected: &str) -> bool {
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

fn of_kind(kind: &Kind) -> Mismatch {
    let invalid = Mismatch::new("value is not valid");
    match kind {
        Kind::InvalidType(found, expected) | Kind::InvalidValue(found, expected) => {
            Mismatch { expected: told(expected), found: Some(found_kind(found)), ..invalid }
        }
        Kind::InvalidLength(_, expected) => Mismatch { expected: told(expected), ..invalid },
        Kind::UnknownVariant(_, expected) => {
            Mismatch { expected: Some(one_of(expected)), found: Some("something else"), ..invalid }
        }
        Kind::UnknownField(_, expected) => Mismatch {
            expected: Some(one_of(expected)),
            found: Some("another key"),
            ..Mismatch::new("unknown setting")
        },
        Kind::MissingField(name) => missing(name),
        Kind::DuplicateField(_) => Mismatch::new("setting is given twice"),
        Kind::ISizeOutOfRange(_) | Kind::USizeOutOfRange(_) => Mismatch::new("number is out of range"),
        Kind::Unsupported(found) | Kind::UnsupportedKey(found, _) => {
            Mismatch { found: Some(found_kind(found)), ..invalid }
        }
        // The text is the type's own and may quote the value.
        Kind::Message(_) => invalid,
    }
}

/// figment's path ends above the field that is missing; its name is the type's and no value.
fn missing(name: &str) -> Mismatch {
    Mismatch { path: vec![name.to_owned()], ..Mismatch::new("setting is missing") }
}

fn told(expected: &str) -> Option<String> {
    is_of_serde(expected).then(|| expected.to_owned())
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
