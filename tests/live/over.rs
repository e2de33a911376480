//! A vault between the settings and the vault in memory: slow, lagging, broken as a test wants it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use keyvault::{InMemory, Result, Secret, SecretId, SecretName, SecretProperties, SecretStore, Vault};

/// A vault in memory whose answers to `get` are made by a closure.
pub(super) struct Over {
    inner: InMemory,
    get: Box<dyn Fn(InMemory, SecretId) -> BoxFuture<'static, Result<Secret>> + Send + Sync>,
}

impl Over {
    pub(super) fn new<F>(inner: &InMemory, get: impl Fn(InMemory, SecretId) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<Secret>> + Send + 'static,
    {
        Self { inner: inner.clone(), get: Box::new(move |vault, id| get(vault, id).boxed()) }
    }
}

#[async_trait::async_trait]
impl SecretStore for Over {
    fn vault(&self) -> &Vault {
        self.inner.vault()
    }

    async fn get(&self, id: &SecretId) -> Result<Secret> {
        (self.get)(self.inner.clone(), id.clone()).await
    }

    fn list(&self) -> BoxStream<'_, Result<SecretProperties>> {
        self.inner.list()
    }

    fn versions(&self, name: &SecretName) -> BoxStream<'_, Result<SecretProperties>> {
        self.inner.versions(name)
    }
}

impl fmt::Debug for Over {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Over").field("inner", &self.inner).finish_non_exhaustive()
    }
}

/// Something that a test turns on and off while a store asks whether it is.
#[derive(Clone, Debug, Default)]
pub(super) struct Switch(Arc<AtomicBool>);

impl Switch {
    pub(super) fn turn(&self, on: bool) {
        self.0.store(on, Ordering::Relaxed);
    }

    pub(super) fn is_on(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
