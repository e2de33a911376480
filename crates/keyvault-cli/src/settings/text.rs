//! Any other text: each reference in it is a value, with its line as the key.

use std::ops::Range;

use keyvault::settings::Key;
use keyvault::{Error, Template};

use super::collector::EntryCollector;
use super::expression::{Expressions, floor_char_boundary};
use super::format::FileContents;
use super::problem::{Problem, SyntaxError};

/// Finds the references of a text, and what was meant to be one. A reference that contains an expression is only
/// checked for its syntax.
pub(super) fn read(text: &str, file: &str, expressions: Option<Expressions>) -> FileContents {
    let substituted = expressions.map(|expressions| expressions.substitute(text));
    let text = substituted.as_ref().map_or(text, |substituted| &substituted.text);
    let mut collector = EntryCollector::new(text, file);
    let mut lines = Vec::new();
    let outcome = Template::scan(text).into_iter().try_for_each(|(range, reference)| {
        let line = collector.line(range.start);
        let is_unknown = substituted.as_ref().is_some_and(|substituted| match &reference {
            Ok(_) => substituted.is_in(&range),
            Err(_) => is_completed_by_code(text, &range),
        });
        if is_unknown {
            lines.push(line);
            return Ok(());
        }
        let key = collector.member(&Key::root(), &format!("line {line}"), line)?;
        collector.string(key, line, line, text[range].to_owned())
    });
    let mut problems = near_misses(text, file);
    problems.extend(outcome.err().map(|error: SyntaxError| error.in_file(file)));
    let notes = note(file, &lines).into_iter().collect();
    FileContents { entries: collector.entries, problems, notes }
}

/// Returns a problem for each part of a text that was meant to be a reference and is not one.
pub(crate) fn near_misses(text: &str, file: &str) -> Vec<Problem> {
    let lines = EntryCollector::new(text, file);
    let problem = |(range, error): (Range<usize>, Error)| Problem {
        origin: format!("{file}:{}", lines.line(range.start)),
        message: error.advice().map_or_else(|| error.to_string(), |advice| format!("{error}: {advice}")),
        code: 2,
    };
    Template::near_misses(text).into_iter().take(MAX_NEAR_MISSES).map(problem).collect()
}

/// More than a person reads.
const MAX_NEAR_MISSES: usize = 1_000;

/// Returns whether code adds the rest of a malformed reference: `concat('@KeyVault(SecretUri=', uri, ')')`,
/// `'@KeyVault(SecretUri=' + uri`, `format('@KeyVault(SecretUri={0})', uri)`.
fn is_completed_by_code(text: &str, range: &Range<usize>) -> bool {
    let reference = &text[range.clone()];
    let before = &text[floor_char_boundary(text, range.start.saturating_sub(MAX_STRING))..range.start];
    let is_placeholder = |(at, sign): (usize, &str)| {
        let rest = &reference[at + sign.len()..];
        let after = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        let is_verb = || {
            let mut chars = rest.chars();
            matches!(chars.next(), Some('s' | 'v')) && !chars.next().is_some_and(char::is_alphanumeric)
        };
        if sign == "{" { after.starts_with('}') && after.len() < rest.len() } else { is_verb() }
    };
    if ["{", "%"].into_iter().any(|sign| reference.match_indices(sign).any(is_placeholder)) {
        return true;
    }
    // The quote that the string begins with also ends it.
    let Some(start) = before.rfind(['"', '\'']) else { return false };
    let quote = &before[start..=start];
    let Some((part, after)) = reference.split_once(quote) else { return false };
    let after = after.trim_start();
    let is_argument = before[..start].trim_end().ends_with(['(', '[', ',']) && after.starts_with(',');
    !part.ends_with('\\') && (is_argument || after.starts_with('+'))
}

/// The length of the longest string before a reference.
const MAX_STRING: usize = 512;

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

#[cfg(test)]
mod tests {
    use super::*;

    /// What happens to a reference.
    #[derive(Debug, Eq, PartialEq)]
    enum Outcome {
        Entry,
        Problem,
        Note,
    }

    fn outcomes(text: &str, expressions: Option<Expressions>) -> Vec<Outcome> {
        let contents = read(text, "f", expressions);
        let entries = contents.entries.iter().map(|_| Outcome::Entry);
        let problems = contents.problems.iter().map(|_| Outcome::Problem);
        entries.chain(problems).chain(contents.notes.iter().map(|_| Outcome::Note)).collect()
    }

    #[test]
    fn code_around_a_malformed_reference_does_not_hide_it() {
        let bicep = Expressions::of_file("main.bicep");
        let cases = [
            ("var a = concat('@KeyVault(SecretUri=', uri, ')')", Outcome::Note),
            ("var a = concat(\n  '@KeyVault(SecretUri=',\n  uri,\n  ')')", Outcome::Note),
            ("var a = format('@KeyVault(SecretUri={0})', uri)", Outcome::Note),
            ("a = format(\"@KeyVault(SecretUri=%s)\", uri)", Outcome::Note),
            ("a = join(\"\", [\"x=@KeyVault(VaultName=\", vault, \";SecretName=db)\"])", Outcome::Note),
            ("a = '@KeyVault(SecretUri=' + uri + ')'", Outcome::Note),
            ("a = '@KeyVault(SecretName=db'\nb = concat('x', ')')", Outcome::Entry),
            ("{\"a\": \"@KeyVault(SecretName=db\", \"b\": \"c)\"}", Outcome::Entry),
            ("a = \"@KeyVault(SecretName='db')\"", Outcome::Entry),
            ("a = \"@KeyVault(SecretName=\\\"db\\\", x)\"", Outcome::Entry),
            ("a = '@KeyVault(SecretName=%secret%)'", Outcome::Entry),
            ("a = '@KeyVault(SecretName=db'", Outcome::Entry),
            ("a = '@KeyVaults(SecretName=db)'", Outcome::Problem),
            ("a = 'KeyVault(SecretName=${x})'", Outcome::Problem),
        ];
        for (text, outcome) in cases {
            assert_eq!(outcomes(text, bicep), [outcome], "{text}");
        }
    }
}
