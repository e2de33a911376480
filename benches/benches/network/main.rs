//! Measures cold loads, references, refreshes and rotations over TLS, with a latency of 20 ms for each request, for
//! this library and the official client.
//!
//! `cargo bench -p keyvault-benches --bench network`, with a filter after `--`: `http2`, `http1/refs`,
//! `http2/event/1000`. Each start is a process of its own, as is the vault. Two measurements take minutes and run only
//! on request: `--starts` counts how many of 500 cold starts with 100 references fail, and `--throttled` loads 10,000
//! secrets from a vault that refuses requests above the service's limit. Both use HTTP/1.1 with `--http1`.
//!
//! The bound comes from R, the round trip that a bare client of hyper measures in the same round. The pages of a list
//! are sequential, so the bound of a load is (pages + 1)·R, of references R, of a refresh pages·R, and of an event R.
//! The bare client sends the same requests, reads only the link to the next page, and keeps nothing.

#![allow(clippy::unwrap_used, reason = "a benchmark that fails panics at the place of the failure")]

mod bare;
mod official;
mod ours;
mod process;

use std::cell::{OnceCell, RefCell, RefMut};
use std::collections::BTreeMap;
use std::io::BufRead;
use std::time::Duration;

use criterion::{BenchmarkGroup, Criterion, SamplingMode};
use keyvault_benches::{Compared, Ratio, Vault, is_bench, name, save};
use serde_json::{Value, json};

use self::process::{Process, round_trip};

/// The task of a process that runs one client.
#[derive(Clone, Debug)]
struct Task {
    peer: String,
    mode: String,
    url: String,
    authority: String,
    count: usize,
    http1: bool,
}

/// Milliseconds, and the number of secrets loaded.
type Measurement = (f64, usize);

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "--peer") {
        return run_peer(&arguments[at + 1..]).await;
    }
    let has = |option: &str| arguments.iter().any(|argument| argument == option);
    let http1 = has("--http1");
    if has("--starts") {
        return starts(http1);
    }
    if has("--throttled") {
        return throttled(http1);
    }
    let mut criterion = Ratio::criterion();
    let loads = network(&mut criterion, "http2");
    network(&mut criterion, "http1");
    criterion.final_summary();
    // A filter leaves the results incomplete.
    if loads.iter().all(|load| PEERS.iter().all(|peer| load["milliseconds"][peer].is_number())) {
        save("load", &Value::from(loads)).unwrap();
    }
}

/// Measures everything over one version of HTTP, and returns the times of cold loads.
fn network(criterion: &mut Criterion<Ratio>, version: &str) -> Vec<Value> {
    let sizes: &[usize] = if is_bench() { &[10, 30, 100, 300, 1_000] } else { &[10] };
    let mut loads = Vec::new();
    for &n in sizes {
        let setup = &Setup { vault: OnceCell::new(), secrets: n, http1: version == "http1" };
        let pages = n.div_ceil(25) as f64;
        let list = cold(group(criterion, version, "list", n), setup, "list", n, pages + 1.0);
        let mut medians: BTreeMap<&str, f64> =
            list.iter().map(|(peer, measured)| (*peer, measured.compared.way)).collect();
        medians.extend(list.get("ours").map(|measured| ("bound", measured.compared.bound)));
        loads.push(json!({ "secrets": n, "milliseconds": medians }));
        if matches!(n, 10 | 1_000) {
            if n == 1_000 {
                cold(group(criterion, version, "names", n), setup, "names", n, pages + 1.0);
                cold(group(criterion, version, "refs", 10), setup, "refs", 10, 1.0);
                cold(group(criterion, version, "refs", 100), setup, "refs", 100, 1.0);
            }
            refresh(group(criterion, version, "refresh", n), setup, false);
            refresh(group(criterion, version, "rotation", n), setup, true);
            event(group(criterion, version, "event", n), setup);
        }
    }
    loads
}

/// Creates a group with the fewest samples that criterion allows, because some rounds take seconds.
fn group<'c>(criterion: &'c mut Criterion<Ratio>, version: &str, mode: &str, n: usize) -> BenchmarkGroup<'c, Ratio> {
    let mut group = criterion.benchmark_group(format!("{version}/{mode}/{n}"));
    group.sample_size(10).sampling_mode(SamplingMode::Flat).warm_up_time(Duration::from_millis(1));
    group
}

/// The result for one client.
struct Measured {
    compared: Compared,
    /// The requests of the last round: all, throttled, and unauthorized.
    requests: String,
}

/// A vault, started on its first use.
struct Setup {
    vault: OnceCell<RefCell<Vault>>,
    secrets: usize,
    http1: bool,
}

impl Setup {
    fn vault(&self) -> RefMut<'_, Vault> {
        self.vault.get_or_init(|| RefCell::new(vault(self.secrets))).borrow_mut()
    }

    fn start(&self, peer: &str, mode: &str, count: usize) -> Process {
        Process::start(&self.vault(), peer, mode, count, self.http1)
    }

    /// Returns the requests since the last call: all, throttled, and unauthorized.
    fn requests(&self) -> String {
        self.vault().command("requests").unwrap()
    }
}

fn vault(secrets: usize) -> Vault {
    Vault::start(env!("CARGO_BIN_EXE_vault"), 20, secrets).unwrap()
}

/// Measures cold starts, each in a process of its own.
fn cold(
    group: BenchmarkGroup<'_, Ratio>,
    setup: &Setup,
    mode: &str,
    count: usize,
    round_trips: f64,
) -> BTreeMap<&'static str, Measured> {
    let peers = PEERS.into_iter().filter(|peer| *peer != "official" || mode != "names");
    compare(group, setup, peers, round_trips, |peer| {
        move || {
            let (wall, loaded) = setup.start(peer, mode, count).measurement();
            assert_eq!(loaded, count, "{peer} {mode}");
            (wall, setup.requests())
        }
    })
}

/// Measures refreshes in which nothing changed, or one secret in the middle.
fn refresh(group: BenchmarkGroup<'_, Ratio>, setup: &Setup, rotation: bool) {
    let count = setup.secrets;
    let pages = count.div_ceil(25);
    // The list is sorted by name.
    let page = (count / 2) / 25 + 1;
    let round_trips = if rotation { pages.max(page + 1) } else { pages } as f64;
    compare(group, setup, PEERS.into_iter(), round_trips, |peer| {
        let mut process = None;
        move || {
            let process = process.get_or_insert_with(|| {
                let mut process = setup.start(peer, "refresh", count);
                refresh_again(&mut process);
                process
            });
            if rotation {
                setup.vault().command(&format!("set {}", name(count / 2))).unwrap();
            }
            setup.requests();
            process.start_round();
            let (wall, _) = process.measurement();
            let requests = setup.requests();
            if rotation {
                refresh_again(process);
            }
            (wall, requests)
        }
    });
}

/// Refreshes once more, because the library reads a secret again that it read in the second of its last change.
fn refresh_again(process: &mut Process) {
    pause();
    process.start_round();
    process.measurement();
}

/// Waits until the next version has another date: dates are in whole seconds.
fn pause() {
    std::thread::sleep(Duration::from_secs(3));
}

/// Measures rotations announced by an event, from its delivery until a watcher has the new settings.
///
/// The event names the version, like those of Azure, so it may cost one request only. The bare client gets the version,
/// too. The official client supports no events.
fn event(group: BenchmarkGroup<'_, Ratio>, setup: &Setup) {
    let secret = name(setup.secrets / 2);
    let peers = PEERS.into_iter().filter(|peer| *peer != "official");
    let measured = compare(group, setup, peers, 1.0, |peer| {
        let (secret, mut process) = (&secret, None);
        move || {
            let process = process.get_or_insert_with(|| {
                let process = setup.start(peer, "event", setup.secrets);
                pause();
                process
            });
            let version = setup.vault().command(&format!("set {secret}")).unwrap();
            setup.requests();
            process.send(&format!("{secret}/{version}"));
            let (wall, _) = process.measurement();
            // Counts requests that the event causes later, too.
            pause();
            (wall, setup.requests())
        }
    });
    assert!(measured.values().all(|measured| measured.requests == "1 0 0"), "each event costs one request");
}

/// Measures each of `peers` against a bound of `round_trips`, and prints the results. `way` returns the function that
/// runs one round and returns its milliseconds and requests.
fn compare<'p, W: FnMut() -> (f64, String)>(
    mut group: BenchmarkGroup<'_, Ratio>,
    setup: &Setup,
    peers: impl Iterator<Item = &'p str>,
    round_trips: f64,
    mut way: impl FnMut(&'p str) -> W,
) -> BTreeMap<&'p str, Measured> {
    let mut all = BTreeMap::new();
    for peer in peers {
        let (mut round, mut requests) = (way(peer), String::new());
        let compared = Ratio::compare(&mut group, peer, |times| {
            let (mut wall, mut bound) = (0.0, 0.0);
            for _ in 0..times {
                bound += round_trip(&setup.vault()) * round_trips;
                setup.requests();
                let (took, sent) = round();
                wall += took;
                requests = sent;
            }
            (wall, bound)
        });
        let Some(compared) = compared else { continue };
        let Compared { way, bound, ratio } = compared;
        println!(
            "{peer} {way:.1} ms, bound {bound:.1} ms, {:.1} ms above, ratio {ratio:.2}; requests, throttled, \
             unauthorized: {requests}",
            way - bound
        );
        all.insert(peer, Measured { compared, requests });
    }
    group.finish();
    all
}

/// Counts the cold starts that fail. A client fails now and then if the challenge of one request discards the token of
/// another.
fn starts(http1: bool) {
    const STARTS: usize = 500;
    let mut vault = vault(100);
    for peer in ["official", "ours"] {
        vault.command("requests").unwrap();
        let fails = || Process::start(&vault, peer, "refs", 100, http1).try_measurement().is_none();
        let failed = (0..STARTS).filter(|_| fails()).count();
        println!("{peer:<10} {failed} of {STARTS} failed; requests {}", vault.command("requests").unwrap());
    }
}

/// Measures loads of 10,000 secrets from a vault that refuses requests above the service's limit of 4,000 in ten
/// seconds.
///
/// The service does not document how it counts. A token bucket of 4,000 that gains 400 a second accepts up to 8,000
/// requests in the first ten seconds, so 10,400 requests take 16 seconds. A sliding window of ten seconds accepts 4,000
/// at once and 4,000 after ten seconds; after twenty, the rest of the list is sequential.
fn throttled(http1: bool) {
    const SECRETS: usize = 10_000;
    let requests = SECRETS + SECRETS / 25;
    let mut vault = vault(SECRETS);
    let in_series = ((requests - 8_000) / 26) as f64 * round_trip(&vault);
    // The official client has no token bucket: a vault that accepts 8,000 requests would give it more than a bucket
    // does.
    let bucket = ("in a token bucket", 8_000, (requests - 4_000) as f64 * 2.5, &["ours"][..]);
    let window = ("in a sliding window", 4_000, 20_000.0 + in_series, &["official", "ours"][..]);
    for (counted, most, bound, peers) in [bucket, window] {
        for &peer in peers {
            for _ in 0..3 {
                // Each run starts with the full limit.
                vault.command(&format!("throttle {most}")).unwrap();
                vault.command("requests").unwrap();
                let (wall, loaded) = Process::start(&vault, peer, "list", SECRETS, http1).measurement();
                assert_eq!(loaded, SECRETS, "{peer}");
                println!(
                    "counted {counted}: {peer} {wall:.0} ms, bound {bound:.0} ms, ratio {:.3}; requests, throttled, \
                     unauthorized: {}",
                    wall / bound,
                    vault.command("requests").unwrap()
                );
            }
        }
    }
}

const PEERS: [&str; 3] = ["bare", "official", "ours"];

/// Runs one client in this process.
async fn run_peer(arguments: &[String]) {
    let [peer, mode, url, authority, count, http1] = arguments else { panic!("six arguments are required") };
    let task = Task {
        peer: peer.clone(),
        mode: mode.clone(),
        url: url.clone(),
        authority: authority.clone(),
        count: count.parse().unwrap(),
        http1: http1.parse().unwrap(),
    };
    match task.peer.as_str() {
        "bare" => bare::run(&task).await,
        "official" => official::run(&task).await,
        _ => ours::run(&task).await,
    }
}

/// Waits for the next round and returns its argument, such as the version in an event. `None` at the end of input.
fn read_command() -> Option<String> {
    let mut line = String::new();
    let read = std::io::stdin().lock().read_line(&mut line).unwrap();
    (read > 0).then(|| line.trim().to_owned())
}

fn ready() {
    println!("ready");
}

fn print((wall, loaded): Measurement) {
    println!("{wall} {loaded}");
}
