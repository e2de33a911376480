//! Any other text: each reference in it is a value, with its line as the key.

use keyvault::Template;
use keyvault::settings::Key;

use super::collector::EntryCollector;
use super::expression::Expressions;
use super::format::FileContents;
use super::problem::{Problem, SyntaxError};

/// Finds the references of a text. One that contains an expression is only checked for its syntax.
pub(super) fn read(text: &str, file: &str, expressions: Option<Expressions>) -> FileContents {
    let substituted = expressions.map(|expressions| expressions.substitute(text));
    let text = substituted.as_ref().map_or(text, |substituted| &substituted.text);
    let mut collector = EntryCollector::new(text, file);
    let mut lines = Vec::new();
    let outcome = Template::scan(text).into_iter().try_for_each(|(range, reference)| {
        let line = collector.line(range.start);
        let is_unknown = substituted.as_ref().is_some_and(|substituted| match &reference {
            Ok(_) => substituted.is_in(&range),
            Err(_) => is_completed_by_code(&text[range.clone()]),
        });
        if is_unknown {
            lines.push(line);
            return Ok(());
        }
        let key = collector.member(&Key::root(), &format!("line {line}"), line)?;
        collector.string(key, line, line, text[range].to_owned())
    });
    let mut contents = FileContents { entries: collector.entries, ..FileContents::default() };
    contents.problems.extend(outcome.err().map(|error: SyntaxError| error.in_file(file)));
    contents.notes.extend(note(file, &lines));
    contents
}

/// Returns whether code adds the rest of a reference: `concat('@KeyVault(SecretUri=', uri, ')')`, `format('…={0})',
/// uri)`.
fn is_completed_by_code(reference: &str) -> bool {
    let is_argument = |(at, _): (usize, &str)| {
        let rest = reference[at + 1..].trim_start_matches(|c: char| c.is_ascii_digit());
        rest.starts_with('}') && rest.len() < reference.len() - at - 1
    };
    reference.contains(['\'', '"']) || reference.match_indices('{').any(is_argument)
}

/// Lists the lines with references that a deployment completes.
pub(super) fn note(file: &str, lines: &[usize]) -> Option<Problem> {
    let first = lines.first()?;
    let shown: Vec<String> = lines.iter().take(10).map(ToString::to_string).collect();
    let more = if lines.len() > shown.len() { ", …" } else { "" };
    let message = format!(
        "references that contain an expression are checked for their syntax only (line {}{more})",
        shown.join(", ")
    );
    Some(Problem { origin: format!("{file}:{first}"), message, code: 0 })
}
