//! Layers over a vault, kept live.

use figment::Figment;
use keyvault::{Layers, LiveBuilder, NamedSecrets, Resolver};

use crate::provider::KeyVaultProvider;
use crate::tree::FigmentTree;

/// Puts the secrets of `vault` under `layers`, and resolves every reference in what comes out.
///
/// `layers` is called at the start and at every refresh, so files and variables are read anew each time. Whatever it
/// sets beats a secret of the same key, and so do its defaults: [`layered_with`] can put the vault over those.
///
/// What it costs and how it fails stands at [`LiveBuilder::start`].
pub fn layered<F>(vault: impl Into<Resolver>, layers: F) -> LiveBuilder<impl Layers>
where
    F: Fn() -> Figment + Send + Sync + 'static,
{
    layered_with(vault, move |secrets| layers().join(secrets))
}

/// Gives the secrets of `vault` to `layers` to be put at any place among them, and resolves every reference in what
/// comes out.
///
/// Secrets are of figment's default profile: what another selected profile or the global one sets beats them at any place.
///
/// # Examples
///
/// The vault over the file and under the environment:
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
    let merge =
        move |named: &NamedSecrets| Ok(FigmentTree::new(layers(KeyVaultProvider::new(named.clone())), named.clone()));
    LiveBuilder::new(vault, merge)
}
