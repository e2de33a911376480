//! Resolving references once, without a background task.

use config::Config;
use keyvault::resolver::Loaded;
use keyvault::settings::{MappedSecrets, Origins};
use keyvault::{Report, Resolver, Result};
use serde::de::DeserializeOwned;

use crate::tree::ConfigTree;

/// Resolves every reference in `config`, in defaults and overrides too.
///
/// Costs one request for each distinct secret. Each value keeps its origin, with the secret appended.
///
/// # Errors
///
/// One error that reports every setting whose references cannot be resolved.
///
/// # Cancel safety
///
/// Dropping the future cancels the requests for which no other caller waits. Secrets that arrived stay in the cache.
pub async fn resolve(config: Config, vault: impl Into<Resolver>) -> Result<ResolvedConfig> {
    let loaded = vault.into().resolve_tree(ConfigTree::new(config, MappedSecrets::default())).await?;
    Ok(ResolvedConfig { loaded })
}

/// A configuration whose references are resolved.
///
/// `Debug` prints the origins of values, but no value.
#[derive(Debug)]
pub struct ResolvedConfig {
    loaded: Loaded<ConfigTree>,
}

impl ResolvedConfig {
    /// Deserializes the settings.
    ///
    /// # Errors
    ///
    /// [`InvalidSettings`](keyvault::ErrorKind::InvalidSettings) with the key, the origin and the expected type of a
    /// value that does not fit. The error does not contain the value.
    pub fn extract<T: DeserializeOwned>(self) -> Result<T> {
        self.loaded.extract()
    }

    /// Returns the origin of every value.
    pub fn origins(&self) -> &Origins {
        self.loaded.origins()
    }

    /// Returns the status of every reference.
    pub fn report(&self) -> &Report {
        self.loaded.report()
    }

    /// Returns the configuration. Its errors and its `Debug` print values, and secrets are among them.
    ///
    /// Do not resolve it again: a secret whose text looks like a reference would be resolved as one.
    pub fn into_config(self) -> Config {
        self.loaded.into_tree().into_config()
    }
}
