//! TOML.

use keyvault::settings::Key;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::collector::EntryCollector;
use super::problem::SyntaxError;

pub(super) fn parse(collector: &mut EntryCollector<'_>) -> Result<(), SyntaxError> {
    let text = collector.text;
    let table = DeTable::parse(text).map_err(|error| SyntaxError {
        line: collector.line(error.span().map_or(0, |span| span.start)),
        message: "invalid TOML",
    })?;
    walk_table(collector, &Key::root(), table.get_ref());
    Ok(())
}

fn walk_table(collector: &mut EntryCollector<'_>, key: &Key, table: &DeTable<'_>) {
    // The map is not in the order of the file.
    let mut members: Vec<_> = table.iter().collect();
    members.sort_by_key(|(name, _)| name.span().start);
    for (name, value) in members {
        walk(collector, &key.member(name.get_ref()), value);
    }
}

fn walk(collector: &mut EntryCollector<'_>, key: &Key, value: &Spanned<DeValue<'_>>) {
    let first = collector.line(value.span().start);
    match value.get_ref() {
        DeValue::String(text) => {
            let last = collector.line(value.span().end);
            collector.string(key.clone(), first, last, text.to_string());
        }
        DeValue::Table(table) => walk_table(collector, key, table),
        DeValue::Array(array) => {
            for (index, value) in array.iter().enumerate() {
                walk(collector, &key.element(index), value);
            }
        }
        _ => collector.other(key.clone(), first),
    }
}
