//! How much of the heap a secret takes that is held: its value of 64 characters, its name of 23, version and dates.
//!
//! `cargo bench -p keyvault-benches --bench memory`. Counted by the allocator, not judged by the system.

#![allow(clippy::unwrap_used, reason = "a measurement that cannot go on stops where it stands")]

use std::collections::HashMap;
use std::sync::Arc;

use futures::executor::block_on;
use futures::future::join_all;
use keyvault::{InMemory, NameMap, Resolver, SecretId, SecretName};
use keyvault_benches::{is_bench, name};

fn main() {
    let secrets = if is_bench() { 10_000 } else { 10 };
    let vault = InMemory::new("https://contoso.vault.azure.net".parse().unwrap());
    for n in 0..secrets {
        vault.set(&name(n), format!("{:<64}", format!("value {n}"))).unwrap();
    }
    let names: Vec<SecretName> = (0..secrets).map(|n| name(n).parse().unwrap()).collect();
    let ids: Vec<SecretId> = names
        .iter()
        .map(|name| SecretId::new("https://contoso.vault.azure.net".parse().unwrap(), name.clone()))
        .collect();
    let per_secret = |bytes: i64| bytes as f64 / secrets as f64;

    let map = held(|| (0..secrets).map(|n| (name(n), format!("{:<64}", n))).collect::<HashMap<_, _>>());
    println!("a map of names to values          {:>6.0} B a secret", per_secret(map));
    let resolver = held(|| {
        let resolver = Resolver::from(vault.clone());
        block_on(join_all(ids.iter().map(|id| resolver.get(id))));
        resolver
    });
    println!("a resolver that read them         {:>6.0} B a secret", per_secret(resolver));
    let by_name = held(|| {
        let resolver = Resolver::from(vault.clone());
        let named = block_on(resolver.named(&NameMap::new())).unwrap();
        (resolver, named)
    });
    println!("the same, under their keys        {:>6.0} B a secret", per_secret(by_name));
    let secret = held(|| {
        let resolver = Resolver::builder(vault.clone()).cache_capacity(0).build().unwrap();
        block_on(join_all(ids.iter().map(|id| resolver.get(id))))
            .into_iter()
            .map(Result::unwrap)
            .collect::<Vec<Arc<_>>>()
    });
    println!("the secrets alone                 {:>6.0} B a secret", per_secret(secret));
}

/// Tells how many bytes more are in use while `made` is held than before it was made.
fn held<T>(make: impl FnOnce() -> T) -> i64 {
    let mut made = None;
    let info = allocation_counter::measure(|| made = Some(make()));
    drop(made);
    info.bytes_current
}
