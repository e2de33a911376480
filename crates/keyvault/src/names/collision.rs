//! Settings that more than one secret gives.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::{Error, ErrorKind};
use crate::report::ReferenceStatus;
use crate::settings::{Key, Segment};

/// Who gives which setting. Each is called by a secret's name, with the member of it that gives the setting.
pub(crate) type Contributors = BTreeMap<Key, Vec<String>>;

/// Tells whether no two of `keys`, which are in order, are in each other's way: then there are no [`collisions`].
pub(crate) fn is_clear<'k>(keys: impl Iterator<Item = &'k Key>) -> bool {
    let mut before: Option<&Key> = None;
    for key in keys {
        let is_in_the_way = before.is_some_and(|before| before == key || before.is_above(key));
        if is_in_the_way || list_trouble(before, key).is_some() {
            return false;
        }
        before = Some(key);
    }
    true
}

/// Finds the settings that more than one secret gives, that are a value and a table at once, or a table and a list; and
/// lists with gaps. One error for each, which names everybody who takes part.
pub(crate) fn collisions(givers: &Contributors) -> Vec<Error> {
    let mut found: BTreeMap<Key, Collision> = BTreeMap::new();
    let mut note = |key: &Key, collision: Collision| {
        let held = found.entry(key.clone()).or_insert(collision);
        *held = collision.max(*held);
    };
    let mut before: Option<&Key> = None;
    for (key, parties) in givers {
        if parties.len() > 1 {
            note(key, Collision::SameSetting);
        }
        // In order, everything under a key follows it at once, and a table's members come before a list's elements.
        if let Some(before) = before.filter(|before| before.is_above(key)) {
            note(before, Collision::ValueAndTable);
        } else if let Some((list, collision)) = list_trouble(before, key) {
            note(&list, collision);
        }
        before = Some(key);
    }
    let mut errors: Vec<(Key, Error)> = Vec::new();
    for (key, collision) in found {
        // What happens under a key that is told already has the same reason.
        if !errors.last().is_some_and(|(told, _)| told.is_above(&key)) {
            let error = error(&key, collision, givers);
            errors.push((key, error));
        }
    }
    errors.into_iter().map(|(_, error)| error).collect()
}

#[derive(Clone, Copy, Eq, Ord, PartialEq, PartialOrd)]
enum Collision {
    Gap,
    SameSetting,
    TableAndList,
    ValueAndTable,
}

/// Compares a key with the one before it where they part: the elements of a list must follow each other.
fn list_trouble(before: Option<&Key>, key: &Key) -> Option<(Key, Collision)> {
    let steps = key.segments();
    let held = before.map_or(&[][..], Key::segments);
    let parting = steps.iter().zip(held).take_while(|(one, other)| one == other).count();
    for (depth, step) in steps.iter().enumerate().skip(parting) {
        let Segment::Index(index) = step else { continue };
        let collision = match held.get(depth).filter(|_| depth == parting) {
            Some(Segment::Name(_)) => Collision::TableAndList,
            Some(Segment::Index(last)) if *index == last + 1 => continue,
            None if *index == 0 => continue,
            _ => Collision::Gap,
        };
        return Some((key.up_to(depth), collision));
    }
    None
}

fn error(key: &Key, collision: Collision, givers: &Contributors) -> Error {
    // Everything under a key follows it.
    let under = givers.range(key.clone()..).take_while(|(below, _)| *below == key || key.is_above(below));
    let all: Vec<&str> = under.flat_map(|(_, parties)| parties).map(String::as_str).collect();
    let mut seen = BTreeSet::new();
    let parties: Vec<&str> = all.into_iter().filter(|party| seen.insert(*party)).collect();
    let clause = match collision {
        Collision::SameSetting if parties.len() == 1 => "a secret gives the same setting twice",
        Collision::SameSetting => "secrets give the same setting",
        Collision::ValueAndTable => "a setting is both a value and a table",
        Collision::TableAndList => "a setting is both a table and a list",
        Collision::Gap => "a list has gaps between its elements",
    };
    Error::from_clause(ErrorKind::Invalid, format!("{clause}: {}", enumerated(&parties)))
        .at(key.to_string(), "secret names")
        .with_status(ReferenceStatus::OtherReasons)
        .with_help("rename, disable or delete all but one of them, or take fewer secrets: NameMap::prefix, tag or only")
}

fn enumerated(parties: &[&str]) -> String {
    match parties {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Reads keys such as `a.b[0]`; `=` parts a key from who gives it, else it is the key itself.
    fn told(settings: &[&str]) -> Vec<(String, String)> {
        let mut givers = Contributors::new();
        for setting in settings {
            let (key, giver) = setting.split_once('=').unwrap_or((setting, setting));
            let steps = key.replace('[', ".[");
            let key = steps.split('.').fold(Key::root(), |key, step| match step.strip_prefix('[') {
                Some(index) => key.element(index.trim_end_matches(']').parse().unwrap()),
                None => key.member(step),
            });
            givers.entry(key).or_default().push(giver.to_owned());
        }
        let errors = collisions(&givers);
        let keys = givers.iter().flat_map(|(key, parties)| std::iter::repeat_n(key, parties.len()));
        assert_eq!(is_clear(keys), errors.is_empty(), "{settings:?}");
        errors.iter().map(|error| (error.setting().unwrap().to_owned(), error.failures()[0].to_string())).collect()
    }

    #[test]
    fn everybody_who_takes_part_is_named_in_one_error() {
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
            (&["a[1]"], "a", "a list has gaps between its elements: a[1]".into()),
            (&["a[0].x", "a[2].y"], "a", "a list has gaps between its elements: a[0].x and a[2].y".into()),
            (&["a[0][1]"], "a[0]", "a list has gaps between its elements: a[0][1]".into()),
        ] {
            let told = told(settings);
            assert_eq!(told.len(), 1, "{settings:?} {told:?}");
            assert_eq!(told[0].0, key, "{settings:?}");
            assert!(told[0].1.ends_with(&format!(": {clause}")), "{settings:?} {told:?}");
        }
        assert_eq!(told(&["a", "a.b", "c=1", "c=2", "d.e", "d.e.f"]).len(), 3);
    }

    #[test]
    fn neighbours_do_not_collide() {
        for settings in [
            &["a.b", "a.c", "ab", "a_b"][..],
            &["a[0]", "a[1]", "b"],
            &["a[0].x", "a[0].y", "a[1].x"],
            &["a[0][0]", "a[0][1]", "a[1][0]", "a[2]"],
            &["a.b[0]", "a.c[0]"],
            &[],
        ] {
            assert_eq!(told(settings), [], "{settings:?}");
        }
    }

    proptest! {
        #[test]
        fn every_value_above_a_table_is_found(settings in prop::collection::btree_set("[ab]{1,2}(\\.[ab]{1,2}){0,2}", 1..8)) {
            let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
            let collide = settings.iter().any(|a| settings.iter().any(|b| b.starts_with(&format!("{a}."))));
            prop_assert_eq!(told(&settings).is_empty(), !collide);
        }

        #[test]
        fn every_list_that_is_none_is_found(settings in prop::collection::btree_set("a(\\[[0-2]\\]){1,2}", 1..6)) {
            let has = |prefix: &str| settings.iter().any(|setting| setting.starts_with(prefix));
            let is_value = |setting: &str| settings.iter().any(|other| other.starts_with(&format!("{setting}[")));
            let mut good = !settings.iter().any(|setting| is_value(setting));
            for list in ["a", "a[0]", "a[1]", "a[2]"] {
                let held: Vec<bool> = (0..3).map(|i| has(&format!("{list}[{i}]"))).collect();
                good &= held.is_sorted_by(|one, other| one >= other);
            }
            let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
            prop_assert_eq!(told(&settings).is_empty(), good, "{:?}", settings);
        }
    }
}
