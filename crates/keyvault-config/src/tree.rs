//! A configuration as a tree that references are resolved in.

use config::{Config, Value, ValueKind};
use keyvault::{Key, Leaf, Mismatch, NamedSecrets, Resolved, SecretId, Segment, Tree};
use serde::de::DeserializeOwned;

use crate::mismatch::mismatch_at;
use crate::place;

/// A configuration of which the merged values count.
pub(crate) struct ConfigTree {
    config: Config,
    /// The secrets that were given to the layers.
    named: NamedSecrets,
}

impl ConfigTree {
    pub(crate) fn new(config: Config, named: NamedSecrets) -> Self {
        Self { config, named }
    }

    pub(crate) fn into_config(self) -> Config {
        self.config
    }

    fn walk(&self, value: &Value, key: &Key, leaves: &mut Vec<Leaf>) {
        match &value.kind {
            ValueKind::Table(table) if !table.is_empty() => {
                table.iter().for_each(|(name, value)| self.walk(value, &key.member(name), leaves));
            }
            ValueKind::Array(items) if !items.is_empty() => {
                items.iter().enumerate().for_each(|(i, item)| self.walk(item, &key.element(i), leaves));
            }
            _ if key.segments().is_empty() => {}
            // An empty table or list comes and goes like any other value.
            kind => leaves.push(self.leaf(value, kind, key)),
        }
    }

    fn leaf(&self, value: &Value, kind: &ValueKind, key: &Key) -> Leaf {
        if let Some(url) = place::secret(value) {
            // It is the one that has this key, unless the layers brought others with them, or moved one to another key.
            let given = self.named.get(key).filter(|secret| secret.id().url() == url);
            let given = given.map(|secret| Leaf::named(key.clone(), secret));
            let earlier = || Some(Leaf::earlier(key.clone(), SecretId::parse(url).ok()?));
            if let Some(leaf) = given.or_else(earlier) {
                return leaf;
            }
        }
        let place = place::place(value, key);
        let key = key.clone();
        match kind {
            ValueKind::String(text) => match place::file(value) {
                Some(file) => Leaf::text(key, place, text.as_str()).in_file(file),
                None => Leaf::text(key, place, text.as_str()),
            },
            _ => Leaf::other(key, place, format!("{kind:?}")),
        }
    }
}

impl Tree for ConfigTree {
    fn leaves(&self) -> Result<Vec<Leaf>, Mismatch> {
        let mut leaves = Vec::new();
        self.walk(&self.config.cache, &Key::root(), &mut leaves);
        Ok(leaves)
    }

    fn replace(mut self, mut resolved: Vec<(Leaf, Option<Resolved>)>) -> Result<Self, Mismatch> {
        // From the end, so that the indexes of an array hold while elements are taken out.
        resolved.sort_by(|(one, _), (other, _)| other.key().cmp(one.key()));
        for (leaf, text) in resolved {
            match text {
                Some(text) => put(&mut self.config.cache, leaf.key().segments(), &text),
                None => remove(&mut self.config.cache, leaf.key().segments()),
            }
        }
        Ok(self)
    }

    fn extract<T: DeserializeOwned>(self) -> Result<T, Mismatch> {
        serde_path_to_error::deserialize(self.config).map_err(|error| mismatch_at(error.path(), error.inner()))
    }
}

/// Replaces the whole value, for its origin can be given to a new one only.
fn put(root: &mut Value, key: &[Segment], text: &Resolved) {
    let Some(value) = find(root, key) else { return };
    let urls: Vec<String> = text.secrets().iter().map(keyvault::SecretId::url).collect();
    let origin = match (value.origin(), urls.is_empty()) {
        (origin, true) => origin.map(str::to_owned),
        (Some(origin), false) => Some(format!("{origin} (Key Vault secret {})", urls.join(", "))),
        (None, false) => Some(format!("Key Vault secret {}", urls.join(", "))),
    };
    *value = Value::new(origin.as_ref(), text.expose_secret());
}

fn remove(root: &mut Value, key: &[Segment]) {
    let Some((last, above)) = key.split_last() else { return };
    let Some(value) = find(root, above) else { return };
    match (&mut value.kind, last) {
        (ValueKind::Table(table), Segment::Name(name)) => _ = table.remove(&**name),
        (ValueKind::Array(items), Segment::Index(index)) if *index < items.len() => _ = items.remove(*index),
        _ => {}
    }
}

fn find<'v>(value: &'v mut Value, key: &[Segment]) -> Option<&'v mut Value> {
    let [step, rest @ ..] = key else { return Some(value) };
    let below = match (&mut value.kind, step) {
        (ValueKind::Table(table), Segment::Name(name)) => table.get_mut(&**name)?,
        (ValueKind::Array(items), Segment::Index(index)) => items.get_mut(*index)?,
        _ => return None,
    };
    find(below, rest)
}
