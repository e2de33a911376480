//! The origin of each setting's value.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::LazyLock;

use super::config_value::{ConfigValue, ValueContent};
use super::key::{Key, Segment, same_letters};
use crate::secret::SecretId;

/// The origin of every value of the settings, by key, without the values.
#[derive(Clone, Default)]
pub struct Origins {
    /// In the order of the keys.
    entries: Vec<(Key, Origin)>,
}

/// The origin of one value: its place in a layer, and the secrets that it contains.
///
/// `Display` writes both: `settings.toml → secret db-password version 0af1c2d3 in contoso`.
#[derive(Clone)]
pub struct Origin {
    place: Option<String>,
    secrets: Vec<SecretId>,
    fingerprint: Fingerprint,
}

/// Distinguishes two values without keeping either: a hash under a random key of this process.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Fingerprint(u64);

impl Fingerprint {
    pub(crate) fn of(value: impl Hash) -> Self {
        static KEY: LazyLock<RandomState> = LazyLock::new(RandomState::new);
        Self(KEY.hash_one(value))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl Origin {
    /// Creates the origin of `value`, which contains `secrets`.
    pub(crate) fn of(value: &ConfigValue, secrets: Vec<SecretId>) -> Self {
        let fingerprint = match &value.content {
            ValueContent::Text(text) => Fingerprint::of(text.as_str()),
            ValueContent::Other(fingerprint) => *fingerprint,
            ValueContent::Mapped(_) | ValueContent::Earlier(_) => Fingerprint::of(()),
        };
        Self { place: value.place.clone(), secrets, fingerprint }
    }

    /// Returns the place in a layer, such as a file or a variable, or `None` for a secret that was mapped by name.
    pub fn place(&self) -> Option<&str> {
        self.place.as_deref()
    }

    /// Returns the secrets in the value, with their versions.
    pub fn secrets(&self) -> &[SecretId] {
        &self.secrets
    }

    /// Returns whether the value contains a secret and must not be shown.
    pub fn is_secret(&self) -> bool {
        !self.secrets.is_empty()
    }

    /// Compares secrets by version, never by value, and the text of layers by fingerprint.
    fn same_value(&self, other: &Self) -> bool {
        self.secrets == other.secrets && self.fingerprint == other.fingerprint
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut secrets = self.secrets.iter();
        match (&self.place, secrets.next()) {
            (Some(place), Some(secret)) => write!(f, "{place} → secret {secret}")?,
            (Some(place), None) => f.write_str(place)?,
            (None, Some(secret)) => write!(f, "secret {secret}")?,
            (None, None) => f.write_str("unknown")?,
        }
        secrets.try_for_each(|secret| write!(f, " and {secret}"))
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Origin({self})")
    }
}

impl Origins {
    /// Adds the origins of further keys. One call with all of them, in the order of the keys, is cheapest.
    pub(crate) fn extend(&mut self, mut values: Vec<(Key, Origin)>) {
        self.entries.append(&mut values);
        self.entries.sort_by(|(one, _), (other, _)| one.cmp(other));
    }

    /// Renumbers the elements of arrays after those at `absent` were removed.
    pub(crate) fn close_gaps(&mut self, absent: &[Key]) {
        let mut gaps: BTreeMap<&[Segment], Vec<usize>> = BTreeMap::new();
        for key in absent {
            if let Some((Segment::Index(index), array)) = key.segments().split_last() {
                gaps.entry(array).or_default().push(*index);
            }
        }
        if gaps.is_empty() {
            return;
        }
        gaps.values_mut().for_each(|gaps| gaps.sort_unstable());
        let moved = |key: &Key| {
            let segments = key.segments().iter().enumerate();
            segments.fold(Key::root(), |moved, (depth, segment)| match segment {
                Segment::Name(name) => moved.member(name),
                Segment::Index(index) => {
                    let gaps = gaps.get(&key.segments()[..depth]);
                    moved.element(index - gaps.map_or(0, |gaps| gaps.partition_point(|gap| gap < index)))
                }
            })
        };
        self.entries.iter_mut().for_each(|(key, _)| *key = moved(key));
    }

    /// Returns the origin of the value at `key`, written as `database.password` or `servers[0].url`.
    pub fn get(&self, key: &str) -> Option<&Origin> {
        let dotted = key.replace('[', ".").replace(']', "");
        self.find(&dotted.split('.').collect::<Vec<_>>()).map(|(_, origin)| origin)
    }

    /// Finds an origin by a path that does not distinguish names from indexes.
    fn find(&self, path: &[&str]) -> Option<(&Key, &Origin)> {
        self.iter().find(|(key, _)| {
            let segments = key.segments();
            segments.len() == path.len() && segments.iter().zip(path).all(|(segment, step)| segment.is(step))
        })
    }

    /// Finds the value at a path that differs from `path` in upper and lower case, `_` and `-` alone, or a value below
    /// such a path.
    pub(crate) fn find_by_letters(&self, path: &Key) -> Option<(&Key, &Origin)> {
        let path = path.segments();
        let same = |(one, other): (&Segment, &Segment)| match (one, other) {
            (Segment::Name(one), Segment::Name(other)) => same_letters(one, other),
            _ => one == other,
        };
        let is_respelled = |start: &[Segment]| start != path && start.iter().zip(path).all(same);
        self.iter().find(|(key, _)| key.segments().get(..path.len()).is_some_and(is_respelled))
    }

    /// Returns the key and origin of every value, in the order of the keys.
    pub fn iter(&self) -> impl Iterator<Item = (&Key, &Origin)> {
        self.entries.iter().map(|(key, origin)| (key, origin))
    }

    /// Returns the keys whose values differ between `self` and `newer`: changed, removed and new ones.
    pub(crate) fn changed(&self, newer: &Self) -> Vec<String> {
        let changed = self.iter().filter(|(key, old)| newer.at(key).is_none_or(|new| !new.same_value(old)));
        let added = newer.iter().filter(|(key, _)| self.at(key).is_none());
        let keys: BTreeSet<&Key> = changed.chain(added).map(|(key, _)| key).collect();
        keys.into_iter().map(Key::to_string).collect()
    }

    /// Returns the origin of the value at `key`, or of the first value in the table or list there.
    pub(crate) fn at_or_below(&self, key: &Key) -> Option<&Origin> {
        let first = self.entries.partition_point(|(one, _)| one < key);
        let (one, origin) = self.entries.get(first)?;
        (one == key || !key.segments().is_empty() && key.is_above(one)).then_some(origin)
    }

    fn at(&self, key: &Key) -> Option<&Origin> {
        let at = self.entries.binary_search_by(|(one, _)| one.cmp(key)).ok()?;
        Some(&self.entries[at].1)
    }
}

impl fmt::Debug for Origins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter().map(|(key, origin)| (key.to_string(), origin))).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origins(values: Vec<ConfigValue>) -> Origins {
        let mut origins = Origins::default();
        origins.extend(values.into_iter().map(|value| (value.key.clone(), origin(&value))).collect());
        origins
    }

    fn origin(value: &ConfigValue) -> Origin {
        let secrets = match &value.content {
            ValueContent::Earlier(id) => vec![id.clone()],
            _ => Vec::new(),
        };
        Origin::of(value, secrets)
    }

    #[test]
    fn changed_keys_are_the_keys_whose_values_differ() {
        let key = |key: &str| key.split('.').collect();
        let text = |name: &str, text: &str| ConfigValue::text(key(name), "file", text);
        let secret = |name: &str, version: &str| {
            let url = format!("https://contoso.vault.azure.net/secrets/a/{version}");
            ConfigValue::earlier(key(name), SecretId::parse(&url).unwrap())
        };
        let old = origins(vec![text("a", "1"), secret("b.c", "1"), text("d", "x"), text("removed", "x")]);
        let new = origins(vec![text("a", "2"), secret("b.c", "2"), text("d", "x"), text("new", "x")]);
        assert_eq!(old.changed(&new), ["a", "b.c", "new", "removed"]);
        assert!(old.changed(&old).is_empty());
    }

    #[test]
    fn elements_are_renumbered_after_some_were_removed() {
        let key = |steps: &[usize]| steps.iter().fold(Key::root().member("a"), |key, step| key.element(*step));
        let value = |steps: &[usize]| ConfigValue::other(key(steps), format!("{steps:?}"), steps);
        let mut before = origins(vec![value(&[1]), value(&[3, 0]), value(&[3, 2]), value(&[4])]);
        before.close_gaps(&[key(&[2]), key(&[0]), key(&[3, 1]), Key::root().member("b")]);
        let after: Vec<String> = before.iter().map(|(key, origin)| format!("{key} was {origin}")).collect();
        assert_eq!(after, ["a[0] was [1]", "a[1][0] was [3, 0]", "a[1][1] was [3, 2]", "a[2] was [4]"]);
    }

    #[test]
    fn values_are_found_by_key() {
        let key = Key::root().member("servers").element(0).member("url");
        let origins = origins(vec![ConfigValue::other(key, "settings.toml", 1)]);
        assert_eq!(origins.get("servers[0].url").unwrap().to_string(), "settings.toml");
        assert!(origins.find(&["servers", "0", "url"]).is_some());
        assert!(origins.get("servers[1].url").is_none());
        let key = |servers: &str| Key::root().member(servers);
        for (path, is_found) in [
            (key("Servers").element(0).member("URL"), true),
            (key("Servers"), true),
            (key("servers").element(0).member("u-r_l"), true),
            (key("servers").element(0).member("url"), false),
            (key("servers"), false),
            (key("Servers").element(1), false),
            (key("Server"), false),
            (Key::root(), false),
        ] {
            assert_eq!(origins.find_by_letters(&path).is_some(), is_found, "{path:?}");
        }
    }
}
