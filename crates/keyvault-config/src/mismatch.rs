//! config's errors, taken apart so that no value is left in them.

use std::io;

use config::ConfigError;
use keyvault::Mismatch;
use serde_path_to_error::{Path, Segment};

/// Takes what may be told out of `error`: what was expected, the kind of what was found, where a file does not parse.
pub(crate) fn mismatch(error: &ConfigError) -> Mismatch {
    let invalid = Mismatch::new("value is not valid");
    match error {
        ConfigError::Type { unexpected, expected, origin, .. } => Mismatch {
            expected: Some((*expected).to_owned()),
            found: Some(found_kind(&unexpected.to_string())),
            place: origin.clone(),
            ..invalid
        },
        ConfigError::NotFound(name) => {
            Mismatch { path: name.split('.').map(str::to_owned).collect(), ..Mismatch::new("setting is missing") }
        }
        ConfigError::At { error, .. } => mismatch(error),
        ConfigError::FileParse { uri, cause } => {
            let file = uri.clone().unwrap_or_else(|| "text set in code".into());
            Mismatch::unreadable(Some(file), &cause.to_string())
        }
        ConfigError::Foreign(cause) => match cause.downcast_ref::<io::Error>() {
            Some(error) => Mismatch::unreadable(unusable_file(&error.to_string()), ""),
            None => Mismatch::unreadable(None, ""),
        },
        // The text is the type's own, or a parser's, and may quote the value.
        _ => invalid,
    }
}

/// As [`mismatch`], with the path that the deserialiser took.
pub(crate) fn mismatch_at(path: &Path, error: &ConfigError) -> Mismatch {
    let steps = path.iter().filter_map(|segment| match segment {
        Segment::Seq { index } => Some(index.to_string()),
        Segment::Map { key } => Some(key.clone()),
        Segment::Enum { .. } | Segment::Unknown => None,
    });
    let mut mismatch = mismatch(error);
    if mismatch.path.is_empty() {
        mismatch.path = steps.collect();
    }
    mismatch
}

/// The kind stands in front of the value in config's text, and its type cannot be named.
fn found_kind(unexpected: &str) -> &'static str {
    let kinds = [
        ("boolean", "a boolean"),
        ("64-bit", "an integer"),
        ("128-bit", "an integer"),
        ("floating", "a float"),
        ("string", "a string"),
        ("unit", "nothing"),
        ("sequence", "an array"),
        ("map", "a table"),
    ];
    let found = kinds.into_iter().find(|(prefix, _)| unexpected.starts_with(prefix));
    found.map_or("something else", |(_, kind)| kind)
}

/// config names a file that it cannot use between quotes; nothing else of an error's text is let through.
fn unusable_file(text: &str) -> Option<String> {
    let (name, why) = text.strip_prefix("configuration file \"")?.rsplit_once('"')?;
    match why {
        " not found" => Some(format!("missing file {name}")),
        " is not of a supported file format" => Some(format!("file {name} of no known format")),
        _ => None,
    }
}
