//! Settings in layers that follow rotation.

use std::cell::LazyCell;
use std::fmt;

use figment::Figment;
use keyvault::settings::{MappedSecrets, Mismatch};
use keyvault::{Layers, LiveBuilder, Resolver};

use crate::place::{is_of_secrets, list_of, place_in_lists};
use crate::secret_layer::{KeyVaultProvider, Lists};
use crate::tree::FigmentTree;
use crate::values::parts_of;

/// Puts the secrets of `vault` below `layers`, and resolves every reference in the merged values.
///
/// Each start and each refresh calls `layers`, so that files and variables are read again. A value of `layers`, even a
/// default, overrides a secret of the same key. Use [`layered_with`] to let secrets override some of the layers. A
/// default that hides a secret is reported and logged as a warning; see [`NameMap::hidden`](keyvault::NameMap::hidden).
///
/// [`LiveBuilder::start`] describes the cost and the errors.
pub fn layered<F>(vault: impl Into<Resolver>, layers: F) -> LiveBuilder<FigmentLayers>
where
    F: Fn() -> Figment + Send + Sync + 'static,
{
    LiveBuilder::new(vault, FigmentLayers(Merge::Below(Box::new(layers))))
}

/// Lets `layers` put the secrets of `vault` at any place among the layers, and resolves every reference in the merged
/// values.
///
/// Each load calls `layers` once, and once more if the index in a secret's name means an element of a list that another
/// layer sets too: figment does not reveal in any other way which of the two is above the other.
///
/// Secrets belong to figment's default profile. A value of another selected profile or of the global profile overrides
/// them at any place.
///
/// # Examples
///
/// Secrets override the file, and the environment overrides secrets:
///
/// ```
#[doc = concat!("# use ", env!("CARGO_CRATE_NAME"), " as keyvault_figment;")]
/// use figment::Figment;
/// use figment::providers::{Env, Format, Toml};
/// use keyvault::{InMemory, LiveBuilder};
/// use keyvault_figment::FigmentLayers;
///
/// fn settings(vault: InMemory) -> LiveBuilder<FigmentLayers> {
///     keyvault_figment::layered_with(vault, |secrets| {
///         Figment::new()
///             .merge(Toml::file("settings.toml"))
///             .merge(secrets)
///             .merge(Env::prefixed("SHOP_").split("__"))
///     })
/// }
/// ```
pub fn layered_with<F>(vault: impl Into<Resolver>, layers: F) -> LiveBuilder<FigmentLayers>
where
    F: Fn(KeyVaultProvider) -> Figment + Send + Sync + 'static,
{
    LiveBuilder::new(vault, FigmentLayers(Merge::Among(Box::new(layers))))
}

/// The layers of [`layered`] or [`layered_with`].
///
/// The closure is boxed, so that merging is compiled once, in this crate, and not in each program.
pub struct FigmentLayers(Merge);

enum Merge {
    /// The secrets are below all layers.
    Below(Box<dyn Fn() -> Figment + Send + Sync>),
    /// The closure places the secrets.
    Among(Box<dyn Fn(KeyVaultProvider) -> Figment + Send + Sync>),
}

impl Layers for FigmentLayers {
    type Tree = FigmentTree;

    fn merge(&self, mapped: &MappedSecrets) -> Result<FigmentTree, Mismatch> {
        let secrets = |lists| KeyVaultProvider::new(mapped.clone(), lists);
        let has_lists = mapped.entries().any(|(key, _)| list_of(&key).is_some());
        let figment = match &self.0 {
            Merge::Below(layers) => layers().join(secrets(Lists::Absent)),
            Merge::Among(layers) => layers(secrets(Lists::Absent)),
        };
        let figment = match &self.0 {
            _ if !has_lists => figment,
            Merge::Below(_) => place_in_lists(figment, mapped, |_| false)?,
            // figment does not reveal which of two layers is above the other, so the closure runs once more if a secret
            // and another layer set the same element.
            Merge::Among(layers) => {
                let with_lists = LazyCell::new(|| layers(secrets(Lists::Marked)));
                let mut parts = parts_of(&figment, mapped);
                // Of two that no layer overrides, the settings of stores are put first.
                parts.reverse();
                parts.iter().try_fold(figment, |figment, (_, part)| {
                    place_in_lists(figment, part, |list| is_of_secrets(&with_lists, part, list))
                })?
            }
        };
        Ok(FigmentTree::new(figment, mapped.clone()))
    }
}

impl fmt::Debug for FigmentLayers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FigmentLayers").finish_non_exhaustive()
    }
}
