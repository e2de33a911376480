//! INI: sections, and `name = value` or `name: value` lines. Comments stand on lines of their own.

use keyvault::Key;

use super::{Entries, Unreadable, dotted, has_marker};

pub(super) fn parse(entries: &mut Entries<'_>) -> Result<(), Unreadable> {
    let mut section = Key::root();
    for (index, line) in entries.text.lines().enumerate() {
        let number = index + 1;
        let line = line.trim();
        if line.is_empty() || line.starts_with([';', '#']) {
            continue;
        }
        if let Some(rest) = line.strip_prefix('[') {
            let name = rest.strip_suffix(']');
            let name = name.ok_or(Unreadable { line: number, clause: "not INI: a section without ]" })?;
            section = dotted(name);
            continue;
        }
        let key = |name: &str| name.trim().split('.').fold(section.clone(), |key, name| key.member(name.trim()));
        match line.find(['=', ':']) {
            // A reference that no name stands before belongs to the line.
            Some(at) if !has_marker(&line[..at]) => {
                let text = unquoted(line[at + 1..].trim()).to_owned();
                entries.string(key(&line[..at]), number, number, text);
            }
            _ if has_marker(line) => entries.string(key(&format!("line {number}")), number, number, line.to_owned()),
            _ => entries.other(key(line), number),
        }
    }
    Ok(())
}

fn unquoted(value: &str) -> &str {
    let within = |quote| value.strip_prefix(quote)?.strip_suffix(quote);
    within('"').or_else(|| within('\'')).unwrap_or(value)
}
