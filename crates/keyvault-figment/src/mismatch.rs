//! Converting the errors of figment to errors without a value.

use figment::Error;
use figment::error::{Actual, Kind};
use figment::value::Value;
use keyvault::settings::{Key, Mismatch};
use serde::de::{Error as _, Unexpected};

use crate::origin;

/// Keeps the parts of `error` that contain no value. Its path leads through `root`.
pub(crate) fn mismatch(error: &Error, root: &Value) -> Mismatch {
    mismatch_of_kind(&error.kind).below(&key(root, &error.path))
}

/// Converts an error about a layer that cannot be read, for example a file with a syntax error.
pub(crate) fn unreadable(error: &Error) -> Mismatch {
    let place = error.metadata.as_ref().map(origin::source);
    match &error.kind {
        Kind::Message(message) => Mismatch::unreadable(place, message),
        kind => mismatch_of_kind(kind).below(&error.path.iter().map(String::as_str).collect()).in_place(place),
    }
}

/// Returns the key of a path, in which figment writes an index like a name.
fn key(root: &Value, path: &[String]) -> Key {
    let (mut key, mut value) = (Key::root(), Some(root));
    for step in path {
        (key, value) = match (value, step.parse()) {
            (Some(Value::Array(_, items)), Ok(index)) => (key.element(index), items.get(index)),
            (Some(Value::Dict(_, dict)), _) => (key.member(step), dict.get(step)),
            _ => (key.member(step), None),
        };
    }
    key
}

fn mismatch_of_kind(kind: &Kind) -> Mismatch {
    match kind {
        Kind::InvalidType(found, expected) => Mismatch::invalid_type(unexpected(found), &expected.as_str()),
        Kind::InvalidValue(found, expected) => Mismatch::invalid_value(unexpected(found), &expected.as_str()),
        Kind::InvalidLength(length, expected) => Mismatch::invalid_length(*length, &expected.as_str()),
        Kind::UnknownVariant(name, expected) => Mismatch::unknown_variant(name, expected),
        Kind::UnknownField(name, expected) => Mismatch::unknown_field(name, expected),
        Kind::MissingField(name) => Mismatch::missing(name),
        Kind::DuplicateField(name) => Mismatch::duplicate_field(name),
        Kind::ISizeOutOfRange(_) | Kind::USizeOutOfRange(_) => Mismatch::new("number is out of range"),
        Kind::Unsupported(found) | Kind::UnsupportedKey(found, _) => {
            Mismatch::invalid_type(unexpected(found), &"another type")
        }
        Kind::Message(message) => Mismatch::custom(message),
    }
}

fn unexpected(actual: &Actual) -> Unexpected<'_> {
    match actual {
        Actual::Bool(b) => Unexpected::Bool(*b),
        Actual::Unsigned(n) => Unexpected::Unsigned(u64::try_from(*n).unwrap_or(u64::MAX)),
        Actual::Signed(n) => Unexpected::Signed(i64::try_from(*n).unwrap_or(i64::MIN)),
        Actual::Float(n) => Unexpected::Float(*n),
        Actual::Char(c) => Unexpected::Char(*c),
        Actual::Str(text) => Unexpected::Str(text),
        Actual::Bytes(bytes) => Unexpected::Bytes(bytes),
        Actual::Seq => Unexpected::Seq,
        Actual::Map => Unexpected::Map,
        Actual::Unit => Unexpected::Unit,
        Actual::Option => Unexpected::Option,
        _ => Unexpected::Other("something else"),
    }
}
