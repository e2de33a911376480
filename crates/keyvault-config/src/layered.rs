//! Settings in layers that follow rotation.

use config::builder::DefaultState;
use config::{Config, ConfigBuilder, ConfigError};
use keyvault::settings::{MappedSecrets, Mismatch};
use keyvault::{Layers, LiveBuilder, Resolver};

use crate::mismatch::mismatch;
use crate::secret_layer::KeyVaultSource;
use crate::tree::ConfigTree;

/// Puts the secrets of `vault` below `layers`, and resolves every reference in the merged values.
///
/// Each start and each refresh calls `layers`, so that files and variables are read again. A value of `layers`, even a
/// default, overrides a secret of the same key. Use [`layered_with`] to let secrets override some of the layers.
///
/// [`LiveBuilder::start`] describes the cost and the errors.
pub fn layered<F>(vault: impl Into<Resolver>, layers: F) -> LiveBuilder<impl Layers>
where
    F: Fn() -> ConfigBuilder<DefaultState> + Send + Sync + 'static,
{
    // A builder cannot add a source below its others, but a built `Config` is a source itself.
    live(vault, move |secrets| Config::builder().add_source(secrets).add_source(layers().build()?).build())
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
/// # use keyvault::InMemory;
///
/// # fn example(vault: InMemory) -> keyvault::LiveBuilder<impl keyvault::Layers> {
/// keyvault_config::layered_with(vault, |secrets| {
///     Config::builder()
///         .add_source(File::with_name("settings"))
///         .add_source(secrets)
///         .add_source(Environment::with_prefix("SHOP").prefix_separator("_").separator("__"))
/// })
/// # }
/// ```
pub fn layered_with<F>(vault: impl Into<Resolver>, layers: F) -> LiveBuilder<impl Layers>
where
    F: Fn(KeyVaultSource) -> ConfigBuilder<DefaultState> + Send + Sync + 'static,
{
    live(vault, move |secrets| layers(secrets).build())
}

fn live<F>(vault: impl Into<Resolver>, build: F) -> LiveBuilder<impl Layers>
where
    F: Fn(KeyVaultSource) -> Result<Config, ConfigError> + Send + Sync + 'static,
{
    let merge = move |secrets: &MappedSecrets| -> Result<ConfigTree, Mismatch> {
        let config = build(KeyVaultSource::new(secrets.clone())).map_err(|error| mismatch(&error))?;
        Ok(ConfigTree::new(config, secrets.clone()))
    };
    LiveBuilder::new(vault, merge)
}
