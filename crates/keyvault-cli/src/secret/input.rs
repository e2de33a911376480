//! Values, dates and confirmations from a file, a pipe or a prompt.

use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::path::Path;
use std::time::SystemTime;

use crate::failure::Failure;

/// Reads the value of a secret: a file as it is, a pipe or a prompt without a final newline.
///
/// # Errors
///
/// The value of a file or a pipe is empty, too large or not UTF-8. Only a prompt accepts an empty value, because a
/// pipe is also empty if the command before it failed.
pub(super) fn value(file: Option<&Path>) -> Result<String, Failure> {
    if let Some(path) = file {
        let bytes = File::open(path).and_then(|file| limited(file, MAX_VALUE, VALUE_TOO_LARGE));
        let value = utf8(bytes.map_err(|error| Failure::of_file(path, error))?)?;
        return not_empty(value, &path.display().to_string());
    }
    if io::stdin().is_terminal() {
        return Ok(rpassword::prompt_password("Value (hidden): ")?);
    }
    let mut value = utf8(limited(io::stdin().lock(), MAX_VALUE, VALUE_TOO_LARGE)?)?;
    if value.ends_with('\n') {
        value.pop();
        if value.ends_with('\r') {
            value.pop();
        }
    }
    not_empty(value, "standard input")
}

fn not_empty(value: String, source: &str) -> Result<String, Failure> {
    if value.is_empty() {
        return Err(Failure::usage(format!("the value from {source} is empty; nothing was stored")));
    }
    Ok(value)
}

/// Reads a backup from a file or a pipe.
pub(super) fn backup(file: Option<&Path>) -> Result<Vec<u8>, Failure> {
    match file {
        Some(path) => {
            let bytes = File::open(path).and_then(|file| limited(file, MAX_BACKUP, BACKUP_TOO_LARGE));
            bytes.map_err(|error| Failure::of_file(path, error))
        }
        None if io::stdin().is_terminal() => {
            Err(Failure::usage("standard input is a terminal: name the backup file, or use a pipe"))
        }
        None => Ok(limited(io::stdin().lock(), MAX_BACKUP, BACKUP_TOO_LARGE)?),
    }
}

/// Reads to the end. Fails with `problem` for an input that no vault accepts, such as a device without an end.
fn limited(from: impl Read, limit: u64, problem: &'static str) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, problem));
    }
    Ok(bytes)
}

/// A generous limit, because the vault decides.
const MAX_VALUE: u64 = 1 << 20;
const VALUE_TOO_LARGE: &str =
    "the input has more than 1 MiB; a vault accepts values of at most 25 KB (25,600 characters)";
const MAX_BACKUP: u64 = 64 << 20;
const BACKUP_TOO_LARGE: &str = "the input has more than 64 MiB; the backup of a secret is smaller";

fn utf8(bytes: Vec<u8>) -> Result<String, Failure> {
    String::from_utf8(bytes)
        .map_err(|_| Failure::usage("the value is not UTF-8 text; encode it first, for example as base64"))
}

/// Asks for confirmation unless `yes` is set.
///
/// # Errors
///
/// The user declines, or standard input is no terminal.
pub(super) fn confirm(question: &str, yes: bool) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    if !io::stdin().is_terminal() {
        return Err(Failure::usage("cannot ask for confirmation without a terminal: pass --yes"));
    }
    let mut err = io::stderr().lock();
    write!(err, "{question} [y/N] ")?;
    err.flush()?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    match answer.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(Failure::usage("nothing was changed")),
    }
}

/// Parses `name=value`.
pub(super) fn tag(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// Parses `2027-01-31` or `2027-01-31T12:00:00Z`.
pub(super) fn date(text: &str) -> Result<SystemTime, String> {
    let timestamp = if text.len() == "2027-01-31".len() { format!("{text}T00:00:00Z") } else { text.to_owned() };
    humantime::parse_rfc3339_weak(&timestamp).map_err(|_| "expected 2027-01-31 or 2027-01-31T12:00:00Z".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_tags_are_parsed_or_refused() {
        for valid in ["2027-01-31", "2027-01-31T12:00:00Z", "2027-01-31 12:00:00"] {
            assert!(date(valid).is_ok(), "{valid}");
        }
        for invalid in ["tomorrow", "2027-13-01", ""] {
            assert!(date(invalid).is_err(), "{invalid}");
        }
        assert_eq!(tag("a=b=c"), Ok(("a".into(), "b=c".into())));
        assert!(tag("a").is_err());
    }
}
