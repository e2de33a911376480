//! The interface to a source of secrets: a [`SecretStore`] returns the secrets of one vault.
//!
//! Read the trait here, then [`InMemory`], a vault without Azure. `testing` is the suite that every implementation must
//! pass; the `client` room holds the implementation for Azure.

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
