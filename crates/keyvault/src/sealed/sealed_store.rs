//! Vaults that cannot be reached, answered for by what was sealed.

use std::sync::Arc;

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::{self, BoxStream};

use crate::error::{Error, ErrorKind, Result};
use crate::resolver::{Resolver, Snapshot};
use crate::secret::{Secret, SecretId, SecretName, SecretProperties, Vault};
use crate::store::SecretStore;

/// Gives a resolver for the vaults of `resolver`, to whose questions `snapshot` has the answers.
pub(super) fn resolver(resolver: &Resolver, snapshot: Snapshot) -> Resolver {
    let snapshot = Arc::new(snapshot);
    resolver.with_stores(|vault| Arc::new(Offline { vault: vault.clone(), snapshot: Arc::clone(&snapshot) }))
}

/// One vault as it was when it was sealed.
#[derive(Debug)]
struct Offline {
    vault: Vault,
    snapshot: Arc<Snapshot>,
}

impl Offline {
    /// Finds the secret that was asked for as `id`; or one that was asked for as the latest and is of that version.
    fn find(&self, id: &SecretId) -> Option<&Secret> {
        let held = || self.snapshot.iter().map(|(_, secret)| secret).find(|secret| secret.id() == id);
        self.snapshot.get(id).or_else(held)
    }
}

#[async_trait]
impl SecretStore for Offline {
    fn vault(&self) -> &Vault {
        &self.vault
    }

    async fn get(&self, id: &SecretId) -> Result<Secret> {
        match self.find(id) {
            Some(secret) => Ok(secret.clone()),
            None if self.snapshot.absent().contains(id) => {
                Err(Error::new(ErrorKind::NotFound, "secret not found").about(id))
            }
            // It may well exist, so that no default may take its place.
            None => Err(Error::new(ErrorKind::Unavailable, "sealed snapshot does not hold this secret").about(id)),
        }
    }

    fn list(&self) -> BoxStream<'_, Result<SecretProperties>> {
        match self.snapshot.listed() {
            Some(listed) => stream::iter(listed.values().cloned().map(Ok)).boxed(),
            None => {
                let error =
                    Error::new(ErrorKind::Unavailable, "sealed snapshot does not hold the names of the secrets");
                stream::iter([Err(error)]).boxed()
            }
        }
    }

    fn versions(&self, name: &SecretName) -> BoxStream<'_, Result<SecretProperties>> {
        let id = SecretId::new(self.vault.clone(), name.clone());
        let error =
            Error::new(ErrorKind::Unavailable, "sealed snapshot does not hold the versions of secrets").about(&id);
        stream::iter([Err(error)]).boxed()
    }
}
