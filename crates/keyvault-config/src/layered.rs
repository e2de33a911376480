//! Layers over a vault, kept live.

use config::builder::DefaultState;
use config::{Config, ConfigBuilder, ConfigError};
use keyvault::{Layers, LiveBuilder, Mismatch, NamedSecrets, Resolver};

use crate::mismatch::mismatch;
use crate::source::KeyVaultSource;
use crate::tree::ConfigTree;

/// Puts the secrets of `vault` under `layers`, and resolves every reference in what comes out.
///
/// `layers` is called at the start and at every refresh, so files and variables are read anew each time. Whatever it
/// sets beats a secret of the same key, and so do its defaults: [`layered_with`] can put the vault over those.
///
/// What it costs and how it fails stands at [`LiveBuilder::start`].
pub fn layered<F>(vault: impl Into<Resolver>, layers: F) -> LiveBuilder<impl Layers>
where
    F: Fn() -> ConfigBuilder<DefaultState> + Send + Sync + 'static,
{
    // A builder takes no source below those that it has, but what it builds is a source itself.
    live(vault, move |secrets| Config::builder().add_source(secrets).add_source(layers().build()?).build())
}

/// Gives the secrets of `vault` to `layers` to be put at any place among them, and resolves every reference in what
/// comes out.
///
/// # Examples
///
/// The vault over the file and under the environment:
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
    let merge = move |named: &NamedSecrets| -> Result<ConfigTree, Mismatch> {
        let config = build(KeyVaultSource::new(named.clone())).map_err(|error| mismatch(&error))?;
        Ok(ConfigTree::new(config, named.clone()))
    };
    LiveBuilder::new(vault, merge)
}
