//! Replacing and removing values of a figment, whose layers keep their metadata.
//!
//! figment cannot change a value in place. Replaced values are merged as further layers, and removed values need a
//! figment that is built anew.

use std::collections::BTreeMap;
use std::sync::Arc;

use figment::value::{Dict, Map, Tag, Value};
use figment::{Error, Figment, Metadata, Profile, Provider};
use keyvault::SecretId;
use keyvault::settings::{ConfigValue, Key, Mismatch, Resolved, Scalar, Segment};

use crate::mismatch::unreadable;
use crate::values::{effective, names};

/// Replaces each value by its resolved text, and removes the values that are absent.
pub(crate) fn replace(
    mut figment: Figment,
    resolved: Vec<(ConfigValue, Option<Resolved>)>,
) -> Result<Figment, Mismatch> {
    if resolved.is_empty() {
        return Ok(figment);
    }
    let mut absent = Vec::new();
    let mut layers: BTreeMap<(Tag, Profile), LayerValues> = BTreeMap::new();
    let (mut root, mut data) = (effective(&figment)?, data(&figment)?);
    for (value, text) in resolved {
        let key = value.key();
        match (text, find(&mut root, key.segments()), profile_of(&figment, &mut data, key)) {
            (Some(text), Some(value), Some(profile)) => {
                layers.entry((value.tag(), profile)).or_default().insert(key.clone(), text);
            }
            (None, ..) => absent.push(key.clone()),
            _ => return Err(Mismatch::new("setting cannot be replaced").below(key)),
        }
    }
    for ((tag, profile), values) in layers {
        // An array may have elements of several layers, so each patch sees the figment with the earlier patches.
        let patch = Patch::new(&figment, tag, profile, values)?;
        figment = figment.merge(patch);
    }
    if absent.is_empty() { Ok(figment) } else { without(figment, absent) }
}

/// The resolved texts of one layer.
type LayerValues = BTreeMap<Key, Resolved>;

/// A layer that overrides values of another layer. Its metadata is the other's, with the secrets added.
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

impl Patch {
    /// Creates the patch for one layer, because a merge gives one metadata to all values of a patch.
    fn new(figment: &Figment, tag: Tag, profile: Profile, values: LayerValues) -> Result<Self, Mismatch> {
        let mut root = effective(figment)?;
        let mut urls = BTreeMap::new();
        for (key, text) in &values {
            if let Some(value) = find(&mut root, key.segments()) {
                *value = Value::String(Tag::Default, text.expose_secret().to_owned());
            }
            let secrets: Vec<String> = text.secrets().iter().map(SecretId::url).collect();
            if !secrets.is_empty() {
                urls.insert(names(key), secrets.join(", "));
            }
        }
        let mut dict = Dict::new();
        values.keys().for_each(|key| copy_path(&root, &mut dict, key.segments()));
        let layer = figment.get_metadata(tag).cloned().unwrap_or_default();
        Ok(Self { profile, dict, metadata: with_secrets(layer, urls) })
    }
}

/// Appends the secret to each key that the metadata of a layer writes in errors.
fn with_secrets(layer: Metadata, urls: BTreeMap<Vec<String>, String>) -> Metadata {
    let urls = Arc::new(urls);
    layer.clone().interpolater(move |profile: &Profile, path: &[&str]| {
        // Only the layer itself identifies its secrets.
        if path.first().is_some_and(|step| step.starts_with('\0')) {
            return String::new();
        }
        let key = layer.interpolate(profile, path);
        let path: Vec<String> = path.iter().map(ToString::to_string).collect();
        match urls.get(&path) {
            Some(url) => format!("{key} (Key Vault secret {url})"),
            None => key,
        }
    })
}

/// Rebuilds the figment without the values at `keys`. Each is removed from the profile that it is in effect from, so
/// that the value of a lower profile may apply.
fn without(figment: Figment, mut keys: Vec<Key>) -> Result<Figment, Mismatch> {
    let mut data = data(&figment)?;
    // Last key first, so that removing an element does not shift the index of one that is still to be removed.
    keys.sort();
    for key in keys.iter().rev() {
        let Some(profile) = profile_of(&figment, &mut data, key) else { continue };
        if let Some(dict) = data.get_mut(&profile) {
            remove(dict, key.segments());
        }
    }
    Ok(with_data(figment, data))
}

/// Rebuilds the figment with other values.
pub(crate) fn with_data(figment: Figment, data: Map<Profile, Dict>) -> Figment {
    Figment::from(Rebuilt { profile: figment.profile().clone(), data, original: figment })
}

/// Returns a figment with the metadata of `figment` and no values but those of `root`.
pub(crate) fn with_values(figment: &Figment, root: &Value) -> Figment {
    let dict = root.as_dict().cloned().unwrap_or_default();
    let data = Map::from([(Profile::Default, dict)]);
    Figment::from(Rebuilt { profile: figment.profile().clone(), data, original: figment.clone() })
}

/// Sets the value at `key`, which keeps its tag, or removes it.
pub(crate) fn set(root: &mut Value, key: &[Segment], scalar: Option<&Scalar>) {
    let (Some(scalar), Some((last, parent))) = (scalar, key.split_last()) else {
        if let Value::Dict(_, dict) = root {
            remove(dict, key);
        }
        return;
    };
    let tag = find(root, key).map_or(Tag::Default, |value| value.tag());
    let value = value_of(scalar, tag);
    match (find(root, key), last) {
        (Some(place), _) => *place = value,
        (None, Segment::Name(name)) => {
            if let Some(Value::Dict(_, dict)) = find(root, parent) {
                dict.insert(name.to_string(), value);
            }
        }
        _ => {}
    }
}

pub(crate) fn value_of(scalar: &Scalar, tag: Tag) -> Value {
    match scalar {
        Scalar::Bool(b) => Value::Bool(tag, *b),
        Scalar::Integer(n) => match (i64::try_from(*n), u64::try_from(*n)) {
            (_, Ok(n)) => Value::Num(tag, n.into()),
            (Ok(n), _) => Value::Num(tag, n.into()),
            _ => Value::Num(tag, (*n).into()),
        },
        Scalar::Float(n) => Value::Num(tag, (*n).into()),
        Scalar::Text(text) => Value::String(tag, text.to_string()),
    }
}

/// A figment with other data and the same metadata.
struct Rebuilt {
    original: Figment,
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

    // figment uses this hidden method to keep metadata when it merges one figment into another. No public way to remove
    // a value exists.
    fn __metadata_map(&self) -> Option<Map<Tag, Metadata>> {
        self.original.__metadata_map()
    }
}

pub(crate) fn data(figment: &Figment) -> Result<Map<Profile, Dict>, Mismatch> {
    figment.data().map_err(|error| unreadable(&error))
}

/// Returns the profile whose value at `key` is in effect: the highest one with a value.
pub(crate) fn profile_of(figment: &Figment, data: &mut Map<Profile, Dict>, key: &Key) -> Option<Profile> {
    let highest_first = [Profile::Global, figment.profile().clone(), Profile::Default];
    highest_first
        .into_iter()
        .find(|profile| data.get_mut(profile).and_then(|dict| find_in(dict, key.segments())).is_some())
}

fn find<'v>(value: &'v mut Value, key: &[Segment]) -> Option<&'v mut Value> {
    match (value, key) {
        (value, []) => Some(value),
        (Value::Dict(_, dict), key) => find_in(dict, key),
        (Value::Array(_, items), [Segment::Index(index), rest @ ..]) => find(items.get_mut(*index)?, rest),
        _ => None,
    }
}

pub(crate) fn find_in<'v>(dict: &'v mut Dict, key: &[Segment]) -> Option<&'v mut Value> {
    let [Segment::Name(name), rest @ ..] = key else { return None };
    find(dict.get_mut(&**name)?, rest)
}

/// Copies the value at `key` with the tables above it. An array is copied as a whole, because a merge replaces arrays.
fn copy_path(root: &Value, dict: &mut Dict, key: &[Segment]) {
    let (Value::Dict(_, from), [Segment::Name(name), rest @ ..]) = (root, key) else { return };
    let Some(value) = from.get(&**name) else { return };
    match (value, rest) {
        (Value::Dict(tag, _), [_, ..]) => {
            let child = dict.entry(name.to_string()).or_insert_with(|| Value::Dict(*tag, Dict::new()));
            if let Value::Dict(_, child) = child {
                copy_path(value, child, rest);
            }
        }
        _ => _ = dict.entry(name.to_string()).or_insert_with(|| value.clone()),
    }
}

fn remove(dict: &mut Dict, key: &[Segment]) {
    match key {
        [Segment::Name(name)] => _ = dict.remove(&**name),
        [parent @ .., Segment::Name(name)] => {
            if let Some(Value::Dict(_, dict)) = find_in(dict, parent) {
                dict.remove(&**name);
            }
        }
        [parent @ .., Segment::Index(index)] => match find_in(dict, parent) {
            Some(Value::Array(_, items)) if *index < items.len() => _ = items.remove(*index),
            _ => {}
        },
        [] => {}
    }
}
