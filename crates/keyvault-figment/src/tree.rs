//! A figment as a tree that references are resolved in.

use std::collections::BTreeMap;

use figment::value::{Dict, Map, Tag, Value};
use figment::{Error, Figment, Metadata, Profile, Provider};
use keyvault::{Key, Leaf, Mismatch, Resolved, Segment, Tree};
use serde::de::DeserializeOwned;

use crate::mismatch::mismatch;
use crate::place;

/// A figment of which the values that are in effect count: of the selected profile over the default one, under the
/// global one.
pub(crate) struct FigmentTree {
    figment: Figment,
}

impl FigmentTree {
    pub(crate) fn new(figment: Figment) -> Self {
        Self { figment }
    }

    pub(crate) fn into_figment(self) -> Figment {
        self.figment
    }

    fn effective(&self) -> Result<Value, Mismatch> {
        self.figment.find_value("").map_err(|error| mismatch(&error))
    }

    fn walk(&self, value: &Value, key: &Key, leaves: &mut Vec<Leaf>) {
        match value {
            Value::Dict(_, dict) => dict.iter().for_each(|(name, value)| self.walk(value, &key.member(name), leaves)),
            Value::Array(_, items) => {
                items.iter().enumerate().for_each(|(i, item)| self.walk(item, &key.element(i), leaves));
            }
            _ => leaves.push(self.leaf(value, key)),
        }
    }

    fn leaf(&self, value: &Value, key: &Key) -> Leaf {
        let place = place::place(&self.figment, value.tag(), &names(key));
        let key = key.clone();
        match value {
            _ if self.figment.get_metadata(value.tag()).is_some_and(place::is_key_vault) => Leaf::named(key, place),
            Value::String(_, text) => Leaf::text(key, place, text.as_str()),
            _ => Leaf::other(key, place, format!("{:?}", without_tag(value))),
        }
    }

    fn profile(&self, tag: Tag) -> Profile {
        tag.profile().unwrap_or_else(|| self.figment.profile().clone())
    }
}

impl Tree for FigmentTree {
    fn leaves(&self) -> Result<Vec<Leaf>, Mismatch> {
        let mut leaves = Vec::new();
        self.walk(&self.effective()?, &Key::root(), &mut leaves);
        Ok(leaves)
    }

    fn replace(mut self, resolved: Vec<(Leaf, Option<Resolved>)>) -> Result<Self, Mismatch> {
        let effective = self.effective()?;
        let (present, absent): (Vec<_>, Vec<_>) = resolved.into_iter().partition(|(_, text)| text.is_some());
        let patches = self.patches(&effective, present);
        for patch in patches {
            self.figment = self.figment.merge(patch);
        }
        let absent: Vec<Key> = absent.into_iter().map(|(leaf, _)| leaf.key().clone()).collect();
        if absent.is_empty() { Ok(self) } else { self.without(absent) }
    }

    fn extract<T: DeserializeOwned>(self) -> Result<T, Mismatch> {
        self.figment.extract_lossy().map_err(|error| mismatch(&error))
    }
}

/// The secrets in each value of a layer, for people.
type SecretUrls = BTreeMap<Key, String>;

/// Values that take the place of others of one layer. Their metadata is the layer's, with the secrets added.
struct Patch {
    profile: Profile,
    dict: Dict,
    metadata: Metadata,
}

impl Provider for Patch {
    fn metadata(&self) -> Metadata {
        self.metadata.clone()
    }

    fn data(&self) -> Result<Map<Profile, Dict>, Error> {
        Ok(Map::from([(self.profile.clone(), self.dict.clone())]))
    }
}

impl FigmentTree {
    /// Makes a patch for each layer that has references, since a merge gives all its values one metadata.
    fn patches(&self, effective: &Value, resolved: Vec<(Leaf, Option<Resolved>)>) -> Vec<Patch> {
        let mut root = effective.clone();
        let mut layers: BTreeMap<(Tag, Profile), SecretUrls> = BTreeMap::new();
        for (leaf, text) in resolved {
            let (Some(text), key) = (text, leaf.key()) else { continue };
            let Some(value) = find(&mut root, key.segments()) else { continue };
            let tag = value.tag();
            *value = Value::String(Tag::Default, text.expose_secret().to_owned());
            let urls: Vec<String> = text.secrets().iter().map(keyvault::SecretId::url).collect();
            layers.entry((tag, self.profile(tag))).or_default().insert(key.clone(), urls.join(", "));
        }
        let patch = |((tag, profile), urls): ((Tag, Profile), SecretUrls)| {
            let mut dict = Dict::new();
            urls.keys().for_each(|key| copy_path(&root, &mut dict, key.segments()));
            Patch { profile, dict, metadata: self.with_secrets(tag, urls) }
        };
        layers.into_iter().map(patch).collect()
    }

    /// Copies a layer's metadata, so that the keys it writes in errors name their secrets too.
    fn with_secrets(&self, tag: Tag, urls: SecretUrls) -> Metadata {
        let layer = self.figment.get_metadata(tag).cloned().unwrap_or_default();
        layer.clone().interpolater(move |profile: &Profile, path: &[&str]| {
            let key = layer.interpolate(profile, path);
            match urls.iter().find(|(key, _)| names(key) == path) {
                Some((_, url)) => format!("{key} (Key Vault secret {url})"),
                None => key,
            }
        })
    }

    /// Rebuilds the figment without the values at `keys`, each in the profile that it is of: one below may then apply.
    fn without(self, mut keys: Vec<Key>) -> Result<Self, Mismatch> {
        let mut effective = self.effective()?;
        let mut data = self.figment.data().map_err(|error| mismatch(&error))?;
        // From the end, so that the indexes of an array's other elements hold.
        keys.sort();
        for key in keys.iter().rev() {
            let Some(profile) = find(&mut effective, key.segments()).map(|value| self.profile(value.tag())) else {
                continue;
            };
            if let Some(dict) = data.get_mut(&profile) {
                remove(dict, key.segments());
            }
        }
        let rebuilt = Rebuilt { profile: self.figment.profile().clone(), data, of: self.figment };
        Ok(Self::new(Figment::from(rebuilt)))
    }
}

/// A figment with other data and the same metadata.
struct Rebuilt {
    of: Figment,
    profile: Profile,
    data: Map<Profile, Dict>,
}

impl Provider for Rebuilt {
    fn metadata(&self) -> Metadata {
        Metadata::default()
    }

    fn data(&self) -> Result<Map<Profile, Dict>, Error> {
        Ok(self.data.clone())
    }

    fn profile(&self) -> Option<Profile> {
        Some(self.profile.clone())
    }

    // figment's own way to hand metadata on when a figment is merged into another. It is hidden, and there is no other
    // way to take a value out of a figment.
    fn __metadata_map(&self) -> Option<Map<Tag, Metadata>> {
        self.of.__metadata_map()
    }
}

fn find<'v>(value: &'v mut Value, key: &[Segment]) -> Option<&'v mut Value> {
    let [step, rest @ ..] = key else { return Some(value) };
    let below = match (value, step) {
        (Value::Dict(_, dict), Segment::Name(name)) => dict.get_mut(&**name)?,
        (Value::Array(_, items), Segment::Index(index)) => items.get_mut(*index)?,
        _ => return None,
    };
    find(below, rest)
}

/// Copies what stands at `key` from `root`, with the tables above it and nothing else; an array is copied whole, for a
/// merge replaces arrays.
fn copy_path(root: &Value, dict: &mut Dict, key: &[Segment]) {
    let (Value::Dict(_, from), [Segment::Name(name), rest @ ..]) = (root, key) else { return };
    let Some(value) = from.get(&**name) else { return };
    match (value, rest) {
        (Value::Dict(tag, _), [_, ..]) => {
            let below = dict.entry(name.to_string()).or_insert_with(|| Value::Dict(*tag, Dict::new()));
            if let Value::Dict(_, below) = below {
                copy_path(value, below, rest);
            }
        }
        _ => _ = dict.insert(name.to_string(), value.clone()),
    }
}

fn remove(dict: &mut Dict, key: &[Segment]) {
    match key {
        [Segment::Name(name)] => _ = dict.remove(&**name),
        [Segment::Name(name), rest @ ..] => {
            if let Some(value) = dict.get_mut(&**name) {
                remove_below(value, rest);
            }
        }
        _ => {}
    }
}

fn remove_below(value: &mut Value, key: &[Segment]) {
    match (value, key) {
        (Value::Dict(_, dict), key) => remove(dict, key),
        (Value::Array(_, items), [Segment::Index(index)]) if *index < items.len() => _ = items.remove(*index),
        (Value::Array(_, items), [Segment::Index(index), rest @ ..]) => {
            if let Some(value) = items.get_mut(*index) {
                remove_below(value, rest);
            }
        }
        _ => {}
    }
}

fn names(key: &Key) -> Vec<String> {
    let name = |segment: &Segment| match segment {
        Segment::Name(name) => name.to_string(),
        Segment::Index(index) => index.to_string(),
    };
    key.segments().iter().map(name).collect()
}

/// Tags are new at every load and say nothing about a value.
fn without_tag(value: &Value) -> Value {
    match value {
        Value::Char(_, c) => Value::Char(Tag::Default, *c),
        Value::Bool(_, b) => Value::Bool(Tag::Default, *b),
        Value::Num(_, n) => Value::Num(Tag::Default, *n),
        Value::Empty(_, e) => Value::Empty(Tag::Default, *e),
        other => other.clone(),
    }
}
