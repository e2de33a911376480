//! Cold load, references, refresh and rotation, found by a refresh and by an event, over TLS, with 20 ms for each request:
//! ours, the official client's, and the bound's.
//!
//! `cargo bench -p keyvault-benches --bench network`, with a filter behind `--`: `http2`, `http1/refs`, `http2/event/1000`. Each
//! start is a process of its own, as is the vault. Two things take minutes and are asked for by name: `--starts` counts how
//! many of 500 cold starts with 100 references fail, and `--throttled` loads 10,000 secrets from a vault that refuses what is
//! above the service's limit; with `--http1` they do so over HTTP/1.1.
//!
//! The bound is computed from R, the round trip that a bare client of hyper measured in the same round: a list is in
//! series, so a load is (pages + 1)·R, references are R, a refresh is pages·R, an event is R. The bare client does the same
//! requests, reads nothing of the answers but the link to the next page, and keeps nothing.

#![allow(clippy::unwrap_used, reason = "a measurement that cannot go on stops where it stands")]

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

/// What a process that is measured is told.
#[derive(Clone, Debug)]
struct Task {
    peer: String,
    mode: String,
    url: String,
    authority: String,
    count: usize,
    http1: bool,
}

/// What it answers: milliseconds, and how many secrets it has.
type Answered = (f64, usize);

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "--peer") {
        return serve(&arguments[at + 1..]).await;
    }
    let asked = |option: &str| arguments.iter().any(|argument| argument == option);
    let http1 = asked("--http1");
    if asked("--starts") {
        return starts(http1);
    }
    if asked("--throttled") {
        return throttled(http1);
    }
    let mut criterion = Ratio::criterion();
    let loads = network(&mut criterion, "http2");
    network(&mut criterion, "http1");
    criterion.final_summary();
    // None is whole if only some were asked for.
    if loads.iter().all(|load| PEERS.iter().all(|peer| load["milliseconds"][peer].is_number())) {
        save("load", &Value::from(loads)).unwrap();
    }
}

/// Measures everything over one version of HTTP, and gives what cold loads took.
fn network(criterion: &mut Criterion<Ratio>, version: &str) -> Vec<Value> {
    let sizes: &[usize] = if is_bench() { &[10, 30, 100, 300, 1_000] } else { &[10] };
    let mut loads = Vec::new();
    for &n in sizes {
        let scene = &Scene { vault: OnceCell::new(), secrets: n, http1: version == "http1" };
        let pages = n.div_ceil(25) as f64;
        let list = cold(group(criterion, version, "list", n), scene, "list", n, pages + 1.0);
        let mut medians: BTreeMap<&str, f64> =
            list.iter().map(|(peer, measured)| (*peer, measured.compared.way)).collect();
        medians.extend(list.get("ours").map(|measured| ("bound", measured.compared.bound)));
        loads.push(json!({ "secrets": n, "milliseconds": medians }));
        if matches!(n, 10 | 1_000) {
            if n == 1_000 {
                cold(group(criterion, version, "names", n), scene, "names", n, pages + 1.0);
                cold(group(criterion, version, "refs", 10), scene, "refs", 10, 1.0);
                cold(group(criterion, version, "refs", 100), scene, "refs", 100, 1.0);
            }
            refresh(group(criterion, version, "refresh", n), scene, false);
            refresh(group(criterion, version, "rotation", n), scene, true);
            event(group(criterion, version, "event", n), scene);
        }
    }
    loads
}

/// Some rounds take seconds: then criterion gets the ten that it must have, and says that it wanted more time.
fn group<'c>(criterion: &'c mut Criterion<Ratio>, version: &str, mode: &str, n: usize) -> BenchmarkGroup<'c, Ratio> {
    let mut group = criterion.benchmark_group(format!("{version}/{mode}/{n}"));
    group.sample_size(10).sampling_mode(SamplingMode::Flat).warm_up_time(Duration::from_millis(1));
    group
}

/// What was measured of one client.
struct Measured {
    compared: Compared,
    /// How many requests the last round took, and how many of these were throttled and unauthorized.
    requests: String,
}

/// A vault, which is started when somebody wants it.
struct Scene {
    vault: OnceCell<RefCell<Vault>>,
    secrets: usize,
    http1: bool,
}

impl Scene {
    fn vault(&self) -> RefMut<'_, Vault> {
        self.vault.get_or_init(|| RefCell::new(vault(self.secrets))).borrow_mut()
    }

    fn start(&self, peer: &str, mode: &str, count: usize) -> Process {
        Process::start(&self.vault(), peer, mode, count, self.http1)
    }

    /// Tells how many requests there were since it was last asked, and how many of these were throttled and unauthorized.
    fn requests(&self) -> String {
        self.vault().tell("requests").unwrap()
    }
}

fn vault(secrets: usize) -> Vault {
    Vault::start(env!("CARGO_BIN_EXE_vault"), 20, secrets).unwrap()
}

/// Measures cold starts, each in a process of its own.
fn cold(
    group: BenchmarkGroup<'_, Ratio>,
    scene: &Scene,
    mode: &str,
    count: usize,
    round_trips: f64,
) -> BTreeMap<&'static str, Measured> {
    let peers = PEERS.into_iter().filter(|peer| *peer != "official" || mode != "names");
    compare(group, scene, peers, round_trips, |peer| {
        move || {
            let (wall, loaded) = scene.start(peer, mode, count).measured();
            assert_eq!(loaded, count, "{peer} {mode}");
            (wall, scene.requests())
        }
    })
}

/// Measures refreshes in which nothing changed, or the secret in the middle.
fn refresh(group: BenchmarkGroup<'_, Ratio>, scene: &Scene, rotation: bool) {
    let count = scene.secrets;
    let pages = count.div_ceil(25);
    // Items come in the order of their names.
    let page = (count / 2) / 25 + 1;
    let round_trips = if rotation { pages.max(page + 1) } else { pages } as f64;
    compare(group, scene, PEERS.into_iter(), round_trips, |peer| {
        let mut process = None;
        move || {
            let process = process.get_or_insert_with(|| {
                let mut process = scene.start(peer, "refresh", count);
                settle(&mut process);
                process
            });
            if rotation {
                scene.vault().tell(&format!("set {}", name(count / 2))).unwrap();
            }
            scene.requests();
            process.go();
            let (wall, _) = process.measured();
            let requests = scene.requests();
            if rotation {
                settle(process);
            }
            (wall, requests)
        }
    });
}

/// Refreshes once more: a secret that was read in the second that it was set in may be newer still, and is read again.
fn settle(process: &mut Process) {
    pause();
    process.go();
    process.measured();
}

/// Versions are told apart by their dates, which have whole seconds.
fn pause() {
    std::thread::sleep(Duration::from_secs(3));
}

/// Measures rotations of which an event tells: from handing it over until somebody who waits for new settings has them.
///
/// It names the version, as Azure does, so one request is all that it may cost. The bare client is told of the version, too;
/// the official client takes no events.
fn event(group: BenchmarkGroup<'_, Ratio>, scene: &Scene) {
    let secret = name(scene.secrets / 2);
    let peers = PEERS.into_iter().filter(|peer| *peer != "official");
    let measured = compare(group, scene, peers, 1.0, |peer| {
        let (secret, mut process) = (&secret, None);
        move || {
            let process = process.get_or_insert_with(|| {
                let process = scene.start(peer, "event", scene.secrets);
                pause();
                process
            });
            let version = scene.vault().tell(&format!("set {secret}")).unwrap();
            scene.requests();
            process.tell(&format!("{secret}/{version}"));
            let (wall, _) = process.measured();
            // What else it led to would have come by then.
            pause();
            (wall, scene.requests())
        }
    });
    assert!(measured.values().all(|measured| measured.requests == "1 0 0"), "each asks once for an event");
}

/// Measures each of `peers` beside a bound of so many round trips, and tells what it cost; `way` makes what is done in a round,
/// which gives milliseconds and requests.
fn compare<'p, W: FnMut() -> (f64, String)>(
    mut group: BenchmarkGroup<'_, Ratio>,
    scene: &Scene,
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
                bound += round_trip(&scene.vault()) * round_trips;
                scene.requests();
                let (took, asked) = round();
                wall += took;
                requests = asked;
            }
            (wall, bound)
        });
        let Some(compared) = compared else { continue };
        let Compared { way, bound, ratio } = compared;
        println!(
            "{peer} {way:.1} ms, bound {bound:.1} ms, {:.1} ms above, ratio {ratio:.2}; requests, throttled, unauthorized: \
             {requests}",
            way - bound
        );
        all.insert(peer, Measured { compared, requests });
    }
    group.finish();
    all
}

/// Counts the cold starts that fail: a client that loses its token to another request's challenge fails now and then.
fn starts(http1: bool) {
    const STARTS: usize = 500;
    let mut vault = vault(100);
    for peer in ["official", "ours"] {
        vault.tell("requests").unwrap();
        let fails = || Process::start(&vault, peer, "refs", 100, http1).outcome().is_none();
        let failed = (0..STARTS).filter(|_| fails()).count();
        println!("{peer:<10} {failed} of {STARTS} failed; requests {}", vault.tell("requests").unwrap());
    }
}

/// Measures loads of 10,000 secrets from a vault that refuses what is above the service's limit: 4,000 in ten seconds.
///
/// The service does not tell how it counts. One that has a bucket of 4,000, filled by 400 a second, takes up to 8,000 in ten
/// seconds from who keeps to it, and so it is 16 seconds for 10,400 requests. One that counts what came in the last ten
/// seconds takes 4,000 at once and 4,000 after ten seconds; after twenty, the rest of the list is in series.
fn throttled(http1: bool) {
    const SECRETS: usize = 10_000;
    let requests = SECRETS + SECRETS / 25;
    let mut vault = vault(SECRETS);
    let in_series = ((requests - 8_000) / 26) as f64 * round_trip(&vault);
    // Who does not keep to a bucket gets more from a vault that takes 8,000 than from one that has a bucket.
    let bucket = ("in a bucket", 8_000, (requests - 4_000) as f64 * 2.5, &["ours"][..]);
    let window = ("in a window", 4_000, 20_000.0 + in_series, &["official", "ours"][..]);
    for (counted, most, bound, peers) in [bucket, window] {
        for &peer in peers {
            for _ in 0..3 {
                // Each begins with a full allowance.
                vault.tell(&format!("throttle {most}")).unwrap();
                vault.tell("requests").unwrap();
                let (wall, loaded) = Process::start(&vault, peer, "list", SECRETS, http1).measured();
                assert_eq!(loaded, SECRETS, "{peer}");
                println!(
                    "counted {counted}: {peer} {wall:.0} ms, bound {bound:.0} ms, ratio {:.3}; requests, throttled, \
                     unauthorized: {}",
                    wall / bound,
                    vault.tell("requests").unwrap()
                );
            }
        }
    }
}

const PEERS: [&str; 3] = ["bare", "official", "ours"];

/// Is the process that is measured.
async fn serve(arguments: &[String]) {
    let [peer, mode, url, authority, count, http1] = arguments else { panic!("six arguments are wanted") };
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

/// Waits for the order to refresh, or for the version that an event tells of; none at the end of input.
fn ordered() -> Option<String> {
    let mut line = String::new();
    let read = std::io::stdin().lock().read_line(&mut line).unwrap();
    (read > 0).then(|| line.trim().to_owned())
}

fn ready() {
    println!("ready");
}

fn print((wall, loaded): Answered) {
    println!("{wall} {loaded}");
}
