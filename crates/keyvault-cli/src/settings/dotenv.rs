//! `.env`: `NAME=VALUE` lines.
//!
//! `export` may stand before a name. A value in single quotes is taken as it is, in double quotes `\n`, `\t`, `\"`, `\\`
//! and `\$` are read, and both may have several lines. Without quotes a value ends before ` #` or with its line. Nothing
//! is expanded.

use keyvault::Key;
use zeroize::Zeroizing;

use super::{Entries, Unreadable};

/// A variable of a file, its value, and the first and last line that it is written on.
pub(crate) struct Variable {
    pub(crate) name: String,
    pub(crate) value: Zeroizing<String>,
    pub(crate) first: usize,
    pub(crate) last: usize,
}

pub(super) fn read(entries: &mut Entries<'_>) -> Result<(), Unreadable> {
    for Variable { name, value, first, last } in variables(entries.text)? {
        entries.string(Key::root().member(&name), first, last, value.to_string());
    }
    Ok(())
}

/// Reads a file of variables; the line of what cannot be read and why.
pub(crate) fn parse(text: &str) -> Result<Vec<Variable>, (usize, &'static str)> {
    variables(text).map_err(|unread| (unread.line, unread.clause))
}

fn variables(text: &str) -> Result<Vec<Variable>, Unreadable> {
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
        let unread = |clause| Unreadable { line, clause };
        let at = here.find('=').ok_or_else(|| unread("not NAME=VALUE"))?;
        let name = here[..at].trim();
        let name = name.strip_prefix("export ").map_or(name, str::trim);
        if !is_name(name) {
            return Err(unread("not a name before ="));
        }
        let begun = rest[at + 1..].trim_start_matches([' ', '\t']);
        let (value, after) = match begun.chars().next() {
            Some(quote @ ('"' | '\'')) => {
                let (value, after) = quoted(&begun[1..], quote).ok_or_else(|| unread("quote is not closed"))?;
                let (remark, after) = after.split_once('\n').unwrap_or((after, ""));
                if !(remark.trim().is_empty() || remark.trim_start().starts_with('#')) {
                    return Err(unread("text after the closing quote"));
                }
                (value, after)
            }
            _ => (Zeroizing::new(bare(here[at + 1..].trim()).to_owned()), after),
        };
        let read = &rest[..rest.len() - after.len()];
        let last = line + read.trim_end_matches('\n').matches('\n').count();
        variables.push(Variable { name: name.to_owned(), value, first: line, last });
        line += read.matches('\n').count();
        rest = after;
    }
    Ok(variables)
}

fn is_name(name: &str) -> bool {
    let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    !name.is_empty() && name.chars().all(known) && !name.starts_with(|c: char| c.is_ascii_digit())
}

/// A value without quotes ends before a comment.
fn bare(value: &str) -> &str {
    if value.starts_with('#') {
        return "";
    }
    let comment = [" #", "\t#"].iter().filter_map(|mark| value.find(mark)).min();
    comment.map_or(value, |at| value[..at].trim_end())
}

/// Reads to the closing quote and gives what follows.
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
    fn values_are_read_as_shells_and_libraries_do() {
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
            let read = parse(text).unwrap_or_else(|error| panic!("{text}: {error:?}"));
            let [variable] = &read[..] else { panic!("{text}: {}", read.len()) };
            assert_eq!((variable.name.as_str(), variable.value.as_str()), (name, value), "{text}");
        }
        let lines: Vec<_> = parse("A='1\n2'\n\nB=3").unwrap().iter().map(|v| (v.first, v.last)).collect();
        assert_eq!(lines, [(1, 2), (4, 4)]);
    }
}
