//! The one seam to the outside: where secrets are got from.

use std::fmt;

use async_trait::async_trait;
use futures::stream::BoxStream;

use crate::error::Result;
use crate::name::SecretName;
use crate::properties::SecretProperties;
use crate::secret::{Secret, SecretId};
use crate::vault::Vault;

/// One vault that secrets are got from.
///
/// [`SecretClient`](crate::SecretClient) asks Azure, [`InMemory`](crate::InMemory) holds secrets in this process, and your
/// own implementation may ask anything else. Caching, single flight, concurrency and refresh are above this trait, in
/// [`Resolver`](crate::Resolver) and [`Live`](crate::Live); an implementation adds a deadline to what it does and nothing
/// more. The feature `testing` has a suite that judges one.
#[async_trait]
pub trait SecretStore: fmt::Debug + Send + Sync + 'static {
    /// Tells which vault this is. References to another vault go to another store.
    fn vault(&self) -> &Vault;

    /// Fetches one secret: the version that `id` names, or the latest.
    ///
    /// The answer names its version. `id` is of this vault.
    async fn get(&self, id: &SecretId) -> Result<Secret>;

    /// Lists the properties of every secret, disabled ones too, in no particular order.
    ///
    /// An item's id has no version; its dates are those of the latest version.
    fn list(&self) -> BoxStream<'_, Result<SecretProperties>>;

    /// Lists the properties of every version of a secret, disabled ones too, in no particular order.
    ///
    /// An item's id has its version. A secret that does not exist has none, or is an error.
    fn versions(&self, name: &SecretName) -> BoxStream<'_, Result<SecretProperties>>;
}
