//! figment's errors, taken apart so that no value is left in them.

use figment::Error;
use figment::error::{Actual, Kind};
use figment::value::Value;
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
pub(crate) fn is_of_serde(expected: &str) -> bool {
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
    let named = ["struct ", "tuple struct ", "unit struct ", "enum ", "a tuple of size ", "an array of length "];
    let is_name = |rest: &str| !rest.is_empty() && rest.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    words.contains(&expected) || named.iter().any(|word| expected.strip_prefix(word).is_some_and(is_name))
}

/// Tells whether words of a type repeat some of the text that it saw, which is what stands at `path` in `root`, or any if
/// the path was lost. Four letters in a row are enough, in any case; shorter text must be a word of its own.
pub(crate) fn quotes(words: &str, root: &Value, path: &[String]) -> bool {
    let words = words.to_lowercase();
    let at = path.iter().try_fold(root, |value, step| match value {
        Value::Dict(_, dict) => dict.get(step),
        Value::Array(_, items) => items.get(step.parse::<usize>().ok()?),
        _ => None,
    });
    any_text(at.unwrap_or(root), &|text| repeats(&words, &text.to_lowercase()))
}

fn any_text(value: &Value, is_so: &dyn Fn(&str) -> bool) -> bool {
    match value {
        Value::String(_, text) => is_so(text),
        Value::Dict(_, dict) => dict.values().any(|value| any_text(value, is_so)),
        Value::Array(_, items) => items.iter().any(|value| any_text(value, is_so)),
        _ => false,
    }
}

fn repeats(words: &str, text: &str) -> bool {
    let letters: Vec<(usize, char)> = words.char_indices().collect();
    let mut pieces = letters.windows(4).map(|piece| &words[piece[0].0..piece[3].0 + piece[3].1.len_utf8()]);
    if text.chars().count() < 4 {
        words.split(|c: char| !c.is_alphanumeric()).any(|word| !word.is_empty() && word == text)
    } else {
        pieces.any(|piece| text.contains(piece))
    }
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
