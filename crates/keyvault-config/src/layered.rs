//! Settings in layers that follow rotation.

use std::fmt;

use config::builder::DefaultState;
use config::{Config, ConfigBuilder, ConfigError};
use keyvault::settings::{MappedSecrets, Mismatch};
use keyvault::{Layers, LiveBuilder, Resolver};

use crate::mismatch::mismatch;
use crate::place::{Precedence, place_all};
use crate::secret_layer::KeyVaultSource;
use crate::tree::ConfigTree;

/// Puts the secrets of `vault` below `layers`, and resolves every reference in the merged values.
///
/// Each start and each refresh calls `layers`, so that files and variables are read again. A value of `layers`, even a
/// default, overrides a secret of the same key. Use [`layered_with`] to let secrets override some of the layers. A
/// default that hides a secret is reported and logged as a warning; see [`NameMap::hidden`](keyvault::NameMap::hidden).
///
/// [`LiveBuilder::start`] describes the cost and the errors.
pub fn layered<F>(vault: impl Into<Resolver>, layers: F) -> LiveBuilder<ConfigLayers>
where
    F: Fn() -> ConfigBuilder<DefaultState> + Send + Sync + 'static,
{
    LiveBuilder::new(vault, ConfigLayers(Merge::Below(Box::new(layers))))
}

/// Lets `layers` put the secrets of `vault` at any place among the layers, and resolves every reference in the merged
/// values.
///
/// # Examples
///
/// Secrets override the file, and the environment overrides secrets:
///
/// ```
/// use config::{Config, Environment, File};
/// use keyvault::{InMemory, LiveBuilder};
/// use keyvault_config::ConfigLayers;
///
/// fn settings(vault: InMemory) -> LiveBuilder<ConfigLayers> {
///     keyvault_config::layered_with(vault, |secrets| {
///         Config::builder()
///             .add_source(File::with_name("settings"))
///             .add_source(secrets)
///             .add_source(Environment::with_prefix("SHOP").prefix_separator("_").separator("__"))
///     })
/// }
/// ```
pub fn layered_with<F>(vault: impl Into<Resolver>, layers: F) -> LiveBuilder<ConfigLayers>
where
    F: Fn(KeyVaultSource) -> ConfigBuilder<DefaultState> + Send + Sync + 'static,
{
    LiveBuilder::new(vault, ConfigLayers(Merge::Among(Box::new(layers))))
}

/// The layers of [`layered`] or [`layered_with`].
///
/// The closure is boxed, so that merging is compiled once, in this crate, and not in each program.
pub struct ConfigLayers(Merge);

enum Merge {
    /// The secrets are below all layers.
    Below(Box<dyn Fn() -> ConfigBuilder<DefaultState> + Send + Sync>),
    /// The closure places the secrets.
    Among(Box<dyn Fn(KeyVaultSource) -> ConfigBuilder<DefaultState> + Send + Sync>),
}

impl ConfigLayers {
    fn build(&self, secrets: KeyVaultSource) -> Result<Config, ConfigError> {
        match &self.0 {
            Merge::Below(layers) => layers().build(),
            Merge::Among(layers) => layers(secrets).build(),
        }
    }
}

impl Layers for ConfigLayers {
    type Tree = ConfigTree;

    fn merge(&self, mapped: &MappedSecrets) -> Result<ConfigTree, Mismatch> {
        let mut config = self.build(KeyVaultSource::new(mapped.clone())).map_err(|error| mismatch(&error))?;
        // A builder cannot add a source below its others.
        if matches!(self.0, Merge::Below(_)) {
            place_all(&mut config.cache, mapped, Precedence::Value).map_err(|misplaced| misplaced.mismatch)?;
        }
        Ok(ConfigTree::new(config, mapped.clone()))
    }
}

impl fmt::Debug for ConfigLayers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConfigLayers").finish_non_exhaustive()
    }
}
