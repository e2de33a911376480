//! The builder of a resolver.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Semaphore;

use super::cache::SecretCache;
use super::{Resolver, ResolverInner};
use crate::error::{Error, Result};
use crate::secret::{Cloud, Vault};
use crate::store::SecretStore;

/// Builds a [`Resolver`].
#[derive(Debug)]
#[must_use]
pub struct ResolverBuilder {
    default: Arc<dyn SecretStore>,
    others: Vec<Arc<dyn SecretStore>>,
    cloud: Option<Cloud>,
    concurrency: usize,
    cache_capacity: u64,
    max_age: Duration,
    app_configuration: bool,
}

impl ResolverBuilder {
    pub(super) fn new(default: Arc<dyn SecretStore>) -> Self {
        Self {
            default,
            others: Vec::new(),
            cloud: None,
            concurrency: 100,
            cache_capacity: 10_000,
            max_age: Duration::from_secs(300),
            app_configuration: false,
        }
    }

    /// Allows references to the vault of `store` too.
    pub fn vault(self, store: impl SecretStore) -> Self {
        self.store(Arc::new(store))
    }

    pub(super) fn store(mut self, store: Arc<dyn SecretStore>) -> Self {
        self.others.push(store);
        self
    }

    /// Sets the cloud that completes a `VaultName`. Default: the cloud of the default vault, or the public one.
    pub fn cloud(mut self, cloud: Cloud) -> Self {
        self.cloud = Some(cloud);
        self
    }

    /// Sets how many secrets are fetched concurrently, from all vaults together.
    ///
    /// A [`SecretClient`](crate::SecretClient) limits the requests to its vault too, and further while the vault
    /// throttles. Default: 100. At least 1.
    pub fn concurrency(mut self, secrets: usize) -> Self {
        // A semaphore has no more permits.
        self.concurrency = secrets.min(Semaphore::MAX_PERMITS);
        self
    }

    /// Sets how many secrets the cache keeps. Default: 10,000.
    pub fn cache_capacity(mut self, secrets: u64) -> Self {
        self.cache_capacity = secrets;
        self
    }

    /// Reads [App Configuration's references][schema] too: a string such as `{"uri":"https://…/secrets/…"}`, and a table
    /// whose only member is such a `uri`. Default: they stay as they are.
    ///
    /// [schema]: https://github.com/Azure/AppConfiguration/blob/main/docs/ConfigurationTypes/KeyVaultReference.v1.0.0.schema.json
    pub fn app_configuration_references(mut self) -> Self {
        self.app_configuration = true;
        self
    }

    /// Sets the maximum age of a secret's latest version that [`Resolver::get`] and [`Resolver::resolve`] return from
    /// the cache. A refresh of live settings always asks the vault. Default: 5 minutes.
    pub fn max_age(mut self, age: Duration) -> Self {
        self.max_age = age;
        self
    }

    /// Builds the resolver, without I/O.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) if two stores are for one vault, or the concurrency is zero.
    pub fn build(self) -> Result<Resolver> {
        if self.concurrency == 0 {
            return Err(Error::invalid("concurrency of a resolver is not at least 1"));
        }
        let vaults: Vec<&Vault> =
            std::iter::once(&self.default).chain(&self.others).map(|store| store.vault()).collect();
        if (1..vaults.len()).any(|i| vaults[..i].contains(&vaults[i])) {
            return Err(Error::invalid("two stores of a resolver are for the same vault"));
        }
        Ok(self.make())
    }

    pub(super) fn make(self) -> Resolver {
        let cloud = self.cloud.or(self.default.vault().cloud()).unwrap_or_default();
        Resolver {
            app_configuration: self.app_configuration,
            layers: Arc::default(),
            inner: Arc::new(ResolverInner {
                cloud,
                default: self.default,
                others: self.others,
                cache: SecretCache::new(usize::try_from(self.cache_capacity).unwrap_or(usize::MAX)),
                concurrency: self.concurrency,
                permits: Semaphore::new(self.concurrency),
                max_age: self.max_age,
                remote_requests: AtomicU64::new(0),
                logged: Mutex::default(),
            }),
        }
    }
}
