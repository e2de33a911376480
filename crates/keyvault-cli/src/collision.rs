//! Settings that get in each other's way.

use std::collections::BTreeMap;

use keyvault::{Key, Segment};

use crate::settings::{Entry, Problem};

/// Finds keys that are given twice, that differ only in what names of secrets cannot tell apart, and that are a value here
/// and a table there. Only where a reference is concerned: whether other settings make sense is not asked.
pub(crate) fn collisions(entries: &[Entry]) -> Vec<Problem> {
    let mut problems = Vec::new();
    // Of two variables or lines of text none has a key in a tree.
    let is_of_file =
        |entry: &&Entry| entry.document_name() != "variable" && !entry.key.to_string().starts_with("line ");
    let mut by_key: BTreeMap<(String, usize, Vec<Segment>), &Entry> = BTreeMap::new();
    for entry in entries.iter().filter(is_of_file) {
        let id = (entry.document_name().to_owned(), entry.document, folded(&entry.key));
        let Some(other) = by_key.get(&id) else {
            by_key.insert(id, entry);
            continue;
        };
        if entry.is_marked() || other.is_marked() {
            let clause = if entry.key == other.key {
                format!("{} is given before, {}", entry.key, at(other))
            } else {
                format!("{} differs from {}, {}, in nothing that counts", entry.key, other.key, at(other))
            };
            problems.push(problem(entry, clause));
        }
    }
    let mut trees: BTreeMap<Vec<Segment>, &Entry> = BTreeMap::new();
    for entry in entries.iter().filter(|entry| is_of_tree(entry)) {
        let slot = trees.entry(folded(&entry.key)).or_insert(entry);
        if entry.is_marked() {
            *slot = entry;
        }
    }
    for (key, entry) in &trees {
        let mut above = (1..key.len()).filter_map(|length| trees.get(&key[..length]));
        if let Some(value) = above.find(|value| value.is_marked() || entry.is_marked()) {
            problems.push(problem(value, format!("{} is a value here and a table {}", value.key, at(entry))));
        }
    }
    problems
}

/// Variables have no tables, unless a prefix says how they are settings.
fn is_of_tree(entry: &Entry) -> bool {
    let key = entry.key.segments();
    let is_variable = key.len() == 1 && entry.place.ends_with(&format!(" {}", entry.key));
    let is_text = entry.key.to_string().starts_with("line ");
    !is_variable && !is_text
}

fn at(entry: &Entry) -> String {
    match entry.place.rsplit_once(':') {
        Some((_, line)) => format!("in {} on line {line}", entry.document_name()),
        None => format!("in {}", entry.place),
    }
}

fn problem(entry: &Entry, clause: String) -> Problem {
    Problem { place: entry.place.clone(), clause, code: 2 }
}

/// Names of secrets have no case, and no `_`.
fn folded(key: &Key) -> Vec<Segment> {
    let fold = |segment: &Segment| match segment {
        Segment::Name(name) => Segment::Name(name.to_lowercase().replace('-', "_").into()),
        Segment::Index(index) => Segment::Index(*index),
    };
    key.segments().iter().map(fold).collect()
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;

    fn entry(place: &str, key: &str, is_marked: bool) -> Entry {
        let text = if is_marked { "@KeyVault(SecretName=a)" } else { "a" };
        Entry {
            key: key.split('.').collect(),
            place: place.into(),
            document: 0,
            text: Some(Zeroizing::new(text.to_owned())),
        }
    }

    #[test]
    fn collisions_name_both_places() {
        for (entries, expected) in [
            (vec![entry("f:1", "a", true), entry("f:2", "a", false)], Some("f:2: a is given before, in f on line 1")),
            (vec![entry("f:1", "a", false), entry("f:2", "a", false)], None),
            (vec![entry("f:1", "a", true), entry("g:2", "a", true)], None),
            (
                vec![entry("f:1", "Api-Key", true), entry("f:2", "api_key", true)],
                Some("f:2: api_key differs from Api-Key, in f on line 1, in nothing that counts"),
            ),
            (
                vec![entry("f:1", "db", true), entry("g:3", "db.url", false)],
                Some("f:1: db is a value here and a table in g on line 3"),
            ),
            (
                vec![entry("f:1", "db", false), entry("variable S_DB__URL", "db.url", true)],
                Some("f:1: db is a value here and a table in variable S_DB__URL"),
            ),
            (vec![entry("f:1", "db", false), entry("g:3", "db.url", false)], None),
            (vec![entry("variable DB", "DB", true), entry("f:1", "db.url", true)], None),
            (vec![entry("f:1", "line 1", true), entry("f:1", "line 1", true)], None),
        ] {
            let found: Vec<String> = collisions(&entries).iter().map(Problem::to_string).collect();
            assert_eq!(found, Vec::from_iter(expected));
        }
    }
}
