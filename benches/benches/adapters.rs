//! From secrets that were fetched to typed settings, beside the framework alone with the same tree.
//!
//! `cargo bench -p keyvault-benches --bench adapters`. The ratio of the adapters as a layer is to the framework alone, and so
//! is that of live settings, which are more: they are followed, and it is known where each value came from.
//!
//! `--count NAME N` makes settings of 1,000 keys only N times and in one way, for callgrind to count: twice, and the
//! difference is theirs. `--count event N` has N events change one of them each.

#![allow(clippy::unwrap_used, reason = "a measurement that cannot go on stops where it stands")]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use config::builder::DefaultState;
use config::{Config, ConfigBuilder};
use figment::Figment;
use figment::providers::Serialized;
use keyvault::{InMemory, NameMap, Resolver, SecretEvent, SecretEventKind, SecretId, SecretStore as _};
use keyvault_benches::{Rounds, is_bench, name, rounds};
use keyvault_config::KeyVaultSource;
use keyvault_figment::KeyVaultProvider;

type Settings = BTreeMap<String, BTreeMap<String, String>>;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "--count") {
        let (kind, times) = (&arguments[at + 1], arguments[at + 2].parse().unwrap());
        if kind == "event" {
            return events(1_000, times).await;
        }
        let bench = Bench::new(1_000).await;
        for _ in 0..times {
            bench.settings(kind).await;
        }
        return;
    }
    for keys in if is_bench() { &[100, 1_000, 4_000][..] } else { &[10] } {
        Bench::new(*keys).await.measure().await;
    }
}

/// Changes secrets one after the other, and waits until each change has come by event.
async fn events(keys: usize, times: usize) {
    let vault = InMemory::new("https://contoso.vault.azure.net".parse().unwrap());
    for n in 0..keys {
        vault.set(&name(n), format!("{n:<64}")).unwrap();
    }
    let live = keyvault_figment::layered(vault.clone(), Figment::new)
        .event_spread(Duration::ZERO)
        .start::<BTreeMap<String, String>>()
        .await
        .unwrap();
    let mut watcher = live.watch();
    for n in 0..times {
        let version = vault.set(&name(n), "new").unwrap();
        let id = SecretId::new(vault.vault().clone(), name(n).parse().unwrap()).with_version(version);
        live.notify(SecretEvent::new(id, SecretEventKind::NewVersion));
        assert_eq!(watcher.changed().await.unwrap().keys.len(), 1);
    }
}

/// What settings are made of.
struct Bench {
    keys: usize,
    resolver: Resolver,
    provider: KeyVaultProvider,
    source: KeyVaultSource,
    tree: Settings,
}

impl Bench {
    async fn new(keys: usize) -> Self {
        let vault = InMemory::new("https://contoso.vault.azure.net".parse().unwrap());
        for n in 0..keys {
            vault.set(&format!("group-{:03}--key-{n:06}", n / 10), format!("{n:<64}")).unwrap();
        }
        let resolver = Resolver::from(vault);
        let map = NameMap::new();
        let provider = KeyVaultProvider::fetch(resolver.clone(), &map).await.unwrap();
        let source = KeyVaultSource::fetch(resolver.clone(), &map).await.unwrap();
        let mut tree = Settings::new();
        for (key, secret) in provider.secrets().iter() {
            let (group, key) = key.to_string().split_once('.').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
            tree.entry(group).or_default().insert(key, secret.expose_secret().to_owned());
        }
        Self { keys, resolver, provider, source, tree }
    }

    /// Makes settings in one way, and tells how long it took until they were there.
    async fn settings(&self, kind: &str) -> (Duration, Settings) {
        let begun = Instant::now();
        let built = |builder: ConfigBuilder<DefaultState>| builder.build().unwrap().try_deserialize().unwrap();
        let settings = match kind {
            // What a framework costs that has the same values in a tree already.
            "figment" => Figment::from(Serialized::defaults(&self.tree)).extract().unwrap(),
            "config" => built(Config::builder().add_source(Config::try_from(&self.tree).unwrap())),
            // The same with the adapter in the place of the tree.
            "figment layer" => Figment::from(self.provider.clone()).extract().unwrap(),
            "config layer" => built(Config::builder().add_source(self.source.clone())),
            // All that a start does. It has first to get the secrets, which is measured by itself.
            "figment live" => {
                let live = keyvault_figment::layered(self.resolver.clone(), Figment::new).start().await.unwrap();
                return (begun.elapsed(), Settings::clone(&live.current()));
            }
            "config live" => {
                let live = keyvault_config::layered(self.resolver.clone(), Config::builder).start().await.unwrap();
                return (begun.elapsed(), Settings::clone(&live.current()));
            }
            "secrets" => {
                self.resolver.named(&NameMap::new()).await.unwrap();
                return (begun.elapsed(), self.tree.clone());
            }
            _ => panic!("no such way to settings: {kind}"),
        };
        (begun.elapsed(), settings)
    }

    async fn measure(&self) {
        let mut times: BTreeMap<&str, Rounds> = BTreeMap::new();
        for _ in 0..rounds(31) {
            for kind in ["figment", "figment layer", "figment live", "config", "config layer", "config live", "secrets"]
            {
                let (took, settings) = self.settings(kind).await;
                times.entry(kind).or_default().push(took.as_secs_f64() * 1e3);
                assert_eq!(settings, self.tree);
            }
        }
        let median = |kind: &str| times[kind].median();
        println!("{} keys", self.keys);
        for host in ["figment", "config"] {
            let alone = median(host);
            let layer = median(&format!("{host} layer"));
            let live = median(&format!("{host} live")) - median("secrets");
            println!("  {host:<8} alone {alone:>8.2} ms");
            println!("  {host:<8} layer {layer:>8.2} ms   ratio {:.2}", layer / alone);
            println!("  {host:<8} live  {live:>8.2} ms   ratio {:.2}", live / alone);
        }
    }
}
