//! Annotations: workflow commands of GitHub Actions that show a message on its line in a pull request.

use std::env;
use std::fs;
use std::path::{MAIN_SEPARATOR_STR, Path};

use keyvault::report::ReportRow;

use crate::settings::{Problem, file_and_line};
use crate::terminal::printable;

/// Formats a workflow command for each failed reference, each problem and each note, one a line.
pub(super) fn annotations(rows: &[ReportRow], problems: &[Problem], notes: &[Problem]) -> String {
    let workspace = env::var_os("GITHUB_WORKSPACE").and_then(|path| fs::canonicalize(path).ok());
    let annotation = |level, origin: &str, message: &str| annotation(level, origin, message, workspace.as_deref());
    let failed = rows.iter().filter(|row| row.is_failed());
    let failed = failed.map(|row| annotation("error", &row.origin, &row_message(row)));
    let problems = problems.iter().map(|problem| annotation("error", &problem.origin, &problem.message));
    let notes = notes.iter().map(|note| annotation("notice", &note.origin, &note.message));
    problems.chain(failed).chain(notes).collect()
}

fn row_message(row: &ReportRow) -> String {
    let mut message = row.setting.clone();
    if let (Some(secret), Some(vault)) = (&row.secret, &row.vault) {
        message.push_str(&format!(": {secret} in {vault}"));
    }
    message.push_str(&format!(": {}", row.status));
    if let Some(detail) = &row.detail {
        message.push_str(&format!(": {detail}"));
    }
    if let Some(advice) = &row.advice {
        message.push_str(&format!("; help: {advice}"));
    }
    message
}

/// Formats one workflow command. An origin that is no file, such as a variable or a key-value, begins the message.
fn annotation(level: &str, origin: &str, message: &str, workspace: Option<&Path>) -> String {
    let place = file_and_line(origin).filter(|(file, _)| *file != STANDARD_INPUT);
    let (properties, message) = match place {
        Some((file, line)) => {
            let file = escaped_property(&path_in_repository(file, workspace));
            (["file=", &file, ",line=", line, ","].concat(), printable(message))
        }
        None => (String::new(), printable(&format!("{origin}: {message}"))),
    };
    format!("::{level} {properties}title=Key Vault reference::{}\n", escaped(&message))
}

/// Returns the path that GitHub expects: relative to the workspace, with slashes. A file outside keeps its path.
fn path_in_repository(file: &str, workspace: Option<&Path>) -> String {
    let relative = workspace.and_then(|workspace| {
        let path = fs::canonicalize(file).ok()?;
        path.strip_prefix(workspace).ok()?.to_str().map(str::to_owned)
    });
    relative.as_deref().unwrap_or(file).replace(MAIN_SEPARATOR_STR, "/")
}

const STANDARD_INPUT: &str = "standard input";

/// Escapes text for the message of a command. A line break would end the command and could begin another one.
fn escaped(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// Escapes text for a property of a command.
fn escaped_property(text: &str) -> String {
    escaped(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_in_a_file_becomes_properties() {
        for (origin, message, expected) in [
            ("a.toml:3", "bad", "::error file=a.toml,line=3,title=Key Vault reference::bad\n"),
            ("a, b:c.toml:3", "bad", "::error file=a%2C b%3Ac.toml,line=3,title=Key Vault reference::bad\n"),
            ("a.toml", "missing", "::error title=Key Vault reference::a.toml: missing\n"),
            ("standard input:3", "bad", "::error title=Key Vault reference::standard input:3: bad\n"),
            ("App Configuration key a:3", "bad", "::error title=Key Vault reference::App Configuration key a:3: bad\n"),
            ("variable A", "100 % bad", "::error title=Key Vault reference::variable A: 100 %25 bad\n"),
        ] {
            assert_eq!(annotation("error", origin, message, None), expected, "{origin}");
        }
    }

    #[test]
    fn text_of_a_file_cannot_begin_another_command() {
        for (text, file, message) in [
            ("a\n::add-mask::b", "a%0A%3A%3Aadd-mask%3A%3Ab", "a\u{fffd}::add-mask::b"),
            ("a\r::notice::b", "a%0D%3A%3Anotice%3A%3Ab", "a\u{fffd}::notice::b"),
            ("a%0A::notice::b", "a%250A%3A%3Anotice%3A%3Ab", "a%250A::notice::b"),
        ] {
            let expected = format!("::error file={file},line=1,title=Key Vault reference::{message}\n");
            assert_eq!(annotation("error", &format!("{text}:1"), text, None), expected, "{text:?}");
        }
    }
}
