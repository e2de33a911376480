//! A figment as a tree that references are resolved in.

use std::collections::BTreeMap;
use std::sync::Arc;

use figment::value::{Dict, Map, Tag, Value};
use figment::{Error, Figment, Metadata, Profile, Provider};
use keyvault::{Key, Leaf, Mismatch, NamedSecrets, Resolved, SecretId, Segment, Tree};
use serde::de::DeserializeOwned;

use crate::mismatch::{mismatch, unreadable};
use crate::place;
use crate::provider;
use crate::walk;

/// A figment of which the values that are in effect count: of the selected profile over the default one, under the
/// global one.
pub(crate) struct FigmentTree {
    figment: Figment,
    /// The secrets that were given to the layers.
    named: NamedSecrets,
}

impl FigmentTree {
    pub(crate) fn new(figment: Figment, named: NamedSecrets) -> Self {
        Self { figment, named }
    }

    pub(crate) fn into_figment(self) -> Figment {
        self.figment
    }

    /// The secrets that were given to the layers.
    pub(crate) fn named(&self) -> &NamedSecrets {
        &self.named
    }

    fn effective(&self) -> Result<Value, Mismatch> {
        // To merge profiles, figment moves every value. Where there are none to be merged it need not.
        if self.figment.profiles().all(|profile| *profile == Profile::Default)
            && let Ok(mut data) = self.figment.data()
        {
            return Ok(Value::Dict(Tag::Default, data.remove(&Profile::Default).unwrap_or_default()));
        }
        self.figment.find_value("").map_err(|error| unreadable(&error))
    }

    fn data(&self) -> Result<Map<Profile, Dict>, Mismatch> {
        self.figment.data().map_err(|error| unreadable(&error))
    }

    /// Tells the tag of the secrets that were given to the layers, if they are among them.
    pub(crate) fn tag_of_named(&self) -> Option<Tag> {
        let layers = self.figment.__metadata_map()?;
        layers.into_iter().find(|(_, metadata)| provider::are_of(metadata, &self.named)).map(|(tag, _)| tag)
    }

    /// Describes a value at `key` that is no secret of those that were given to the layers, or was moved.
    pub(crate) fn leaf(&self, value: &Value, key: Key) -> Leaf {
        let keys = names(&key);
        let metadata = self.figment.get_metadata(value.tag()).filter(|metadata| place::is_key_vault(metadata));
        if let Some(secret) = metadata.and_then(|metadata| place::secret(metadata, &keys)) {
            return Leaf::earlier(key, secret);
        }
        let place = place::place(&self.figment, value.tag(), &keys);
        match (value, metadata) {
            (Value::String(_, text), None) => match place::file(&self.figment, value.tag()) {
                Some(file) => Leaf::text(key, place, text.as_str()).in_file(file),
                None => Leaf::text(key, place, text.as_str()),
            },
            // Of a secret by name that the layers moved to another key it cannot be told which it is.
            _ => Leaf::other(key, place, format!("{:?}", without_tag(value))),
        }
    }

    /// Tells which profile the value in effect at `key` is of: the highest that has one.
    fn holder(&self, data: &mut Map<Profile, Dict>, key: &Key) -> Option<Profile> {
        let highest_first = [Profile::Global, self.figment.profile().clone(), Profile::Default];
        highest_first
            .into_iter()
            .find(|profile| data.get_mut(profile).and_then(|dict| find_in(dict, key.segments())).is_some())
    }
}

impl Tree for FigmentTree {
    fn leaves(&self) -> Result<Vec<Leaf>, Mismatch> {
        Ok(walk::leaves(self, &self.effective()?))
    }

    fn replace(mut self, resolved: Vec<(Leaf, Option<Resolved>)>) -> Result<Self, Mismatch> {
        if resolved.is_empty() {
            return Ok(self);
        }
        let mut absent = Vec::new();
        let mut layers: BTreeMap<(Tag, Profile), Layer> = BTreeMap::new();
        let (mut effective, mut data) = (self.effective()?, self.data()?);
        for (leaf, text) in resolved {
            let key = leaf.key();
            match (text, find(&mut effective, key.segments()), self.holder(&mut data, key)) {
                (Some(text), Some(value), Some(profile)) => {
                    layers.entry((value.tag(), profile)).or_default().insert(key.clone(), text);
                }
                (None, ..) => absent.push(key.clone()),
                _ => return Err(Mismatch { path: names(key), ..Mismatch::new("setting cannot be replaced") }),
            }
        }
        // One after the other, for an array may have elements of several layers.
        for ((tag, profile), layer) in layers {
            let patch = self.patch(tag, profile, layer)?;
            self.figment = self.figment.merge(patch);
        }
        if absent.is_empty() { Ok(self) } else { self.without(absent) }
    }

    fn extract<T: DeserializeOwned>(self) -> Result<T, Mismatch> {
        self.figment.extract_lossy().map_err(|error| mismatch(&error))
    }
}

/// What is put into the values of one layer.
type Layer = BTreeMap<Key, Resolved>;

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
    /// Makes a patch for one layer, since a merge gives all its values one metadata.
    fn patch(&self, tag: Tag, profile: Profile, layer: Layer) -> Result<Patch, Mismatch> {
        let mut root = self.effective()?;
        let mut urls = BTreeMap::new();
        for (key, text) in &layer {
            if let Some(value) = find(&mut root, key.segments()) {
                *value = Value::String(Tag::Default, text.expose_secret().to_owned());
            }
            let secrets: Vec<String> = text.secrets().iter().map(SecretId::url).collect();
            if !secrets.is_empty() {
                urls.insert(names(key), secrets.join(", "));
            }
        }
        let mut dict = Dict::new();
        layer.keys().for_each(|key| copy_path(&root, &mut dict, key.segments()));
        Ok(Patch { profile, dict, metadata: self.with_secrets(tag, urls) })
    }

    /// Copies a layer's metadata, so that the keys it writes in errors name their secrets too.
    fn with_secrets(&self, tag: Tag, urls: BTreeMap<Vec<String>, String>) -> Metadata {
        let layer = self.figment.get_metadata(tag).cloned().unwrap_or_default();
        let urls = Arc::new(urls);
        layer.clone().interpolater(move |profile: &Profile, path: &[&str]| {
            let key = layer.interpolate(profile, path);
            let path: Vec<String> = path.iter().map(ToString::to_string).collect();
            match urls.get(&path) {
                Some(url) => format!("{key} (Key Vault secret {url})"),
                None => key,
            }
        })
    }

    /// Rebuilds the figment without the values at `keys`, each in the profile that it is of: one below may then apply.
    fn without(self, mut keys: Vec<Key>) -> Result<Self, Mismatch> {
        let mut data = self.data()?;
        // From the end, so that the indexes of an array's other elements hold.
        keys.sort();
        for key in keys.iter().rev() {
            let Some(profile) = self.holder(&mut data, key) else { continue };
            if let Some(dict) = data.get_mut(&profile) {
                remove(dict, key.segments());
            }
        }
        let rebuilt = Rebuilt { profile: self.figment.profile().clone(), data, of: self.figment };
        Ok(Self::new(Figment::from(rebuilt), self.named))
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
    match (value, key) {
        (value, []) => Some(value),
        (Value::Dict(_, dict), key) => find_in(dict, key),
        (Value::Array(_, items), [Segment::Index(index), rest @ ..]) => find(items.get_mut(*index)?, rest),
        _ => None,
    }
}

fn find_in<'v>(dict: &'v mut Dict, key: &[Segment]) -> Option<&'v mut Value> {
    let [Segment::Name(name), rest @ ..] = key else { return None };
    find(dict.get_mut(&**name)?, rest)
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
        _ => _ = dict.entry(name.to_string()).or_insert_with(|| value.clone()),
    }
}

fn remove(dict: &mut Dict, key: &[Segment]) {
    match key {
        [Segment::Name(name)] => _ = dict.remove(&**name),
        [above @ .., Segment::Name(name)] => {
            if let Some(Value::Dict(_, dict)) = find_in(dict, above) {
                dict.remove(&**name);
            }
        }
        [above @ .., Segment::Index(index)] => match find_in(dict, above) {
            Some(Value::Array(_, items)) if *index < items.len() => _ = items.remove(*index),
            _ => {}
        },
        [] => {}
    }
}

fn names(key: &Key) -> Vec<String> {
    let name = |segment: &Segment| match segment {
        Segment::Name(name) => name.to_string(),
        Segment::Index(index) => index.to_string(),
    };
    key.segments().iter().map(name).collect()
}

/// Tags are new at every load and say nothing about a value. A table or list is asked about only if it is empty.
fn without_tag(value: &Value) -> Value {
    match value {
        Value::Char(_, c) => Value::Char(Tag::Default, *c),
        Value::Bool(_, b) => Value::Bool(Tag::Default, *b),
        Value::Num(_, n) => Value::Num(Tag::Default, *n),
        Value::Empty(_, e) => Value::Empty(Tag::Default, *e),
        Value::Dict(..) => Value::Dict(Tag::Default, Dict::new()),
        Value::Array(..) => Value::Array(Tag::Default, Vec::new()),
        other => other.clone(),
    }
}
