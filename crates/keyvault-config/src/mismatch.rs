//! Converting the errors of config to errors without a value.

use std::io;

use config::ConfigError;
use keyvault::settings::Mismatch;
use serde_path_to_error::{Path, Segment};

use crate::place::Misplaced;

/// Keeps the parts of `error` that contain no value: the expected type, the kind of the value found, the line of a
/// syntax error.
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
        ConfigError::Foreign(cause) => match (cause.downcast_ref::<io::Error>(), cause.downcast_ref::<Misplaced>()) {
            (Some(error), _) => Mismatch::unreadable(unusable_file(&error.to_string()), ""),
            (None, Some(misplaced)) => misplaced.mismatch.clone(),
            (None, None) => Mismatch::unreadable(None, ""),
        },
        // The text comes from the settings type or from a parser, and may quote the value.
        _ => invalid,
    }
}

/// Does the same as [`mismatch`], and adds the path of the deserializer.
pub(crate) fn mismatch_at(path: &Path, error: &ConfigError) -> Mismatch {
    let path = path.iter().filter_map(|segment| match segment {
        Segment::Seq { index } => Some(index.to_string()),
        Segment::Map { key } => Some(key.clone()),
        Segment::Enum { .. } | Segment::Unknown => None,
    });
    let mut mismatch = mismatch(error);
    if mismatch.path.is_empty() {
        mismatch.path = path.collect();
    }
    mismatch
}

/// Parses the kind from config's text, where the value follows it, because the type of `unexpected` is private.
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

/// Extracts the file name from the errors about a file that cannot be used. Every other text is dropped.
fn unusable_file(text: &str) -> Option<String> {
    let (name, why) = text.strip_prefix("configuration file \"")?.rsplit_once('"')?;
    match why {
        " not found" => Some(format!("missing file {name}")),
        " is not of a supported file format" => Some(format!("file {name} with an unknown format")),
        _ => None,
    }
}
