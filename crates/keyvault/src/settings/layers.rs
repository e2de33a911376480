//! The layers of a framework and its merged tree, as an adapter implements them.

use serde::de::DeserializeOwned;

use super::config_value::ConfigValue;
use super::mapped::MappedSecrets;
use super::mismatch::Mismatch;
use super::resolved::Resolved;

/// The layers of a configuration framework, which every load merges anew.
///
/// Closures implement it.
pub trait Layers: Send + Sync + 'static {
    /// The merged tree.
    type Tree: Tree;

    /// Merges the layers, with the secrets that were mapped by name at their place among them.
    ///
    /// May read files. Must not wait for the network.
    ///
    /// # Errors
    ///
    /// A [`Mismatch`] if a layer cannot be read or merged.
    fn merge(&self, mapped: &MappedSecrets) -> Result<Self::Tree, Mismatch>;
}

impl<F, R> Layers for F
where
    F: Fn(&MappedSecrets) -> Result<R, Mismatch> + Send + Sync + 'static,
    R: Tree,
{
    type Tree = R;

    fn merge(&self, mapped: &MappedSecrets) -> Result<R, Mismatch> {
        self(mapped)
    }
}

/// The merged values of a framework, as a tree in which references are resolved.
///
/// An adapter implements these three methods over its framework's own type. Core does the rest: it fetches, compares
/// and publishes.
pub trait Tree: Send + Sized + 'static {
    /// Returns every value that is in effect.
    fn leaves(&self) -> Result<Vec<ConfigValue>, Mismatch>;

    /// Replaces each value by its resolved text, or removes it if the text is `None`.
    fn replace(self, resolved: Vec<(ConfigValue, Option<Resolved>)>) -> Result<Self, Mismatch>;

    /// Deserialises the tree into typed settings.
    fn extract<T: DeserializeOwned>(self) -> Result<T, Mismatch>;
}
