//! INI: sections, and `name = value` or `name: value` lines. A comment needs a line of its own.

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
            section = name.split('.').map(str::trim).collect();
            continue;
        }
        let key = |name: &str| name.trim().split('.').fold(section.clone(), |key, name| key.member(name.trim()));
        match line.find(['=', ':']) {
            // The = or : of a reference does not end a name.
            Some(at) if !may_contain_reference(&line[..at]) => {
                let text = unquoted(line[at + 1..].trim()).to_owned();
                collector.string(key(&line[..at]), number, number, text);
            }
            _ if may_contain_reference(line) => {
                collector.string(key(&format!("line {number}")), number, number, line.to_owned());
            }
            _ => collector.other(key(line), number),
        }
    }
    Ok(())
}

fn unquoted(value: &str) -> &str {
    let within = |quote| value.strip_prefix(quote)?.strip_suffix(quote);
    within('"').or_else(|| within('\'')).unwrap_or(value)
}
