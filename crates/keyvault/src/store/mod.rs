//! The interface to a source of secrets: a [`SecretStore`] returns the secrets of one vault.
//!
//! Read the trait here, then [`InMemory`], a vault without Azure. `testing` is the suite that every implementation must
//! pass; the module `client` holds the implementation for Azure.

mod in_memory;
#[cfg(feature = "testing")]
pub mod testing;

use std::any::Any;
use std::fmt;

use async_trait::async_trait;
use futures::stream::BoxStream;

pub use self::in_memory::{InMemory, ReadCounts};
use crate::error::Result;
use crate::secret::{Secret, SecretId, SecretName, SecretProperties, Vault};

/// A source of the secrets of one vault.
///
/// [`SecretClient`](crate::SecretClient) fetches them from Azure, [`InMemory`] holds them in this process, and your own
/// implementation may use anything else. Caching, coalescing of concurrent fetches, concurrency limits and refresh are
/// above this trait, in [`Resolver`](crate::Resolver) and [`Live`](crate::Live); an implementation only adds a deadline
/// to each call. The feature `testing` has a suite that checks an implementation.
///
/// # Examples
///
/// A store that wraps another one: here a copy of a vault that answers in its place. Identifiers name the vault that is
/// replaced, so each is translated; errors name the identifier that was requested.
///
/// ```
/// use std::sync::Arc;
///
/// use async_trait::async_trait;
/// use futures::stream::{BoxStream, StreamExt};
/// use keyvault::{
///     InMemory, Resolver, Result, Secret, SecretId, SecretName, SecretProperties, SecretStore, Vault,
/// };
///
/// /// Answers for `vault` with the secrets of `copy`.
/// #[derive(Debug)]
/// struct CopyOf {
///     vault: Vault,
///     copy: Arc<dyn SecretStore>,
/// }
///
/// /// Names the same secret in another vault.
/// fn in_vault(vault: &Vault, id: &SecretId) -> SecretId {
///     let latest = SecretId::new(vault.clone(), id.name().clone());
///     match id.version() {
///         Some(version) => latest.with_version(version.clone()),
///         None => latest,
///     }
/// }
///
/// impl CopyOf {
///     fn translated(&self, properties: &SecretProperties) -> SecretProperties {
///         properties.clone().with_id(in_vault(&self.vault, properties.id()))
///     }
/// }
///
/// #[async_trait]
/// impl SecretStore for CopyOf {
///     fn vault(&self) -> &Vault {
///         &self.vault
///     }
///
///     async fn get(&self, id: &SecretId) -> Result<Secret> {
///         let secret = self.copy.get(&in_vault(self.copy.vault(), id)).await.map_err(|error| error.about(id))?;
///         Ok(Secret::new(self.translated(secret.properties()), secret.expose_secret(), secret.as_of()))
///     }
///
///     fn list(&self) -> BoxStream<'_, Result<SecretProperties>> {
///         self.copy.list().map(|item| Ok(self.translated(&item?))).boxed()
///     }
///
///     fn versions(&self, name: &SecretName) -> BoxStream<'_, Result<SecretProperties>> {
///         self.copy.versions(name).map(|item| Ok(self.translated(&item?))).boxed()
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<()> {
/// let copy = InMemory::new("https://contoso-west.vault.azure.net".parse()?);
/// copy.set("db-password", "correct horse")?;
/// let vault = CopyOf { vault: "https://contoso.vault.azure.net".parse()?, copy: Arc::new(copy) };
/// let text = "@KeyVault(SecretUri=https://contoso.vault.azure.net/secrets/db-password)";
/// let password = Resolver::from(vault).resolve(text).await?;
/// assert_eq!(password.expect("no reference is optional").expose_secret(), "correct horse");
/// # Ok(())
/// # }
/// ```
#[async_trait]
pub trait SecretStore: Any + fmt::Debug + Send + Sync {
    /// Returns the vault of this store. The resolver sends references to another vault to another store.
    fn vault(&self) -> &Vault;

    /// Fetches one secret: the version that `id` names, or the latest.
    ///
    /// The returned secret names its version. `id` belongs to this store's vault.
    async fn get(&self, id: &SecretId) -> Result<Secret>;

    /// Lists the properties of every secret, disabled ones too, in no particular order.
    ///
    /// The identifier of an item has no version; its dates are those of the latest version.
    fn list(&self) -> BoxStream<'_, Result<SecretProperties>>;

    /// Lists the properties of every version of a secret, disabled ones too, in no particular order.
    ///
    /// The identifier of an item has its version. A secret that does not exist gives an empty list or an error.
    fn versions(&self, name: &SecretName) -> BoxStream<'_, Result<SecretProperties>>;
}
