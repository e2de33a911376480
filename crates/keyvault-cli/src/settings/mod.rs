//! Settings files: their values, and the file and line of each.
//!
//! In reading order: `entry` is one value and its origin. `format` selects a parser by the file name. The parsers
//! (`toml`, `json`, `yaml`, `ini`, `dotenv` and `text`) pass the values that they find to a `collector`. `problem`
//! describes a file that cannot be read, and never quotes it.

mod collector;
mod dotenv;
mod entry;
mod format;
mod ini;
mod json;
mod problem;
mod text;
mod toml;
mod yaml;

use std::io::{self, Read};

use zeroize::Zeroizing;

pub(crate) use self::dotenv::variables as dotenv_variables;
pub(crate) use self::entry::{Entry, may_contain_reference};
pub(crate) use self::format::Format;
pub(crate) use self::problem::Problem;

/// Returns every value in a file, or in standard input if `path` is `-`.
pub(crate) fn read(path: &str, format: Option<Format>) -> Result<Vec<Entry>, Problem> {
    let (file, text) = read_text(path)?;
    let parsed = format.unwrap_or_else(|| Format::of(path)).parse(&text, &file);
    parsed.map_err(|error| error.in_file(&file))
}

/// Returns the name and the text of a file, or of standard input if `path` is `-`.
pub(crate) fn read_text(path: &str) -> Result<(String, Zeroizing<String>), Problem> {
    let file = if path == "-" { "standard input" } else { path }.to_owned();
    let bytes =
        read_bytes(path).map_err(|error| Problem { origin: file.clone(), message: error.to_string(), code: 1 })?;
    let bytes = match bytes.strip_prefix(BYTE_ORDER_MARK) {
        Some(bytes) => bytes.to_vec(),
        None => bytes,
    };
    match String::from_utf8(bytes) {
        Ok(text) => Ok((file, Zeroizing::new(text))),
        Err(error) => {
            let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let line = 1 + valid.iter().filter(|byte| **byte == b'\n').count();
            Err(Problem { origin: format!("{file}:{line}"), message: "not UTF-8 text".to_owned(), code: 2 })
        }
    }
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

fn read_bytes(path: &str) -> io::Result<Vec<u8>> {
    if path != "-" {
        return std::fs::read(path);
    }
    let mut bytes = Vec::new();
    io::stdin().lock().read_to_end(&mut bytes)?;
    Ok(bytes)
}
