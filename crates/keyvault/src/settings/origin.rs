//! Where the value of each setting came from.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::LazyLock;

use super::key::{Key, Segment};
use crate::secret::SecretId;

/// Where every value of the settings came from, by key, without the values.
#[derive(Clone, Default)]
pub struct Origins {
    /// In the order of the keys.
    entries: Vec<(Key, Origin)>,
}

/// Where one value came from: a place in a layer, and the secrets that were put into it.
///
/// `Display` tells the way: `settings.toml → secret db-password version 0af1c2d3 in contoso`.
#[derive(Clone)]
pub struct Origin {
    place: Option<String>,
    secrets: Vec<SecretId>,
    fingerprint: Fingerprint,
}

/// Tells two texts apart without keeping either: a hash under a key that this process drew.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Fingerprint(u64);

impl Fingerprint {
    pub(crate) fn of(value: impl Hash) -> Self {
        static KEY: LazyLock<RandomState> = LazyLock::new(RandomState::new);
        Self(KEY.hash_one(value))
    }
}

impl Origin {
    /// The value stands in a layer as it is.
    pub(crate) fn written(place: String, fingerprint: Fingerprint) -> Self {
        Self::filled(place, fingerprint, Vec::new())
    }

    /// The value is a secret that was mapped by its name.
    pub(crate) fn mapped(secret: &SecretId) -> Self {
        Self { place: None, secrets: vec![secret.clone()], fingerprint: Fingerprint::of(()) }
    }

    /// The value stands in a layer, and secrets were put into it.
    pub(crate) fn filled(place: String, fingerprint: Fingerprint, secrets: Vec<SecretId>) -> Self {
        Self { place: Some(place), secrets, fingerprint }
    }

    /// Tells the place in a layer: a file, a variable; none for a secret that was mapped by its name.
    pub fn place(&self) -> Option<&str> {
        self.place.as_deref()
    }

    /// Tells which secrets are in the value, with their versions.
    pub fn secrets(&self) -> &[SecretId] {
        &self.secrets
    }

    /// Tells whether the value has a secret in it and should not be shown.
    pub fn is_secret(&self) -> bool {
        !self.secrets.is_empty()
    }

    /// Secrets are compared by version and never by value; what a layer says, by fingerprint.
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

    /// Adds values of other keys, all at once: most often they are all there are, and in order.
    pub(crate) fn extend(&mut self, mut values: Vec<(Key, Origin)>) {
        self.entries.append(&mut values);
        self.entries.sort_by(|(one, _), (other, _)| one.cmp(other));
    }

    /// Counts the elements of arrays anew, after those at `absent` were taken out.
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
            let steps = key.segments().iter().enumerate();
            steps.fold(Key::root(), |moved, (depth, step)| match step {
                Segment::Name(name) => moved.member(name),
                Segment::Index(index) => {
                    let gaps = gaps.get(&key.segments()[..depth]);
                    moved.element(index - gaps.map_or(0, |gaps| gaps.partition_point(|gap| gap < index)))
                }
            })
        };
        self.entries.iter_mut().for_each(|(key, _)| *key = moved(key));
    }

    /// Finds where the value at `key` came from, as it is written: `database.password`, `servers[0].url`.
    pub fn get(&self, key: &str) -> Option<&Origin> {
        let dotted = key.replace('[', ".").replace(']', "");
        self.find(&dotted.split('.').collect::<Vec<_>>()).map(|(_, origin)| origin)
    }

    /// Finds by path where names and indexes look alike, as they do in a deserialiser's errors.
    pub(crate) fn find(&self, path: &[&str]) -> Option<(&Key, &Origin)> {
        let matches = |(segment, step): (&Segment, &&str)| match segment {
            Segment::Name(name) => **name == **step,
            Segment::Index(index) => *step == index.to_string(),
        };
        let mut entries = self.iter();
        entries.find(|(key, _)| key.segments().len() == path.len() && key.segments().iter().zip(path).all(matches))
    }

    /// Gives every value's key and origin, in the order of the keys.
    pub fn iter(&self) -> impl Iterator<Item = (&Key, &Origin)> {
        self.entries.iter().map(|(key, origin)| (key, origin))
    }

    /// Tells the keys whose values differ between `self` and `newer`: changed, gone and new ones.
    pub(crate) fn changed(&self, newer: &Self) -> Vec<String> {
        let (mut old, mut new) = (self.iter().peekable(), newer.iter().peekable());
        let mut keys: Vec<&Key> = Vec::new();
        // Both are in order, so one walk does.
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
    fn changed_keys_are_those_whose_value_differs() {
        let text = |text: &str| Origin::written("file".into(), Fingerprint::of(text));
        let secret = |version: &str| {
            let url = format!("https://contoso.vault.azure.net/secrets/a/{version}");
            Origin::mapped(&SecretId::parse(&url).unwrap())
        };
        let old = origins(&[("a", text("1")), ("b.c", secret("1")), ("d", text("x")), ("gone", text("x"))]);
        let new = origins(&[("a", text("2")), ("b.c", secret("2")), ("d", text("x")), ("new", text("x"))]);
        assert_eq!(old.changed(&new), ["a", "b.c", "gone", "new"]);
        assert!(old.changed(&old).is_empty());
    }

    #[test]
    fn elements_are_counted_anew_after_some_were_taken_out() {
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
