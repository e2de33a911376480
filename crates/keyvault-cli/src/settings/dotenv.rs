//! `.env`: `NAME=VALUE` lines, and those of `docker --env-file` and compose.
//!
//! A name may follow `export`. Single quotes keep a value as it is; double quotes support the escapes `\n`, `\t`, `\r`,
//! `\"`, `\\`, `\$` and `` \` ``. A quoted value may span several lines. An unquoted value ends before ` #` or at the
//! end of its line. Variables are not expanded. `NAME: VALUE` is the same as `NAME=VALUE`, and a bare `NAME` passes a
//! variable on.

use std::ops::Range;

use keyvault::settings::Key;
use zeroize::Zeroizing;

use super::collector::EntryCollector;
use super::entry::{may_contain_reference, needs_check};
use super::problem::SyntaxError;

/// A variable and the lines that it spans.
pub(crate) struct Variable {
    pub(crate) name: String,
    /// The value. `None` for a bare name.
    pub(crate) value: Option<Zeroizing<String>>,
    /// The range of the value in the text, with its quotes.
    pub(crate) span: Range<usize>,
    pub(crate) first_line: usize,
    last_line: usize,
}

pub(super) fn parse(collector: &mut EntryCollector<'_>) -> Result<(), SyntaxError> {
    let (variables, errors) = variables(collector.text);
    for Variable { name, value, first_line, last_line, .. } in variables {
        let key = collector.member(&Key::root(), &name, first_line)?;
        match value {
            Some(value) => collector.string(key, first_line, last_line, value.to_string())?,
            None => collector.other(key, first_line)?,
        }
    }
    for error in errors {
        collector.skip(&error);
        // A line that cannot be parsed may have a reference all the same.
        if let Some(text) = collector.line_text(error.line).filter(|text| needs_check(text)) {
            let key = collector.member(&Key::root(), &format!("line {}", error.line), error.line)?;
            collector.string(key, error.line, error.line, text.trim().to_owned())?;
        }
    }
    Ok(())
}

/// Returns the variables of a file, and an error for each line that is none.
pub(crate) fn variables(text: &str) -> (Vec<Variable>, Vec<SyntaxError>) {
    let mut variables = Vec::new();
    let mut errors = Vec::new();
    let mut rest = text;
    let mut line = 1;
    while !rest.is_empty() {
        let (here, after) = rest.split_once('\n').unwrap_or((rest, ""));
        let content = here.trim();
        if content.is_empty() || content.starts_with('#') {
            (rest, line) = (after, line + 1);
            continue;
        }
        match variable(rest, line) {
            Ok((variable, after)) => {
                let offset = text.len() - rest.len();
                let span = variable.span.start + offset..variable.span.end + offset;
                variables.push(Variable { span, ..variable });
                line += rest[..rest.len() - after.len()].matches('\n').count();
                rest = after;
            }
            Err(message) => {
                errors.push(SyntaxError { line, message });
                (rest, line) = (after, line + 1);
            }
        }
    }
    (variables, errors)
}

/// Parses the variable that `text` starts with, and returns it with the rest of `text`.
fn variable(text: &str, line: usize) -> Result<(Variable, &str), &'static str> {
    let (here, next_lines) = text.split_once('\n').unwrap_or((text, ""));
    let separator = separator(here);
    let name = here[..separator.unwrap_or(here.len())].trim();
    let name = name.strip_prefix("export ").map_or(name, str::trim);
    if !is_name(name) {
        return Err(if separator.is_some() { "invalid name before = or :" } else { "expected NAME=VALUE" });
    }
    let name = name.to_owned();
    let Some(separator) = separator else {
        let span = here.len()..here.len();
        return Ok((Variable { name, value: None, span, first_line: line, last_line: line }, next_lines));
    };
    let start = text[separator + 1..].trim_start_matches([' ', '\t']);
    let from = text.len() - start.len();
    let (value, to, rest) = match start.chars().next() {
        Some(quote @ ('"' | '\'')) => {
            let (value, after) = quoted_value(&start[1..], quote)?;
            (value, text.len() - after.len(), after.split_once('\n').map_or("", |(_, rest)| rest))
        }
        _ => {
            let value = unquoted(here[separator + 1..].trim());
            let from = from.min(here.len());
            (Zeroizing::new(value.to_owned()), from + value.len(), next_lines)
        }
    };
    let parsed = &text[..text.len() - rest.len()];
    let last_line = line + parsed.trim_end_matches('\n').matches('\n').count();
    Ok((Variable { name, value: Some(value), span: from.min(to)..to, first_line: line, last_line }, rest))
}

/// Returns the position of the `=`, or of the `:` in `NAME: VALUE`. A name may contain a colon.
fn separator(line: &str) -> Option<usize> {
    let equals = line.find('=').filter(|at| !may_contain_reference(&line[..*at]));
    let before = &line[..equals.unwrap_or(line.len())];
    let is_end = |at: &usize| before[*at + 1..].chars().next().is_none_or(|c| c == ' ' || c == '\t');
    let spaced = before.match_indices(':').map(|(at, _)| at).find(is_end);
    match (equals, spaced) {
        (Some(_), Some(colon)) if !before[colon + 1..].trim().is_empty() => Some(colon),
        (Some(equals), _) => Some(equals),
        (None, Some(colon)) => Some(colon),
        (None, None) => before.find(':'),
    }
}

fn is_name(name: &str) -> bool {
    let is_excluded =
        |c: char| c.is_whitespace() || c.is_control() || matches!(c, '=' | '"' | '\'' | '`' | '\\' | '@' | '#' | '$');
    !name.is_empty() && !name.contains(is_excluded)
}

/// Returns the value before its closing quote, and the text after the quote.
fn quoted_value(text: &str, quote: char) -> Result<(Zeroizing<String>, &str), &'static str> {
    let is_over = |after: &str| {
        let comment = after.lines().next().unwrap_or_default().trim();
        comment.is_empty() || comment.starts_with('#')
    };
    let (value, after) = quoted(text, quote, quote == '"').ok_or("quote is not closed")?;
    if is_over(after) {
        return Ok((value, after));
    }
    // Compose escapes a single quote in single quotes: 'it\'s'.
    let escaped = (quote == '\'').then(|| quoted(text, quote, true)).flatten();
    let escaped = escaped.filter(|(_, after)| is_over(after));
    escaped.ok_or("text after the closing quote")
}

/// Cuts off a comment.
fn unquoted(value: &str) -> &str {
    if value.starts_with('#') {
        return "";
    }
    let comment = [" #", "\t#"].iter().filter_map(|mark| value.find(mark)).min();
    comment.map_or(value, |at| value[..at].trim_end())
}

/// Parses up to the closing quote and returns the value with the rest. `None` if no quote closes it.
fn quoted(text: &str, quote: char, has_escapes: bool) -> Option<(Zeroizing<String>, &str)> {
    let mut value = Zeroizing::new(String::with_capacity(text.find(quote)?));
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            _ if c == quote => return Some((value, &text[at + c.len_utf8()..])),
            '\\' if has_escapes => match (chars.next()?.1, quote) {
                ('n', '"') => value.push('\n'),
                ('r', '"') => value.push('\r'),
                ('t', '"') => value.push('\t'),
                (c @ ('"' | '\\' | '$' | '`'), '"') | (c @ '\'', '\'') => value.push(c),
                (c, _) => value.extend(['\\', c]),
            },
            _ => value.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_parsed_as_shells_and_libraries_do() {
        for (text, name, value) in [
            ("A=b", "A", "b"),
            ("A = b c ", "A", "b c"),
            ("export A=b\r\n", "A", "b"),
            ("A=", "A", ""),
            ("A=b#c # d", "A", "b#c"),
            ("A=# d", "A", ""),
            ("A='b # c' # d", "A", "b # c"),
            ("A=\"b\\n\\\"c\\\"\\x\"", "A", "b\n\"c\"\\x"),
            ("A=\"\\`b\\$\"", "A", "`b$"),
            ("A='b\\n'", "A", "b\\n"),
            ("A='b\nc'\n", "A", "b\nc"),
            ("A=b=c", "A", "b=c"),
            ("A=ü🔑", "A", "ü🔑"),
            ("a.b-c=d", "a.b-c", "d"),
            ("A: b", "A", "b"),
            ("A : b=c", "A", "b=c"),
            ("A:b", "A", "b"),
            ("A: 'b c'", "A", "b c"),
            ("A:@KeyVault(SecretName=b)", "A", "@KeyVault(SecretName=b)"),
            ("A: @KeyVault(SecretName=b)", "A", "@KeyVault(SecretName=b)"),
            ("Logging:Level:Default=x: y", "Logging:Level:Default", "x: y"),
            ("1A=b", "1A", "b"),
            ("A=\\\"b\\\"", "A", "\\\"b\\\""),
            ("A='it\\'s'", "A", "it's"),
            ("A='C:\\'", "A", "C:\\"),
        ] {
            let (parsed, errors) = variables(text);
            assert!(errors.is_empty(), "{text}: {errors:?}");
            let [variable] = &parsed[..] else { panic!("{text}: {}", parsed.len()) };
            let found = variable.value.as_ref().map(|value| value.as_str());
            assert_eq!((variable.name.as_str(), found), (name, Some(value)), "{text}");
        }
        let lines: Vec<_> = variables("A='1\n2'\n\nB=3").0.iter().map(|v| (v.first_line, v.last_line)).collect();
        assert_eq!(lines, [(1, 2), (4, 4)]);
    }

    #[test]
    fn a_bad_line_does_not_hide_the_others() {
        let (variables, errors) = variables("A=1\nno name here=x\nB='open\nBARE\nC=2\n D = \"a\nb\" # x\nE=3");
        let found: Vec<_> = variables.iter().map(|v| (v.name.as_str(), v.value.as_ref().map(|v| v.as_str()))).collect();
        assert_eq!(found, [("A", Some("1")), ("BARE", None), ("C", Some("2")), ("D", Some("a\nb")), ("E", Some("3"))]);
        assert_eq!(errors.iter().map(|error| error.line).collect::<Vec<_>>(), [2, 3]);
        assert_eq!(variables.iter().map(|variable| variable.first_line).collect::<Vec<_>>(), [1, 4, 5, 6, 8]);
    }

    #[test]
    fn the_span_of_a_value_includes_its_quotes() {
        let text = "A=1 # x\nB = 'b c' # x\nC=\"1\n2\"\nD=\nE: 5";
        let spans: Vec<&str> = variables(text).0.iter().map(|variable| &text[variable.span.clone()]).collect();
        assert_eq!(spans, ["1", "'b c'", "\"1\n2\"", "", "5"]);
    }
}
