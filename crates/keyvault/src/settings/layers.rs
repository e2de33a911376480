//! The layers of a framework and its merged tree, as an adapter implements them.

use serde::de::DeserializeOwned;

use super::config_value::ConfigValue;
use super::mapped::MappedSecrets;
use super::mismatch::Mismatch;
use super::resolved::Resolved;

/// The layers of a configuration framework: what makes its merged tree, again at every refresh.
///
/// Implemented by closures.
pub trait Layers: Send + Sync + 'static {
    /// The merged tree.
    type Tree: Tree;

    /// Merges the layers, with the secrets that were mapped by name at their place among them. Reads files; does not
    /// wait.
    fn merge(&self, named: &MappedSecrets) -> Result<Self::Tree, Mismatch>;
}

impl<F, R> Layers for F
where
    F: Fn(&MappedSecrets) -> Result<R, Mismatch> + Send + Sync + 'static,
    R: Tree,
{
    type Tree = R;

    fn merge(&self, named: &MappedSecrets) -> Result<R, Mismatch> {
        self(named)
    }
}

/// The merged values of a framework, as a tree that references are resolved in.
///
/// An adapter writes these three over its framework's own type; everything else — fetching, comparing, publishing — is
/// core's.
pub trait Tree: Send + Sized + 'static {
    /// Gives every value that is in effect.
    fn leaves(&self) -> Result<Vec<ConfigValue>, Mismatch>;

    /// Puts resolved text in the place of values, and takes out those that turned out to be absent.
    fn replace(self, resolved: Vec<(ConfigValue, Option<Resolved>)>) -> Result<Self, Mismatch>;

    /// Makes typed settings.
    fn extract<T: DeserializeOwned>(self) -> Result<T, Mismatch>;
}
