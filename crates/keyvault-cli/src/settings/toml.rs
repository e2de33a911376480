//! TOML.

use keyvault::Key;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Entries, Unreadable};

pub(super) fn parse(entries: &mut Entries<'_>) -> Result<(), Unreadable> {
    let text = entries.text;
    let table = DeTable::parse(text).map_err(|error| Unreadable {
        line: entries.line(error.span().map_or(0, |span| span.start)),
        clause: "not TOML",
    })?;
    walk_table(entries, &Key::root(), table.get_ref());
    Ok(())
}

fn walk_table(entries: &mut Entries<'_>, key: &Key, table: &DeTable<'_>) {
    // In the order of the file, which the map does not keep.
    let mut members: Vec<_> = table.iter().collect();
    members.sort_by_key(|(name, _)| name.span().start);
    for (name, value) in members {
        walk(entries, &key.member(name.get_ref()), value);
    }
}

fn walk(entries: &mut Entries<'_>, key: &Key, value: &Spanned<DeValue<'_>>) {
    let first = entries.line(value.span().start);
    match value.get_ref() {
        DeValue::String(text) => {
            let last = entries.line(value.span().end);
            entries.string(key.clone(), first, last, text.to_string());
        }
        DeValue::Table(table) => walk_table(entries, key, table),
        DeValue::Array(array) => {
            for (index, value) in array.iter().enumerate() {
                walk(entries, &key.element(index), value);
            }
        }
        _ => entries.other(key.clone(), first),
    }
}
