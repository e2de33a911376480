//! Converting the errors of config to errors without a value.

use std::io;

use config::ConfigError;
use keyvault::settings::Mismatch;

use crate::place::Misplaced;

/// Keeps the parts of an error about layers that contain no value: the file, and the line of a syntax error.
pub(crate) fn mismatch(error: &ConfigError) -> Mismatch {
    match error {
        ConfigError::Type { origin, .. } => Mismatch::new("value is not valid").in_place(origin.clone()),
        ConfigError::NotFound(name) => Mismatch::missing(name),
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
        // The text comes from a parser, and may quote the value.
        _ => Mismatch::new("value is not valid"),
    }
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
