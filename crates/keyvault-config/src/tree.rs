//! A configuration as a tree in which references are resolved.

use std::fmt;

use config::Config;
use keyvault::settings::{ConfigValue, MappedSecrets, Mismatch, Resolved, Tree};
use serde::de::DeserializeOwned;

use crate::mismatch::mismatch_at;
use crate::replace::{put, remove};
use crate::values::values;

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
        serde_path_to_error::deserialize(self.config).map_err(|error| mismatch_at(error.path(), error.inner()))
    }
}
