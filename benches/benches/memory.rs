//! Measures the heap memory of one secret with a value of 64 characters, a name of 23, a version and dates.
//!
//! `cargo bench -p keyvault-benches --bench memory`. The allocator counts the bytes.

#![allow(clippy::unwrap_used, reason = "a benchmark that fails panics at the place of the failure")]

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use figment::Figment;
use futures::future::join_all;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use keyvault::{InMemory, NameMap, Resolver, Secret, SecretId, SecretName, SecretProperties, SecretStore, Vault};
use keyvault_benches::{is_bench, name};

fn main() {
    let secrets = if is_bench() { 10_000 } else { 10 };
    let vault = Azure(InMemory::new("https://contoso.vault.azure.net".parse().unwrap()));
    for n in 0..secrets {
        vault.0.set(&name(n), format!("{:<64}", format!("value {n}"))).unwrap();
    }
    let ids = || {
        let id = |n| SecretId::new(vault.vault().clone(), name(n).parse().unwrap());
        (0..secrets).map(id).collect::<Vec<_>>()
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let map = heap_of(|| (0..secrets).map(|n| (name(n), format!("{:<64}", n))).collect::<HashMap<_, _>>());
    let per_secret = |what: &str, bytes: i64| {
        let (each, ratio) = (bytes as f64 / secrets as f64, bytes as f64 / map as f64);
        println!("{what:<34}{each:>6.0} B a secret   ratio {ratio:.2}");
    };
    per_secret("a map from names to values", map);
    let secret = heap_of(|| {
        let resolver = Resolver::builder(vault.clone()).cache_capacity(0).build().unwrap();
        let secrets = runtime.block_on(join_all(ids().iter().map(|id| resolver.get(id))));
        secrets.into_iter().map(Result::unwrap).collect::<Vec<Arc<_>>>()
    });
    per_secret("the secrets alone", secret);
    let resolver = heap_of(|| {
        let resolver = Resolver::from(vault.clone());
        runtime.block_on(join_all(ids().iter().map(|id| resolver.get(id))));
        resolver
    });
    per_secret("a resolver with them in its cache", resolver);
    let by_name = heap_of(|| {
        let resolver = Resolver::from(vault.clone());
        let named = runtime.block_on(resolver.mapped(&NameMap::new())).unwrap();
        (resolver, named)
    });
    per_secret("the same, mapped to keys", by_name);
    let settings = heap_of(|| {
        let layered = keyvault_figment::layered(vault.clone(), Figment::new);
        runtime.block_on(layered.start::<BTreeMap<String, String>>()).unwrap()
    });
    per_secret("live settings of them", settings);
}

/// A vault whose responses share no memory with its own data, like a vault behind a network.
#[derive(Clone, Debug)]
struct Azure(InMemory);

impl Azure {
    fn copy(properties: &SecretProperties) -> SecretProperties {
        let id = SecretId::new(properties.id().vault().clone(), properties.id().name().as_str().parse().unwrap());
        let id = properties.id().version().map_or(id.clone(), |version| id.with_version(version.clone()));
        let mut copy = SecretProperties::new(id);
        copy.set_created(properties.created());
        copy.set_updated(properties.updated());
        copy.set_recovery_level(Some("Recoverable+Purgeable"));
        copy.set_recoverable_days(90);
        copy
    }
}

#[async_trait]
impl SecretStore for Azure {
    fn vault(&self) -> &Vault {
        self.0.vault()
    }

    async fn get(&self, id: &SecretId) -> keyvault::Result<Secret> {
        let secret = self.0.get(id).await?;
        Ok(Secret::new(Self::copy(secret.properties()), secret.expose_secret(), SystemTime::now()))
    }

    fn list(&self) -> BoxStream<'_, keyvault::Result<SecretProperties>> {
        self.0.list().map_ok(|item| Self::copy(&item)).boxed()
    }

    fn versions(&self, name: &SecretName) -> BoxStream<'_, keyvault::Result<SecretProperties>> {
        self.0.versions(name).map_ok(|item| Self::copy(&item)).boxed()
    }
}

/// Returns how many bytes of heap the result of `create` occupies.
fn heap_of<T>(create: impl FnOnce() -> T) -> i64 {
    let mut created = None;
    let info = allocation_counter::measure(|| created = Some(create()));
    drop(created);
    info.bytes_current
}
