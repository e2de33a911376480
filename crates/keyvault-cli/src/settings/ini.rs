//! INI: sections, and `name = value` or `name: value` lines. A comment needs a line of its own.

use std::ops::Range;

use keyvault::settings::Key;

use super::collector::EntryCollector;
use super::entry::may_contain_reference;
use super::problem::SyntaxError;

pub(super) fn parse(collector: &mut EntryCollector<'_>) -> Result<(), SyntaxError> {
    let mut section = Key::root();
    for (index, line) in collector.text.lines().enumerate() {
        let number = index + 1;
        let line = line.trim();
        if line.is_empty() || line.starts_with([';', '#']) {
            continue;
        }
        if let Some(rest) = line.strip_prefix('[') {
            let name = rest.strip_suffix(']');
            let name = name.ok_or(SyntaxError { line: number, message: "section without ]" })?;
            section = collector.path(&Key::root(), name.split('.').map(str::trim), number)?;
            continue;
        }
        match line.find(['=', ':']) {
            // The = or : of a reference does not end a name.
            Some(at) if !may_contain_reference(&line[..at]) => {
                let key = collector.path(&section, line[..at].split('.').map(str::trim), number)?;
                collector.string(key, number, number, unquoted(line[at + 1..].trim()).to_owned())?;
            }
            _ if may_contain_reference(line) => {
                let key = collector.member(&section, &format!("line {number}"), number)?;
                collector.string(key, number, number, line.to_owned())?;
            }
            _ => {
                let key = collector.path(&section, line.split('.').map(str::trim), number)?;
                collector.other(key, number)?;
            }
        }
    }
    Ok(())
}

/// Returns the path of each name, its value, and the range of the value in the text, or the first line that is invalid.
pub(crate) fn ini_lines(text: &str) -> Result<Vec<(String, String, Range<usize>)>, usize> {
    let mut lines = Vec::new();
    let mut section = "";
    let mut offset = 0;
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let start = offset;
        offset += line.len();
        let content = line.trim();
        if content.is_empty() || content.starts_with([';', '#']) {
            continue;
        }
        if let Some(rest) = content.strip_prefix('[') {
            section = rest.strip_suffix(']').ok_or(index + 1)?;
            continue;
        }
        let Some(at) = line.find(['=', ':']) else {
            lines.push((format!("[{section}]{content}"), String::new(), start..start));
            continue;
        };
        let value = line[at + 1..].trim();
        let from = start + line.len() - line[at + 1..].trim_start().len();
        let name = format!("[{section}]{}", line[..at].trim());
        lines.push((name, unquoted(value).to_owned(), from..from + value.len()));
    }
    Ok(lines)
}

/// Removes the quotes around a value.
fn unquoted(value: &str) -> &str {
    let within = |quote| value.strip_prefix(quote)?.strip_suffix(quote);
    within('"').or_else(|| within('\'')).unwrap_or(value)
}
