//! Settings files: their values, and the file and line of each.
//!
//! In reading order: `entry` is one value and its origin. `format` selects a parser by the file name. The parsers
//! (`toml`, `json`, `yaml`, `ini`, `properties`, `dotenv` and `text`) pass the values that they find to a `collector`,
//! which limits depth and memory. `expression` hides what a deployment replaces, and `app_configuration` finds
//! references of another form. `problem` describes a file that cannot be read, and never quotes it. `selection` chooses
//! variables, and `env_file` reads those of a file.

mod app_configuration;
mod collector;
mod dotenv;
mod entry;
mod env_file;
mod expression;
mod format;
mod ini;
mod json;
mod problem;
mod properties;
mod selection;
mod text;
mod toml;
mod yaml;

use std::fs::File;
use std::io::{self, Read};

use zeroize::Zeroizing;

pub(crate) use self::app_configuration::reference_to;
pub(crate) use self::dotenv::variables as dotenv_variables;
pub(crate) use self::entry::{Entry, file_and_line, is_line_of_text, may_contain_reference, needs_check};
pub(crate) use self::env_file::{EnvVariable, env_file};
pub(crate) use self::format::{FileContents, Format};
pub(crate) use self::ini::ini_lines;
pub(crate) use self::json::{JsonEvent, JsonReader};
pub(crate) use self::problem::Problem;
pub(crate) use self::properties::properties;
pub(crate) use self::selection::matches;
pub(crate) use self::selection::{LEFT_ALONE, SelectionArguments};
pub(crate) use self::text::near_misses;

/// Reads a file, or standard input if `path` is `-`. A file that cannot be read is a problem.
pub(crate) fn read(path: &str, format: Option<Format>) -> FileContents {
    match read_text(path) {
        Ok(file) => format.unwrap_or_else(|| Format::of(path)).read(&file.text, &file.name),
        Err(problem) => FileContents { problems: vec![problem], ..FileContents::default() },
    }
}

/// The name of a file and its text.
pub(crate) struct TextFile {
    pub(crate) name: String,
    /// The text without a byte order mark.
    pub(crate) text: Zeroizing<String>,
    pub(crate) has_byte_order_mark: bool,
}

/// Reads a file as text, or standard input if `path` is `-`.
pub(crate) fn read_text(path: &str) -> Result<TextFile, Problem> {
    let name = if path == "-" { "standard input" } else { path }.to_owned();
    let problem = |message: String, code| Problem { origin: name.clone(), message, code };
    let mut bytes = read_bytes(path).map_err(|error| problem(error.to_string(), 1))?;
    if bytes.len() > MAX_LENGTH {
        return Err(problem("larger than 16 MiB".to_owned(), 2));
    }
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return Err(problem("UTF-16 text, which PowerShell writes: save it as UTF-8".to_owned(), 2));
    }
    let has_byte_order_mark = bytes.starts_with(BYTE_ORDER_MARK.as_bytes());
    if has_byte_order_mark {
        bytes.drain(..BYTE_ORDER_MARK.len());
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(TextFile { name, text: Zeroizing::new(text), has_byte_order_mark }),
        Err(error) => {
            let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let line = 1 + valid.iter().filter(|byte| **byte == b'\n').count();
            Err(Problem { origin: format!("{name}:{line}"), message: "not UTF-8 text".to_owned(), code: 2 })
        }
    }
}

pub(crate) const BYTE_ORDER_MARK: &str = "\u{feff}";

/// The length of the largest file that is parsed.
const MAX_LENGTH: usize = 16 << 20;

fn read_bytes(path: &str) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let limit = MAX_LENGTH as u64 + 1;
    if path == "-" {
        io::stdin().lock().take(limit).read_to_end(&mut bytes)?;
    } else {
        File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}
