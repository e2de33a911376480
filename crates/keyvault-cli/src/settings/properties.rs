//! `.properties` of Java: `name=value` or `name: value` lines with escapes, which may continue on the next line.

use std::ops::Range;

use keyvault::settings::Key;
use zeroize::Zeroizing;

use super::collector::EntryCollector;
use super::entry::may_contain_reference;
use super::problem::SyntaxError;

/// A property and the range of its value in the text.
pub(crate) struct Property {
    pub(crate) name: String,
    pub(crate) value: Zeroizing<String>,
    pub(crate) span: Range<usize>,
}

pub(super) fn parse(collector: &mut EntryCollector<'_>) -> Result<(), SyntaxError> {
    for Property { name, value, span } in properties(collector.text) {
        let (first, last) = (collector.line(span.start), collector.line(span.end));
        let key = collector.path(&Key::root(), name.split('.'), first)?;
        collector.string(key, first, last, value.to_string())?;
    }
    Ok(())
}

/// Returns the properties of a file. Every text has some meaning.
pub(crate) fn properties(text: &str) -> Vec<Property> {
    let mut properties = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let line_end = |from: usize| text[from..].find(['\n', '\r']).map_or(text.len(), |length| from + length);
        let start = at + (text.len() - at - text[at..].trim_start_matches([' ', '\t', '\u{c}', '\n', '\r']).len());
        if text[start..].starts_with(['#', '!']) {
            at = line_end(start);
            continue;
        }
        let end = logical_end(text, start);
        if start < end {
            properties.push(property(text, start, end));
        }
        at = end + 1;
    }
    properties
}

/// Returns the end of the line at `start`, which a backslash before its end continues.
fn logical_end(text: &str, start: usize) -> usize {
    let bytes = text.as_bytes();
    let mut at = start;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\\' if bytes.get(at + 1) == Some(&b'\r') && bytes.get(at + 2) == Some(&b'\n') => at += 3,
            b'\\' => at += 2,
            b'\n' | b'\r' => return at,
            _ => at += 1,
        }
    }
    bytes.len()
}

fn property(text: &str, start: usize, end: usize) -> Property {
    let bytes = text.as_bytes();
    let mut name_end = start;
    while name_end < end {
        match bytes[name_end] {
            b'\\' => name_end += 2,
            b'=' | b':' | b' ' | b'\t' | 0x0c => break,
            _ => name_end += 1,
        }
    }
    let name_end = name_end.min(end);
    let name = &text[start..name_end];
    // A line that is nothing but a reference has no name.
    let mut value_start = if may_contain_reference(name) { start } else { name_end };
    let blanks =
        |from: usize| from + bytes[from..end].iter().take_while(|byte| matches!(byte, b' ' | b'\t' | 0x0c)).count();
    if value_start > start {
        value_start = blanks(value_start);
        if matches!(bytes.get(value_start), Some(b'=' | b':')) && value_start < end {
            value_start = blanks(value_start + 1);
        }
    }
    let name = if value_start > start { name } else { "" };
    let value = Zeroizing::new(unescaped(&text[value_start..end]));
    Property { name: unescaped(name), value, span: value_start..end }
}

/// Replaces the escapes of a name or a value.
fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut units: Vec<u16> = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let after = &rest[c.len_utf8()..];
        let unit = (c == '\\').then(|| after.strip_prefix('u')?.get(..4)).flatten();
        if let Some(unit) = unit.and_then(|hex| u16::from_str_radix(hex, 16).ok()) {
            units.push(unit);
            rest = &after[5..];
            continue;
        }
        out.extend(char::decode_utf16(units.drain(..)).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)));
        rest = after;
        if c != '\\' {
            out.push(c);
            continue;
        }
        let Some(escaped) = rest.chars().next() else { break };
        rest = &rest[escaped.len_utf8()..];
        match escaped {
            'n' => out.push('\n'),
            't' => out.push('\t'),
            'r' => out.push('\r'),
            'f' => out.push('\u{c}'),
            '\r' | '\n' => rest = rest.trim_start_matches([' ', '\t', '\u{c}', '\n']),
            escaped => out.push(escaped),
        }
    }
    out.extend(char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_are_read_as_java_reads_them() {
        for (text, name, value) in [
            ("a=b", "a", "b"),
            ("a = b ", "a", "b "),
            ("a: b", "a", "b"),
            ("a b", "a", "b"),
            ("a", "a", ""),
            ("a\\=b=c", "a=b", "c"),
            ("a=https\\://x\\=y", "a", "https://x=y"),
            ("a=x\\\n   y", "a", "xy"),
            ("a=x\\\r\n   y\r\n", "a", "xy"),
            ("a=\\u00e4\\ud83d\\udd11\\tz", "a", "ä🔑\tz"),
            ("a=\\", "a", ""),
            ("a==b", "a", "=b"),
            ("  # no\n! no\n\r\n a=b", "a", "b"),
        ] {
            let found = properties(text);
            let [property] = &found[..] else { panic!("{text}: {}", found.len()) };
            assert_eq!((property.name.as_str(), property.value.as_str()), (name, value), "{text:?}");
        }
    }
}
