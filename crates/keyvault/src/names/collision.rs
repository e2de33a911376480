//! Collisions: settings that more than one secret gives, or more than one entry of another store.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Display;

use crate::error::{Error, ErrorKind};
use crate::report::ReferenceStatus;
use crate::settings::{Key, Segment};

/// Returns an error for each setting that more than one secret gives, that is both a value and a table, or both a table
/// and a list. The error names every contributor.
///
/// `settings` are sorted by their keys. Each has its contributor: the name of a secret, with the member of an expanded
/// JSON secret. `mixed` are the lists that are one value and that other settings reach into.
pub(crate) fn collisions<C: Display>(settings: &[(Key, C)], mixed: Vec<Key>) -> Vec<Error> {
    collisions_and_mixed(settings, mixed, &SECRETS)
}

/// The words of an error about a collision: what collides, where, and what to do about it.
#[derive(Clone, Copy, Debug)]
pub struct CollisionWords {
    /// The clause for a setting that several contributors give.
    pub same: &'static str,
    /// The clause for a setting that one contributor gives twice.
    pub twice: &'static str,
    /// The place of all contributors.
    pub place: &'static str,
    /// What to do about it.
    pub help: &'static str,
}

const SECRETS: CollisionWords = CollisionWords {
    same: "secrets give the same setting",
    twice: "a secret gives the same setting twice",
    place: "secret names",
    help: HELP,
};

const HELP: &str = "rename, disable or delete all but one of them, or take fewer secrets by name: NameMap::prefix, tag or \
                    only_keys_of, or references_only()";

/// Does the same for the entries of another store.
pub fn collisions_among<C: Display>(settings: &[(Key, C)], words: &CollisionWords) -> Vec<Error> {
    collisions_and_mixed(settings, Vec::new(), words)
}

/// Does the same for settings among which are `mixed` lists.
pub(crate) fn collisions_and_mixed<C: Display>(
    settings: &[(Key, C)],
    mixed: Vec<Key>,
    words: &CollisionWords,
) -> Vec<Error> {
    let mut found: BTreeMap<Key, Collision> = mixed.into_iter().map(|list| (list, Collision::ValueAndTable)).collect();
    let mut before: Option<&Key> = None;
    for (key, _) in settings {
        // All keys below a key follow it directly, and a table's members precede a list's elements.
        let collision = match before {
            Some(before) if before == key => Some((key.clone(), Collision::SameSetting)),
            Some(before) if before.is_above(key) => Some((before.clone(), Collision::ValueAndTable)),
            _ => list_collision(before, key).map(|key| (key, Collision::TableAndList)),
        };
        if let Some((key, collision)) = collision {
            let entry = found.entry(key).or_insert(collision);
            *entry = collision.max(*entry);
        }
        before = Some(key);
    }
    let mut errors: Vec<(Key, Error)> = Vec::new();
    for (key, collision) in found {
        // A collision below a key that already has an error has the same cause.
        if !errors.last().is_some_and(|(above, _)| above.is_above(&key)) {
            let error = error(&key, collision, settings, words);
            errors.push((key, error));
        }
    }
    errors.into_iter().map(|(_, error)| error).collect()
}

/// Removes each empty table that has members from elsewhere: it replaces none of them. `settings` are sorted by their
/// keys.
pub fn remove_filled_tables<V>(settings: &mut Vec<(Key, V)>, is_empty_table: impl Fn(&(Key, V)) -> bool) {
    let is_filled = |pair: &[(Key, V)]| {
        let (table, next) = (&pair[0], &pair[1].0);
        let member = next.segments().get(table.0.segments().len());
        table.0.is_above(next) && member.is_some_and(|member| member.name().is_some()) && is_empty_table(table)
    };
    let mut filled = settings.windows(2).map(is_filled).collect::<Vec<_>>().into_iter();
    settings.retain(|_| !filled.next().unwrap_or_default());
}

/// The kind of a collision, the least severe first.
#[derive(Clone, Copy, Eq, Ord, PartialEq, PartialOrd)]
enum Collision {
    SameSetting,
    TableAndList,
    ValueAndTable,
}

/// Returns the list that has an element at `key` and a member at the key before it.
fn list_collision(before: Option<&Key>, key: &Key) -> Option<Key> {
    let (segments, previous) = (key.segments(), before?.segments());
    let common = segments.iter().zip(previous).take_while(|(one, other)| one == other).count();
    match (previous.get(common)?, segments.get(common)?) {
        (Segment::Name(_), Segment::Index(_)) => Some(segments[..common].iter().cloned().collect()),
        _ => None,
    }
}

fn error<C: Display>(key: &Key, collision: Collision, settings: &[(Key, C)], words: &CollisionWords) -> Error {
    let (mut names, mut known): (Vec<String>, HashSet<String>) = Default::default();
    // All keys below a key follow it.
    let at = settings.partition_point(|(before, _)| before < key);
    for (_, contributor) in settings[at..].iter().take_while(|(below, _)| below == key || key.is_above(below)) {
        let name = contributor.to_string();
        if known.insert(name.clone()) {
            names.push(name);
        }
    }
    let clause = match collision {
        Collision::SameSetting if names.len() == 1 => words.twice,
        Collision::SameSetting => words.same,
        Collision::ValueAndTable => "a setting is both a value and a table",
        Collision::TableAndList => "a setting is both a table and a list",
    };
    Error::from_clause(ErrorKind::Invalid, clause, format!("{clause}: {}", enumerated(&names)))
        .at(key.to_string(), words.place)
        .with_status(ReferenceStatus::OtherReasons)
        .with_help(words.help)
}

fn enumerated(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Parses settings such as `a.b[0]=Contributor` and returns the key and text of each error. Without `=` the key
    /// itself is the contributor.
    fn found(settings: &[&str]) -> Vec<(String, String)> {
        let parsed = settings.iter().map(|setting| {
            let (key, contributor) = setting.split_once('=').unwrap_or((setting, setting));
            let dotted = key.replace('[', ".[");
            let key = dotted.split('.').fold(Key::root(), |key, part| match part.strip_prefix('[') {
                Some(index) => key.element(index.trim_end_matches(']').parse().unwrap()),
                None => key.member(part),
            });
            (key, contributor)
        });
        let mut settings: Vec<(Key, &str)> = parsed.collect();
        settings.sort_by(|(one, _), (other, _)| one.cmp(other));
        let errors = collisions(&settings, Vec::new());
        errors.iter().map(|error| (error.setting().unwrap().to_owned(), error.failures()[0].to_string())).collect()
    }

    #[test]
    fn one_error_names_every_contributor() {
        const SAME: &str = "secrets give the same setting";
        const VALUE: &str = "a setting is both a value and a table";
        const LIST: &str = "a setting is both a table and a list";
        for (settings, key, clause) in [
            (&["k=A", "k=B", "other"][..], "k", format!("{SAME}: A and B")),
            (&["k=A", "k=B", "k=C", "k=D"], "k", format!("{SAME}: A, B, C and D")),
            (&["k=A", "k=A"], "k", "a secret gives the same setting twice: A".into()),
            (&["a", "a.b", "a.c"], "a", format!("{VALUE}: a, a.b and a.c")),
            (&["a", "a.b", "a.b.c", "a.b.c.d"], "a", format!("{VALUE}: a, a.b, a.b.c and a.b.c.d")),
            (&["a=A", "a=B", "a.b=C"], "a", format!("{VALUE}: A, B and C")),
            (&["a", "a[0]"], "a", format!("{VALUE}: a and a[0]")),
            (&["a.x=T", "a.y=T", "a[0]=L", "a[1]=L"], "a", format!("{LIST}: T and L")),
            (&["a.x.b=T", "a[0].c=L"], "a", format!("{LIST}: T and L")),
            (&["a[0][0]=L", "a[0].x=T"], "a[0]", format!("{LIST}: T and L")),
        ] {
            let errors = found(settings);
            assert_eq!(errors.len(), 1, "{settings:?} {errors:?}");
            assert_eq!(errors[0].0, key, "{settings:?}");
            assert!(errors[0].1.ends_with(&format!(": {clause}")), "{settings:?} {errors:?}");
        }
        assert_eq!(found(&["a", "a.b", "c=1", "c=2", "d.e", "d.e.f"]).len(), 3);
    }

    #[test]
    fn adjacent_keys_do_not_collide() {
        for settings in [
            &["a.b", "a.c", "ab", "a_b"][..],
            &["a[0]", "a[1]", "b"],
            &["a[0].x", "a[0].y", "a[1].x"],
            &["a[0][0]", "a[0][1]", "a[1][0]", "a[2]"],
            &["a.b[0]", "a.c[0]"],
            &["a[1]", "a[3].x"],
            &[],
        ] {
            assert_eq!(found(settings), [], "{settings:?}");
        }
    }

    proptest! {
        #[test]
        fn every_value_above_a_table_is_found(
            settings in prop::collection::btree_set("[ab]{1,2}(\\.[ab]{1,2}){0,2}", 1..8),
        ) {
            let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
            let collide = settings.iter().any(|a| settings.iter().any(|b| b.starts_with(&format!("{a}."))));
            prop_assert_eq!(found(&settings).is_empty(), !collide);
        }
    }
}
