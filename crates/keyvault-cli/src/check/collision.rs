//! Settings that collide with each other.

use std::collections::BTreeMap;

use keyvault::settings::{Key, Segment};

use crate::settings::{Entry, Problem, file_and_line, is_line_of_text};

/// Returns the keys that are set twice, that differ only in characters that secret names cannot distinguish, or that
/// are a value in one place and a table in another.
///
/// A collision is reported only if one of the two settings has a reference.
pub(crate) fn collisions(entries: &[Entry]) -> Vec<Problem> {
    let mut problems = repeated_keys(entries);
    problems.extend(values_that_are_tables(entries));
    problems
}

fn repeated_keys(entries: &[Entry]) -> Vec<Problem> {
    let mut problems = Vec::new();
    let of_files = entries.iter().filter(|entry| !is_line_of_text(&entry.key.to_string()));
    let mut by_key: BTreeMap<(&str, usize, Vec<Segment>), &Entry> = BTreeMap::new();
    for (file, entry) in of_files.filter_map(|entry| Some((entry.file()?, entry))) {
        let id = (file, entry.document, normalized(&entry.key));
        let Some(other) = by_key.get(&id) else {
            by_key.insert(id, entry);
            continue;
        };
        if entry.may_contain_reference() || other.may_contain_reference() {
            let message = if entry.key == other.key {
                format!("{} is already set {}", entry.key, location(other))
            } else {
                format!("{} is the same setting as {} {}", entry.key, other.key, location(other))
            };
            problems.push(problem(entry, message));
        }
    }
    problems
}

fn values_that_are_tables(entries: &[Entry]) -> Vec<Problem> {
    let mut by_key: BTreeMap<Vec<Segment>, &Entry> = BTreeMap::new();
    for entry in entries.iter().filter(|entry| is_nested(entry)) {
        let slot = by_key.entry(normalized(&entry.key)).or_insert(entry);
        if entry.may_contain_reference() {
            *slot = entry;
        }
    }
    let mut problems = Vec::new();
    for (key, entry) in &by_key {
        let mut above = (1..key.len()).filter_map(|length| by_key.get(&key[..length]));
        if let Some(value) = above.find(|value| value.may_contain_reference() || entry.may_contain_reference()) {
            problems.push(problem(value, format!("{} is a value here and a table {}", value.key, location(entry))));
        }
    }
    problems
}

/// Returns whether the key of `entry` is a path in a tree. A variable without a prefix and a line of text have none.
fn is_nested(entry: &Entry) -> bool {
    let is_variable = entry.key.segments().len() == 1 && entry.origin == format!("variable {}", entry.key);
    !is_variable && !is_line_of_text(&entry.key.to_string())
}

fn location(entry: &Entry) -> String {
    match file_and_line(&entry.origin) {
        Some((file, line)) => format!("in {file} on line {line}"),
        None => format!("in {}", entry.origin),
    }
}

fn problem(entry: &Entry, message: String) -> Problem {
    Problem { origin: entry.origin.clone(), message, code: 2 }
}

/// Normalizes case and `-`, because secret names ignore case and have no `_`.
fn normalized(key: &Key) -> Vec<Segment> {
    let normalize = |segment: &Segment| match segment {
        Segment::Name(name) => Segment::Name(name.to_lowercase().replace('-', "_").into()),
        Segment::Index(index) => Segment::Index(*index),
    };
    key.segments().iter().map(normalize).collect()
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;

    fn entry(origin: &str, key: &str, has_reference: bool) -> Entry {
        let text = if has_reference { "@KeyVault(SecretName=a)" } else { "a" };
        Entry {
            key: key.split('.').collect(),
            origin: origin.into(),
            document: 0,
            text: Some(Zeroizing::new(text.to_owned())),
        }
    }

    #[test]
    fn a_collision_names_both_locations() {
        for (entries, expected) in [
            (vec![entry("f:1", "a", true), entry("f:2", "a", false)], Some("f:2: a is already set in f on line 1")),
            (vec![entry("f:1", "a", false), entry("f:2", "a", false)], None),
            (vec![entry("f:1", "a", true), entry("g:2", "a", true)], None),
            (
                vec![entry("f:1", "Api-Key", true), entry("f:2", "api_key", true)],
                Some("f:2: api_key is the same setting as Api-Key in f on line 1"),
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
            (
                vec![entry("f:1", "db.0", true), entry("App Configuration key db", "db", false)],
                Some("App Configuration key db: db is a value here and a table in f on line 1"),
            ),
            (
                vec![entry("f:1", "db", true), entry("App Configuration key db:0", "db.0", false)],
                Some("f:1: db is a value here and a table in App Configuration key db:0"),
            ),
            (vec![entry("variable DB", "DB", true), entry("f:1", "db.url", true)], None),
            (vec![entry("f:1", "line 1", true), entry("f:1", "line 1", true)], None),
            (
                vec![entry("f:1", "line items", true), entry("f:2", "line items", true)],
                Some("f:2: line items is already set in f on line 1"),
            ),
            (
                vec![entry("f:1", "line items", true), entry("g:3", "line items.first", false)],
                Some("f:1: line items is a value here and a table in g on line 3"),
            ),
        ] {
            let found: Vec<String> = collisions(&entries).iter().map(Problem::to_string).collect();
            assert_eq!(found, Vec::from_iter(expected));
        }
    }
}
