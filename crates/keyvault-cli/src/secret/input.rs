//! What a user types, pipes or keeps in a file.

use std::io::{self, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// Reads a secret's value: from a file as it is, from a pipe or a prompt without the newline at its end.
///
/// There is no argument for it: command lines are seen by everybody on the machine and kept in histories.
pub(crate) fn value(file: Option<&PathBuf>) -> Result<String, Failure> {
    if let Some(path) = file {
        return text(std::fs::read(path).map_err(|error| Failure::of_file(path, error))?);
    }
    if io::stdin().is_terminal() {
        return Ok(rpassword::prompt_password("Value (is not shown): ")?);
    }
    let mut bytes = Vec::new();
    io::stdin().lock().read_to_end(&mut bytes)?;
    let mut value = text(bytes)?;
    if value.ends_with('\n') {
        value.pop();
        if value.ends_with('\r') {
            value.pop();
        }
    }
    Ok(value)
}

fn text(bytes: Vec<u8>) -> Result<String, Failure> {
    String::from_utf8(bytes).map_err(|_| Failure::usage("the value is not UTF-8 text; encode it, as base64 for example"))
}

/// Asks before something cannot be undone. Without a terminal there is nobody to ask.
pub(crate) fn confirm(question: &str, yes: bool) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    if !io::stdin().is_terminal() {
        return Err(Failure::usage("this needs --yes where nobody can be asked"));
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

/// Splits `name=value`.
pub(crate) fn tag(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("a tag is name=value")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// Reads a date: `2027-01-31`, `2027-01-31T12:00:00Z`.
pub(crate) fn date(text: &str) -> Result<std::time::SystemTime, String> {
    let whole = if text.len() == "2027-01-31".len() { format!("{text}T00:00:00Z") } else { text.to_owned() };
    humantime::parse_rfc3339_weak(&whole).map_err(|_| "a date is 2027-01-31 or 2027-01-31T12:00:00Z".to_owned())
}

/// Reads bytes from a file or a pipe.
pub(crate) fn bytes(file: Option<&Path>) -> Result<Vec<u8>, Failure> {
    match file {
        Some(path) => std::fs::read(path).map_err(|error| Failure::of_file(path, error)),
        None if io::stdin().is_terminal() => Err(Failure::usage("name a file, or pipe the backup in")),
        None => {
            let mut bytes = Vec::new();
            io::stdin().lock().read_to_end(&mut bytes)?;
            Ok(bytes)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_tags_are_read_or_explained() {
        for good in ["2027-01-31", "2027-01-31T12:00:00Z", "2027-01-31 12:00:00"] {
            assert!(date(good).is_ok(), "{good}");
        }
        for bad in ["tomorrow", "2027-13-01", ""] {
            assert!(date(bad).is_err(), "{bad}");
        }
        assert_eq!(tag("a=b=c"), Ok(("a".into(), "b=c".into())));
        assert!(tag("a").is_err());
    }
}
