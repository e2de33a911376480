//! A store whose reads and lists a test replaces.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream, StreamExt};
use keyvault::{InMemory, Result, Secret, SecretId, SecretName, SecretProperties, SecretStore, Vault};

/// A vault in memory whose `get` or `list` a test replaces: a vault that lags behind, hangs or cannot be listed.
///
/// To only fail reads, use [`InMemory::fail_secret`] instead, and to delay or count them, [`InMemory::on_get`].
pub struct FakeStore {
    inner: InMemory,
    get: Box<Get>,
    list: Box<List>,
}

type Get = dyn Fn(InMemory, SecretId) -> BoxFuture<'static, Result<Secret>> + Send + Sync;
type List = dyn for<'v> Fn(&'v InMemory) -> BoxStream<'v, Result<SecretProperties>> + Send + Sync;

impl FakeStore {
    /// Creates a store that forwards everything to `inner`.
    pub fn new(inner: &InMemory) -> Self {
        let get = |vault: InMemory, id| async move { vault.get(&id).await }.boxed();
        Self { inner: inner.clone(), get: Box::new(get), list: Box::new(InMemory::list) }
    }

    /// Creates an empty store whose reads and lists never complete.
    pub fn hanging(vault: Vault) -> Self {
        Self::new(&InMemory::new(vault)).get(|_, _| std::future::pending()).list(|_| stream::pending().boxed())
    }

    /// Replaces `get`. The closure receives the vault beneath and the requested id.
    pub fn get<F>(self, get: impl Fn(InMemory, SecretId) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<Secret>> + Send + 'static,
    {
        Self { get: Box::new(move |vault, id| get(vault, id).boxed()), ..self }
    }

    /// Replaces `list`. The closure receives the vault beneath.
    pub fn list(
        self,
        list: impl for<'v> Fn(&'v InMemory) -> BoxStream<'v, Result<SecretProperties>> + Send + Sync + 'static,
    ) -> Self {
        Self { list: Box::new(list), ..self }
    }
}

#[async_trait::async_trait]
impl SecretStore for FakeStore {
    fn vault(&self) -> &Vault {
        self.inner.vault()
    }

    async fn get(&self, id: &SecretId) -> Result<Secret> {
        (self.get)(self.inner.clone(), id.clone()).await
    }

    fn list(&self) -> BoxStream<'_, Result<SecretProperties>> {
        (self.list)(&self.inner)
    }

    fn versions(&self, name: &SecretName) -> BoxStream<'_, Result<SecretProperties>> {
        self.inner.versions(name)
    }
}

impl fmt::Debug for FakeStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeStore").field("inner", &self.inner).finish_non_exhaustive()
    }
}

/// A flag shared by a test and its fakes. `Clone` shares it.
#[derive(Clone, Debug, Default)]
pub struct Switch(Arc<AtomicBool>);

impl Switch {
    /// Sets the flag.
    pub fn turn(&self, on: bool) {
        self.0.store(on, Ordering::Relaxed);
    }

    /// Returns whether the flag is set.
    pub fn is_on(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
