//! One read of settings that follow rotation, beside what else a program could read.
//!
//! `cargo bench -p keyvault-benches --bench read`, with what else criterion is to be told behind `--`. The ratio is to the
//! bare `ArcSwap::load`, or to the bare `arc_swap::Cache` where that is what a reader is made of.
//!
//! `--count NAME N` does only N reads of one kind, for callgrind to count: twice, and the difference is theirs.

#![allow(clippy::unwrap_used, reason = "a measurement that cannot go on stops where it stands")]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::{Arc, RwLock};
use std::time::Instant;

use arc_swap::{ArcSwap, Cache};
use config::{Config, FileFormat};
use figment::Figment;
use figment::providers::{Format, Json};
use keyvault::InMemory;
use keyvault_benches::{Ratio, save};
use serde::Deserialize;
use serde_json::json;

#[derive(Clone, Deserialize)]
struct Settings {
    port: u64,
    #[expect(dead_code, reason = "settings have more than what is read")]
    password: String,
}

const TEXT: &str = r#"{"port": 8080, "password": "correct horse battery staple"}"#;

/// Reads as often as it is told.
type Read = Box<dyn FnMut(u64)>;

/// A way to read settings, and what bounds it.
struct Way {
    name: &'static str,
    bound: Option<&'static str>,
    read: RefCell<Read>,
}

impl Way {
    fn new(name: &'static str, bound: impl Into<Option<&'static str>>, read: impl FnMut(u64) + 'static) -> Self {
        Self { name, bound: bound.into(), read: RefCell::new(Box::new(read)) }
    }

    /// Tells how many nanoseconds it takes to read so often.
    fn time(&self, times: u64) -> f64 {
        let begun = Instant::now();
        (self.read.borrow_mut())(times);
        begun.elapsed().as_secs_f64() * 1e9
    }
}

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
    let ways = [
        Way::new("arc_swap", None, move |n| repeat(n, || swap.load().port)),
        Way::new("current", "arc_swap", move |n| repeat(n, || live.current().port)),
        Way::new("arc_swap_cache", None, move |n| repeat(n, || cache.load().port)),
        Way::new("rwlock", "arc_swap", move |n| repeat(n, || lock.read().unwrap().port)),
        Way::new("config_get", "arc_swap", move |n| repeat(n, || config.get::<u64>("port").unwrap())),
        Way::new("figment_extract", "arc_swap", move |n| repeat(n, || figment.extract::<Settings>().unwrap().port)),
    ];
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.iter().position(|argument| argument == "--count") {
        Some(at) => _ = find(&ways, &arguments[at + 1]).time(arguments[at + 2].parse().unwrap()),
        None => measure(&ways),
    }
}

/// Eight in a turn of the loop, so that it matters less where in memory the loop lies.
#[inline(always)]
fn repeat(times: u64, mut read: impl FnMut() -> u64) {
    for _ in 0..times / 8 {
        for _ in 0..8 {
            black_box(read());
        }
    }
    for _ in 0..times % 8 {
        black_box(read());
    }
}

fn find<'w>(ways: &'w [Way], name: &str) -> &'w Way {
    ways.iter().find(|way| way.name == name).unwrap()
}

fn measure(ways: &[Way]) {
    let mut criterion = Ratio::criterion();
    let mut group = criterion.benchmark_group("read");
    let mut medians = BTreeMap::new();
    for way in ways {
        let Some(bound) = way.bound.map(|bound| find(ways, bound)) else { continue };
        let compared = Ratio::compare(&mut group, way.name, |times| {
            let turns = (0..TURNS).map(|turn| times / TURNS + u64::from(turn < times % TURNS));
            turns.fold((0.0, 0.0), |(took, least), times| (took + way.time(times), least + bound.time(times)))
        });
        let Some(compared) = compared else { continue };
        println!(
            "{} {:.2} ns, {} {:.2} ns, ratio {:.2}",
            way.name, compared.way, bound.name, compared.bound, compared.ratio
        );
        medians.insert(way.name, compared.way);
        // The first that was measured, right before what is ours.
        medians.entry(bound.name).or_insert(compared.bound);
    }
    group.finish();
    let all: Option<Vec<_>> = ways.iter().map(|way| Some((way.name, medians.get(way.name)?))).collect();
    if let Some(all) = all {
        let plotted: Vec<_> = all.iter().map(|(name, median)| json!({ "name": name, "nanoseconds": median })).collect();
        save("read", &plotted.into()).unwrap();
    }
}

/// How often a way and its bound have their turns in what criterion takes for one sample.
const TURNS: u64 = 16;
