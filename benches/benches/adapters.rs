//! Measures the time from fetched secrets to typed settings, in ratio to the framework alone with the same values.
//!
//! `cargo bench -p keyvault-benches --bench adapters`. Two ways are measured: the adapter as a layer, and live
//! settings, which also keep the origin of each value and follow the vault.
//!
//! `--count NAME N` builds settings of 1,000 keys N times in one way, for callgrind: count twice with different N, and
//! divide the difference. `--count event N` changes one key with each of N events.

#![allow(clippy::unwrap_used, reason = "a benchmark that fails panics at the place of the failure")]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use config::builder::DefaultState;
use config::{Config, ConfigBuilder};
use criterion::{Criterion, SamplingMode};
use figment::Figment;
use figment::providers::Serialized;
use keyvault::push::{SecretEvent, SecretEventKind};
use keyvault::{InMemory, NameMap, Resolver, SecretId, SecretStore as _};
use keyvault_benches::{Compared, Ratio, is_bench, name};
use keyvault_config::KeyVaultSource;
use keyvault_figment::KeyVaultProvider;
use tokio::runtime::{Builder, Runtime};

type Settings = BTreeMap<String, BTreeMap<String, String>>;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "--count") {
        let (kind, times) = (&arguments[at + 1], arguments[at + 2].parse().unwrap());
        return runtime().block_on(count(kind, times));
    }
    let mut criterion = Ratio::criterion();
    for keys in if is_bench() { &[100, 1_000, 4_000][..] } else { &[10] } {
        runtime().block_on(Bench::new(*keys)).measure(&mut criterion);
    }
}

async fn count(kind: &str, times: usize) {
    if kind == "event" {
        return events(1_000, times).await;
    }
    let bench = Bench::new(1_000).await;
    for _ in 0..times {
        bench.settings(kind).await;
    }
}

/// Changes one secret after another, and waits until the event of each has changed the settings.
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

/// The same values as secrets and as a tree.
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

    /// Builds settings in one way, and returns how long it took.
    async fn settings(&self, kind: &str) -> (Duration, Settings) {
        let started = Instant::now();
        let built = |builder: ConfigBuilder<DefaultState>| builder.build().unwrap().try_deserialize().unwrap();
        let settings = match kind {
            // The framework alone, with the values in a tree.
            "figment" => Figment::from(Serialized::defaults(&self.tree)).extract().unwrap(),
            "config" => built(Config::builder().add_source(Config::try_from(&self.tree).unwrap())),
            // The adapter instead of the tree.
            "figment layer" => Figment::from(self.provider.clone()).extract().unwrap(),
            "config layer" => built(Config::builder().add_source(self.source.clone())),
            // A whole start. It includes reading the secrets, which "secrets" measures alone.
            "figment live" => {
                let live = keyvault_figment::layered(self.resolver.clone(), Figment::new).start().await.unwrap();
                return (started.elapsed(), Settings::clone(&live.current()));
            }
            "config live" => {
                let live = keyvault_config::layered(self.resolver.clone(), Config::builder).start().await.unwrap();
                return (started.elapsed(), Settings::clone(&live.current()));
            }
            "secrets" => {
                self.resolver.mapped(&NameMap::new()).await.unwrap();
                return (started.elapsed(), self.tree.clone());
            }
            _ => panic!("unknown way: {kind}"),
        };
        (started.elapsed(), settings)
    }

    fn measure(&self, criterion: &mut Criterion<Ratio>) {
        let runtime = runtime();
        let time = |kind: &str, times| runtime.block_on(self.time(kind, times));
        let mut group = criterion.benchmark_group(format!("adapters/{}", self.keys));
        // Some ways take seconds for one sample.
        group.sample_size(20).sampling_mode(SamplingMode::Flat);
        for host in ["figment", "config"] {
            let layer = format!("{host} layer");
            let layer = Ratio::compare(&mut group, &layer, |times| (time(&layer, times), time(host, times)));
            let live = format!("{host} live");
            // Subtracts the time to read the secrets.
            let build = |times| time(&live, times) - time("secrets", times);
            let live = Ratio::compare(&mut group, &live, |times| (build(times), time(host, times)));
            for (name, compared) in [("layer", layer), ("live", live)] {
                let Some(Compared { way, bound, ratio }) = compared else { continue };
                println!("{host} alone {bound:.2} ms, {name} {way:.2} ms, ratio {ratio:.2}");
            }
        }
        group.finish();
    }

    /// Returns how many milliseconds it takes to build settings `times` times.
    async fn time(&self, kind: &str, times: u64) -> f64 {
        let mut total = Duration::ZERO;
        for _ in 0..times {
            let (took, settings) = self.settings(kind).await;
            assert_eq!(settings, self.tree);
            total += took;
        }
        total.as_secs_f64() * 1e3
    }
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}
