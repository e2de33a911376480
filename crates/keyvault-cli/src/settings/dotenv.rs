//! `.env`: `NAME=VALUE` lines.
//!
//! A name may follow `export`. Single quotes keep a value as it is; double quotes support the escapes `\n`, `\t`, `\r`,
//! `\"`, `\\` and `\$`. A quoted value may span several lines. An unquoted value ends before ` #` or at the end of its
//! line. Variables are not expanded.

use keyvault::settings::Key;
use zeroize::Zeroizing;

use super::collector::EntryCollector;
use super::problem::SyntaxError;

/// A variable and the lines that it spans.
pub(crate) struct Variable {
    pub(crate) name: String,
    pub(crate) value: Zeroizing<String>,
    pub(crate) first_line: usize,
    last_line: usize,
}

pub(super) fn parse(collector: &mut EntryCollector<'_>) -> Result<(), SyntaxError> {
    for Variable { name, value, first_line, last_line } in variables(collector.text)? {
        collector.string(Key::root().member(&name), first_line, last_line, value.to_string());
    }
    Ok(())
}

/// Returns the variables of a file.
pub(crate) fn variables(text: &str) -> Result<Vec<Variable>, SyntaxError> {
    let mut variables = Vec::new();
    let mut rest = text;
    let mut line = 1;
    while !rest.is_empty() {
        let (here, after) = rest.split_once('\n').unwrap_or((rest, ""));
        let content = here.trim();
        if content.is_empty() || content.starts_with('#') {
            (rest, line) = (after, line + 1);
            continue;
        }
        let (variable, after) = variable(rest, line).map_err(|message| SyntaxError { line, message })?;
        variables.push(variable);
        line += rest[..rest.len() - after.len()].matches('\n').count();
        rest = after;
    }
    Ok(variables)
}

/// Parses the variable that `text` starts with, and returns it with the rest of `text`.
fn variable(text: &str, line: usize) -> Result<(Variable, &str), &'static str> {
    let (here, next_lines) = text.split_once('\n').unwrap_or((text, ""));
    let equals = here.find('=').ok_or("expected NAME=VALUE")?;
    let name = here[..equals].trim();
    let name = name.strip_prefix("export ").map_or(name, str::trim);
    if !is_name(name) {
        return Err("invalid name before =");
    }
    let start = text[equals + 1..].trim_start_matches([' ', '\t']);
    let (value, rest) = match start.chars().next() {
        Some(quote @ ('"' | '\'')) => {
            let (value, rest) = quoted(&start[1..], quote).ok_or("quote is not closed")?;
            let (comment, rest) = rest.split_once('\n').unwrap_or((rest, ""));
            if !(comment.trim().is_empty() || comment.trim_start().starts_with('#')) {
                return Err("text after the closing quote");
            }
            (value, rest)
        }
        _ => (Zeroizing::new(unquoted(here[equals + 1..].trim()).to_owned()), next_lines),
    };
    let parsed = &text[..text.len() - rest.len()];
    let last_line = line + parsed.trim_end_matches('\n').matches('\n').count();
    Ok((Variable { name: name.to_owned(), value, first_line: line, last_line }, rest))
}

fn is_name(name: &str) -> bool {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    !name.is_empty() && name.chars().all(is_allowed) && !name.starts_with(|c: char| c.is_ascii_digit())
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
fn quoted(text: &str, quote: char) -> Option<(Zeroizing<String>, &str)> {
    let mut value = Zeroizing::new(String::with_capacity(text.find(quote)?));
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            _ if c == quote => return Some((value, &text[at + c.len_utf8()..])),
            '\\' if quote == '"' => match chars.next()?.1 {
                'n' => value.push('\n'),
                'r' => value.push('\r'),
                't' => value.push('\t'),
                c @ ('"' | '\\' | '$') => value.push(c),
                c => value.extend(['\\', c]),
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
            ("A='b\\n'", "A", "b\\n"),
            ("A='b\nc'\n", "A", "b\nc"),
            ("A=b=c", "A", "b=c"),
            ("A=ü🔑", "A", "ü🔑"),
            ("a.b-c=d", "a.b-c", "d"),
        ] {
            let parsed = variables(text).unwrap_or_else(|error| panic!("{text}: {error:?}"));
            let [variable] = &parsed[..] else { panic!("{text}: {}", parsed.len()) };
            assert_eq!((variable.name.as_str(), variable.value.as_str()), (name, value), "{text}");
        }
        let lines: Vec<_> = variables("A='1\n2'\n\nB=3").unwrap().iter().map(|v| (v.first_line, v.last_line)).collect();
        assert_eq!(lines, [(1, 2), (4, 4)]);
    }
}
