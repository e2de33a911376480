//! One read of settings that follow rotation, beside what else a program could read.
//!
//! `cargo bench -p keyvault-benches --bench read`. Nanoseconds for a read, medians of interleaved rounds; the ratio is to
//! the bare `ArcSwap::load`, or to the bare `arc_swap::Cache` where that is what a reader is made of.
//!
//! `--count NAME N` does only N reads of one kind, for callgrind to count: twice, and the difference is theirs.

#![allow(clippy::unwrap_used, reason = "a measurement that cannot go on stops where it stands")]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::{Arc, RwLock};
use std::time::Instant;

use arc_swap::{ArcSwap, Cache};
use config::{Config, FileFormat};
use figment::Figment;
use figment::providers::{Format, Json};
use keyvault::InMemory;
use keyvault_benches::{Rounds, is_bench, rounds, save};
use serde::Deserialize;
use serde_json::json;

#[derive(Clone, Deserialize)]
struct Settings {
    port: u64,
    #[expect(dead_code, reason = "settings have more than what is read")]
    password: String,
}

const TEXT: &str = r#"{"port": 8080, "password": "correct horse battery staple"}"#;

type Read = Box<dyn FnMut(u64)>;

#[tokio::main]
async fn main() {
    let vault = InMemory::new("https://contoso.vault.azure.net".parse().unwrap());
    let live =
        keyvault_figment::layered(vault, || Figment::from(Json::string(TEXT))).start::<Settings>().await.unwrap();
    let settings: Settings = serde_json::from_str(TEXT).unwrap();
    let swap = Arc::new(ArcSwap::from_pointee(settings.clone()));
    let mut cache = Cache::new(Arc::clone(&swap));
    let lock = RwLock::new(Arc::new(settings));
    let config = Config::builder().add_source(config::File::from_str(TEXT, FileFormat::Json)).build().unwrap();
    let figment = Figment::from(Json::string(TEXT));
    let mut reader = live.reader();
    let kinds: Vec<(&str, Option<&str>, Read)> = vec![
        ("arc_swap", None, Box::new(move |n| repeat(n, || swap.load().port))),
        ("current", Some("arc_swap"), Box::new(move |n| repeat(n, || live.current().port))),
        ("arc_swap_cache", None, Box::new(move |n| repeat(n, || cache.load().port))),
        ("reader", Some("arc_swap_cache"), Box::new(move |n| repeat(n, || reader.current().port))),
        ("rwlock", Some("arc_swap"), Box::new(move |n| repeat(n, || lock.read().unwrap().port))),
        ("config_get", Some("arc_swap"), Box::new(move |n| repeat(n, || config.get::<u64>("port").unwrap()))),
        (
            "figment_extract",
            Some("arc_swap"),
            Box::new(move |n| repeat(n, || figment.extract::<Settings>().unwrap().port)),
        ),
    ];
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.iter().position(|argument| argument == "--count") {
        Some(at) => count(kinds, &arguments[at + 1], arguments[at + 2].parse().unwrap()),
        None => measure(kinds),
    }
}

#[inline(always)]
fn repeat(times: u64, mut read: impl FnMut() -> u64) {
    for _ in 0..times {
        black_box(read());
    }
}

fn count(kinds: Vec<(&str, Option<&str>, Read)>, name: &str, times: u64) {
    let (.., mut read) = kinds.into_iter().find(|(kind, ..)| *kind == name).unwrap();
    read(times);
}

fn measure(mut kinds: Vec<(&str, Option<&str>, Read)>) {
    let mut measured: BTreeMap<&str, Rounds> = BTreeMap::new();
    for _ in 0..rounds(15) {
        for (name, _, read) in &mut kinds {
            let times = match *name {
                _ if !is_bench() => 1,
                "figment_extract" => 20_000,
                "config_get" => 200_000,
                _ => 5_000_000,
            };
            let begun = Instant::now();
            read(times);
            measured.entry(name).or_default().push(begun.elapsed().as_secs_f64() * 1e9 / times as f64);
        }
    }
    println!("{:<16} {:>9} {:>19} {:>7}", "", "ns", "range", "ratio");
    for (name, bound, _) in &kinds {
        let (least, most) = measured[name].range();
        let ratio = bound.map(|bound| format!("{:.2}", measured[name].median() / measured[bound].median()));
        println!(
            "{name:<16} {:>9.2} {:>19} {:>7}",
            measured[name].median(),
            format!("{least:.2} to {most:.2}"),
            ratio.unwrap_or_default()
        );
    }
    let plotted: Vec<_> =
        kinds.iter().map(|(name, ..)| json!({ "name": name, "nanoseconds": measured[name].median() })).collect();
    save("read", &plotted.into()).unwrap();
}
