//! A configuration as a tree in which references are resolved.

use std::fmt;
use std::path::PathBuf;

use config::{Config, Value};
use keyvault::settings::{ConfigValue, Key, MappedSecrets, Mismatch, Resolved, Scalar, Tree, Values, extract_again};
use serde::de::DeserializeOwned;

use crate::deserializer::ValueDeserializer;
use crate::origin::file;
use crate::replace::{put, remove, set};
use crate::values::{find, scalars, values};

/// The merged values of a configuration.
pub struct ConfigTree {
    config: Config,
    /// The secrets that were passed to the layers.
    secrets: MappedSecrets,
}

impl ConfigTree {
    pub(crate) fn new(config: Config, secrets: MappedSecrets) -> Self {
        Self { config, secrets }
    }

    pub(crate) fn into_config(self) -> Config {
        self.config
    }
}

impl fmt::Debug for ConfigTree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConfigTree").finish_non_exhaustive()
    }
}

impl Tree for ConfigTree {
    fn leaves(&self) -> Result<Vec<ConfigValue>, Mismatch> {
        Ok(values(&self.config.cache, &self.secrets))
    }

    fn replace(mut self, mut resolved: Vec<(ConfigValue, Option<Resolved>)>) -> Result<Self, Mismatch> {
        // Last key first, so that removing an element does not shift the index of one that is still to be replaced.
        resolved.sort_by(|(one, _), (other, _)| other.key().cmp(one.key()));
        for (value, text) in resolved {
            let key = value.key().segments();
            match text {
                Some(text) => put(&mut self.config.cache, key, &text),
                None => remove(&mut self.config.cache, key),
            }
        }
        Ok(self)
    }

    fn extract<T: DeserializeOwned>(self) -> Result<T, Mismatch> {
        let extract = |root: &Root| T::deserialize(ValueDeserializer(&root.0));
        let root = Root(self.config.cache);
        extract(&root).or_else(|mismatch| extract_again(root, mismatch, extract))
    }
}

/// The table of all values.
#[derive(Clone)]
struct Root(Value);

impl Values for Root {
    fn scalars(&self) -> Vec<(Key, Scalar)> {
        scalars(&self.0)
    }

    fn file(&self, key: &Key) -> Option<PathBuf> {
        find(&self.0, key.segments()).and_then(file).map(PathBuf::from)
    }

    fn set(&mut self, key: &Key, value: Option<&Scalar>) {
        match value {
            Some(value) => set(&mut self.0, key.segments(), value),
            None => remove(&mut self.0, key.segments()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_value() {
        let config = Config::builder().set_override("value", "canary").unwrap().build().unwrap();
        let tree = ConfigTree::new(config, MappedSecrets::default());
        assert_eq!(tree.leaves().unwrap().len(), 1);
        assert!(!format!("{tree:?}").contains("canary"), "{tree:?}");
    }
}
