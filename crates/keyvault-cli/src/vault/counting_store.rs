//! A store that counts its requests, for the progress display.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures::stream::BoxStream;
use keyvault::{Result, Secret, SecretClient, SecretId, SecretName, SecretProperties, SecretStore, Vault};

use super::item_timeout::with_item_timeout;

/// A client that counts the secrets it fetched.
#[derive(Debug)]
pub(super) struct CountingStore {
    pub(super) client: SecretClient,
    pub(super) fetched: Arc<AtomicUsize>,
    pub(super) timeout: Duration,
}

#[async_trait]
impl SecretStore for CountingStore {
    fn vault(&self) -> &Vault {
        self.client.vault()
    }

    async fn get(&self, id: &SecretId) -> Result<Secret> {
        let secret = SecretStore::get(&self.client, id).await;
        self.fetched.fetch_add(1, Ordering::Relaxed);
        secret
    }

    fn list(&self) -> BoxStream<'_, Result<SecretProperties>> {
        with_item_timeout(SecretStore::list(&self.client), self.timeout)
    }

    fn versions(&self, name: &SecretName) -> BoxStream<'_, Result<SecretProperties>> {
        with_item_timeout(SecretStore::versions(&self.client, name), self.timeout)
    }
}
