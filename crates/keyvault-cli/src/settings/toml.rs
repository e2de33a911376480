//! TOML.

use keyvault::settings::Key;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::collector::EntryCollector;
use super::problem::SyntaxError;

pub(super) fn parse(collector: &mut EntryCollector<'_>) -> Result<(), SyntaxError> {
    let text = collector.text;
    // The parser itself refuses more than 80 levels.
    let table = DeTable::parse(text).map_err(|error| SyntaxError {
        line: error.span().map_or_else(|| deepest_line(text), |span| collector.line(span.start)),
        message: match error.message() {
            "recursion limit" | "cannot recurse further; max recursion depth met" => "nested too deeply",
            _ => "invalid TOML",
        },
    })?;
    walk_table(collector, &Key::root(), table.get_ref())
}

/// Returns the first line that nests beyond the parser's limit, whose error has no position.
fn deepest_line(text: &str) -> usize {
    1 + text.lines().position(|line| line.matches('.').count() >= 80).unwrap_or_default()
}

fn walk_table(collector: &mut EntryCollector<'_>, key: &Key, table: &DeTable<'_>) -> Result<(), SyntaxError> {
    // The map is not in the order of the file.
    let mut members: Vec<_> = table.iter().collect();
    members.sort_by_key(|(name, _)| name.span().start);
    for (name, value) in members {
        let line = collector.line(name.span().start);
        let key = collector.member(key, name.get_ref(), line)?;
        walk(collector, &key, value)?;
    }
    Ok(())
}

fn walk(collector: &mut EntryCollector<'_>, key: &Key, value: &Spanned<DeValue<'_>>) -> Result<(), SyntaxError> {
    let first = collector.line(value.span().start);
    match value.get_ref() {
        DeValue::String(text) => {
            let last = collector.line(value.span().end);
            collector.string(key.clone(), first, last, text.to_string())
        }
        DeValue::Table(table) => walk_table(collector, key, table),
        DeValue::Array(array) => {
            for (index, value) in array.iter().enumerate() {
                let line = collector.line(value.span().start);
                let key = collector.element(key, index, line)?;
                walk(collector, &key, value)?;
            }
            Ok(())
        }
        _ => collector.other(key.clone(), first),
    }
}
