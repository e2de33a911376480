//! Settings in layers that follow rotation.

use figment::Figment;
use keyvault::settings::MappedSecrets;
use keyvault::{Layers, LiveBuilder, Resolver};

use crate::secret_layer::KeyVaultProvider;
use crate::tree::FigmentTree;

/// Puts the secrets of `vault` below `layers`, and resolves every reference in the merged values.
///
/// Each start and each refresh calls `layers`, so that files and variables are read again. A value of `layers`, even a
/// default, overrides a secret of the same key. Use [`layered_with`] to let secrets override some of the layers.
///
/// [`LiveBuilder::start`] describes the cost and the errors.
pub fn layered<F>(vault: impl Into<Resolver>, layers: F) -> LiveBuilder<impl Layers>
where
    F: Fn() -> Figment + Send + Sync + 'static,
{
    layered_with(vault, move |secrets| layers().join(secrets))
}

/// Lets `layers` put the secrets of `vault` at any place among the layers, and resolves every reference in the merged
/// values.
///
/// Secrets belong to figment's default profile. A value of another selected profile or of the global profile overrides
/// them at any place.
///
/// # Examples
///
/// Secrets override the file, and the environment overrides secrets:
///
/// ```
/// use figment::Figment;
/// use figment::providers::{Env, Format, Toml};
/// # use keyvault::InMemory;
///
/// # fn example(vault: InMemory) -> keyvault::LiveBuilder<impl keyvault::Layers> {
/// keyvault_figment::layered_with(vault, |secrets| {
///     Figment::new()
///         .merge(Toml::file("settings.toml"))
///         .merge(secrets)
///         .merge(Env::prefixed("SHOP_").split("__"))
/// })
/// # }
/// ```
pub fn layered_with<F>(vault: impl Into<Resolver>, layers: F) -> LiveBuilder<impl Layers>
where
    F: Fn(KeyVaultProvider) -> Figment + Send + Sync + 'static,
{
    let merge = move |secrets: &MappedSecrets| {
        let figment = layers(KeyVaultProvider::new(secrets.clone()));
        Ok(FigmentTree::new(figment, secrets.clone()))
    };
    LiveBuilder::new(vault, merge)
}
