//! A store that answers from a sealed snapshot instead of a vault.

use std::sync::Arc;

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::{self, BoxStream};

use crate::error::{Error, ErrorKind, Result};
use crate::resolver::{Resolver, Snapshot};
use crate::secret::{Secret, SecretId, SecretName, SecretProperties, Vault};
use crate::store::SecretStore;

/// Creates a resolver for the vaults of `resolver` that answers from `snapshot`.
pub(super) fn resolver(resolver: &Resolver, snapshot: Snapshot) -> Resolver {
    let snapshot = Arc::new(snapshot);
    resolver.with_stores(|vault| Arc::new(SealedStore { vault: vault.clone(), snapshot: Arc::clone(&snapshot) }))
}

/// One vault in the state that was sealed.
#[derive(Debug)]
struct SealedStore {
    vault: Vault,
    snapshot: Arc<Snapshot>,
}

impl SealedStore {
    /// Returns the secret that was requested as `id`, or a secret of that version that was requested as the latest.
    fn find(&self, id: &SecretId) -> Option<&Secret> {
        let of_version = || self.snapshot.iter().map(|(_, secret)| secret).find(|secret| secret.id() == id);
        self.snapshot.get(id).or_else(of_version)
    }
}

#[async_trait]
impl SecretStore for SealedStore {
    fn vault(&self) -> &Vault {
        &self.vault
    }

    async fn get(&self, id: &SecretId) -> Result<Secret> {
        match self.find(id) {
            Some(secret) => Ok(secret.clone()),
            None if self.snapshot.absent().contains(id) => {
                Err(Error::new(ErrorKind::NotFound, "secret not found").about(id))
            }
            // The secret may exist, so its absence must not let a default apply.
            None => Err(unavailable("sealed snapshot does not contain this secret").about(id)),
        }
    }

    fn list(&self) -> BoxStream<'_, Result<SecretProperties>> {
        match self.snapshot.listed() {
            Some(listed) => stream::iter(listed.values().cloned().map(Ok)).boxed(),
            None => {
                let error = unavailable("sealed snapshot does not contain the names of the secrets");
                stream::iter([Err(error)]).boxed()
            }
        }
    }

    fn versions(&self, name: &SecretName) -> BoxStream<'_, Result<SecretProperties>> {
        let id = SecretId::new(self.vault.clone(), name.clone());
        let error = unavailable("sealed snapshot does not contain the versions of secrets").about(&id);
        stream::iter([Err(error)]).boxed()
    }
}

fn unavailable(clause: &'static str) -> Error {
    Error::new(ErrorKind::Unavailable, clause)
}
