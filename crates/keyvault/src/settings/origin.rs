//! The origin of each setting's value.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::LazyLock;

use super::key::{Key, Segment};
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
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Fingerprint(u64);

impl Fingerprint {
    pub(crate) fn of(value: impl Hash) -> Self {
        static KEY: LazyLock<RandomState> = LazyLock::new(RandomState::new);
        Self(KEY.hash_one(value))
    }
}

impl Origin {
    /// Creates the origin of a value that a layer contains as it is.
    pub(crate) fn written(place: String, fingerprint: Fingerprint) -> Self {
        Self::filled(place, fingerprint, Vec::new())
    }

    /// Creates the origin of a secret that was mapped by name.
    pub(crate) fn mapped(secret: &SecretId) -> Self {
        Self { place: None, secrets: vec![secret.clone()], fingerprint: Fingerprint::of(()) }
    }

    /// Creates the origin of a value in a layer whose references were replaced by `secrets`.
    pub(crate) fn filled(place: String, fingerprint: Fingerprint, secrets: Vec<SecretId>) -> Self {
        Self { place: Some(place), secrets, fingerprint }
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
    #[cfg(test)]
    pub(crate) fn insert(&mut self, key: Key, origin: Origin) {
        self.extend(vec![(key, origin)]);
    }

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

    /// Finds an origin by a path that does not distinguish names from indexes, as in a deserialiser's errors.
    pub(crate) fn find(&self, path: &[&str]) -> Option<(&Key, &Origin)> {
        let matches = |(segment, part): (&Segment, &&str)| match segment {
            Segment::Name(name) => **name == **part,
            Segment::Index(index) => *part == index.to_string(),
        };
        let mut entries = self.iter();
        entries.find(|(key, _)| key.segments().len() == path.len() && key.segments().iter().zip(path).all(matches))
    }

    /// Returns the key and origin of every value, in the order of the keys.
    pub fn iter(&self) -> impl Iterator<Item = (&Key, &Origin)> {
        self.entries.iter().map(|(key, origin)| (key, origin))
    }

    /// Returns the keys whose values differ between `self` and `newer`: changed, removed and new ones.
    pub(crate) fn changed(&self, newer: &Self) -> Vec<String> {
        let (mut old, mut new) = (self.iter().peekable(), newer.iter().peekable());
        let mut keys: Vec<&Key> = Vec::new();
        // Both are sorted, so one pass over them suffices.
        loop {
            let order = match (old.peek(), new.peek()) {
                (Some((old, _)), Some((new, _))) => old.cmp(new),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (None, None) => break,
            };
            let before = old.next_if(|_| order.is_le());
            let after = new.next_if(|_| order.is_ge());
            match (before, after) {
                (Some((_, before)), Some((_, after))) if before.same_value(after) => {}
                (Some((key, _)), _) | (None, Some((key, _))) => keys.push(key),
                (None, None) => break,
            }
        }
        keys.into_iter().map(Key::to_string).collect()
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

    fn origins(entries: &[(&str, Origin)]) -> Origins {
        let mut origins = Origins::default();
        for (key, origin) in entries {
            origins.insert(key.split('.').collect(), origin.clone());
        }
        origins
    }

    #[test]
    fn changed_keys_are_the_keys_whose_values_differ() {
        let text = |text: &str| Origin::written("file".into(), Fingerprint::of(text));
        let secret = |version: &str| {
            let url = format!("https://contoso.vault.azure.net/secrets/a/{version}");
            Origin::mapped(&SecretId::parse(&url).unwrap())
        };
        let old = origins(&[("a", text("1")), ("b.c", secret("1")), ("d", text("x")), ("removed", text("x"))]);
        let new = origins(&[("a", text("2")), ("b.c", secret("2")), ("d", text("x")), ("new", text("x"))]);
        assert_eq!(old.changed(&new), ["a", "b.c", "new", "removed"]);
        assert!(old.changed(&old).is_empty());
    }

    #[test]
    fn elements_are_renumbered_after_some_were_removed() {
        let key = |steps: &[usize]| steps.iter().fold(Key::root().member("a"), |key, step| key.element(*step));
        let mut before = Origins::default();
        for steps in [&[1][..], &[3, 0], &[3, 2], &[4]] {
            before.insert(key(steps), Origin::written(format!("{steps:?}"), Fingerprint::of(steps)));
        }
        before.close_gaps(&[key(&[2]), key(&[0]), key(&[3, 1]), Key::root().member("b")]);
        let after: Vec<String> = before.iter().map(|(key, origin)| format!("{key} was {origin}")).collect();
        assert_eq!(after, ["a[0] was [1]", "a[1][0] was [3, 0]", "a[1][1] was [3, 2]", "a[2] was [4]"]);
    }

    #[test]
    fn values_are_found_by_key() {
        let mut origins = Origins::default();
        let key = Key::root().member("servers").element(0).member("url");
        origins.insert(key, Origin::written("settings.toml".into(), Fingerprint::of(1)));
        assert_eq!(origins.get("servers[0].url").unwrap().to_string(), "settings.toml");
        assert!(origins.find(&["servers", "0", "url"]).is_some());
        assert!(origins.get("servers[1].url").is_none());
    }
}
