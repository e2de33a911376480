//! From secrets that were fetched to typed settings, beside the framework alone with the same tree.
//!
//! `cargo bench -p keyvault-benches --bench adapters`.

#![allow(clippy::unwrap_used, reason = "a measurement that cannot go on stops where it stands")]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use config::Config;
use figment::Figment;
use figment::providers::Serialized;
use keyvault::{InMemory, NameMap, Resolver};
use keyvault_benches::{Rounds, is_bench, rounds};

type Settings = BTreeMap<String, BTreeMap<String, String>>;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    for keys in if is_bench() { &[100, 1_000, 4_000][..] } else { &[10] } {
        measure(*keys).await;
    }
}

async fn measure(keys: usize) {
    let vault = InMemory::new("https://contoso.vault.azure.net".parse().unwrap());
    for n in 0..keys {
        vault.set(&format!("group-{:03}--key-{n:06}", n / 10), format!("{n:<64}")).unwrap();
    }
    let resolver = Resolver::from(vault);
    let named = resolver.named(&NameMap::new()).await.unwrap();
    let mut tree = Settings::new();
    for (key, secret) in named.iter() {
        let (group, key) = key.to_string().split_once('.').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
        tree.entry(group).or_default().insert(key, secret.expose_secret().to_owned());
    }
    let mut times: BTreeMap<&str, Rounds> = BTreeMap::new();
    for _ in 0..rounds(31) {
        let mut took = |what, time: Duration, settings: Settings| {
            times.entry(what).or_default().push(time.as_secs_f64() * 1e3);
            assert_eq!(settings, tree);
        };
        // What a framework costs that has the same values in a tree already.
        let begun = Instant::now();
        let settings = Figment::from(Serialized::defaults(&tree)).extract().unwrap();
        took("figment alone", begun.elapsed(), settings);

        let begun = Instant::now();
        let live = keyvault_figment::layered(resolver.clone(), Figment::new).start::<Settings>().await.unwrap();
        took("keyvault-figment", begun.elapsed(), live.current().clone());

        let begun = Instant::now();
        let source = Config::try_from(&tree).unwrap();
        let settings = Config::builder().add_source(source).build().unwrap().try_deserialize().unwrap();
        took("config alone", begun.elapsed(), settings);

        let begun = Instant::now();
        let live = keyvault_config::layered(resolver.clone(), Config::builder).start::<Settings>().await.unwrap();
        took("keyvault-config", begun.elapsed(), live.current().clone());

        // A start has first to get the secrets, which is not measured here.
        let begun = Instant::now();
        resolver.named(&NameMap::new()).await.unwrap();
        took("the secrets", begun.elapsed(), tree.clone());
    }
    println!("{keys} keys");
    for (ours, alone) in [("keyvault-figment", "figment alone"), ("keyvault-config", "config alone")] {
        let (time, bound) = (times[ours].median() - times["the secrets"].median(), times[alone].median());
        println!("  {ours:<17} {time:>8.2} ms   {alone:<13} {bound:>8.2} ms   ratio {:.2}", time / bound);
    }
}
