//! figment's errors, taken apart so that no value is left in them.

use figment::Error;
use figment::error::{Actual, Kind};
use keyvault::Mismatch;

use crate::place;

/// Takes what may be told out of `error`: the path, what was expected, the kind of what was found.
pub(crate) fn mismatch(error: &Error) -> Mismatch {
    let mut mismatch = of_kind(&error.kind);
    mismatch.path.splice(..0, error.path.iter().cloned());
    if let (Kind::Message(message), Some(metadata)) = (&error.kind, &error.metadata)
        && error.path.is_empty()
    {
        return Mismatch::unreadable(Some(place::source(metadata)), message);
    }
    mismatch
}

fn of_kind(kind: &Kind) -> Mismatch {
    let invalid = Mismatch::new("value is not valid");
    match kind {
        Kind::InvalidType(found, expected) | Kind::InvalidValue(found, expected) => {
            Mismatch { expected: Some(expected.clone()), found: Some(found_kind(found)), ..invalid }
        }
        Kind::InvalidLength(_, expected) => Mismatch { expected: Some(expected.clone()), ..invalid },
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
