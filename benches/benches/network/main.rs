//! Cold load, references, refresh and rotation, found by a refresh and by an event, over TLS, with 20 ms for each request:
//! ours, the official client's, and the bound's.
//!
//! `cargo bench -p keyvault-benches --bench network [-- --http1]`. Each start is a process of its own, as is the vault.
//! `KEYVAULT_ROUNDS` is the number of rounds, 7 if it is not set. Two things take minutes and are asked for by name:
//! `--starts` counts how many of 500 cold starts with 100 references fail, and `--throttled` loads 10,000 secrets from a
//! vault that refuses what is above the service's limit. `--event` measures the rotations by event, and nothing else.
//!
//! The bound is computed from R, the round trip that a bare client of hyper measured in the same round: a list is in
//! series, so a load is (pages + 1)·R, references are R, a refresh is pages·R, an event is R. The bare client does the same
//! requests, reads nothing of the answers but the link to the next page, and keeps nothing.

#![allow(clippy::unwrap_used, reason = "a measurement that cannot go on stops where it stands")]

mod bare;
mod official;
mod ours;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use keyvault_benches::{Rounds, Vault, is_bench, name, rounds, save};
use serde_json::{Value, json};

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
type Measured = (f64, usize);

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
    if asked("--event") {
        let sizes: &[usize] = if is_bench() { &[10, 1_000] } else { &[10] };
        return sizes.iter().for_each(|&n| event(&mut vault(n), n, http1));
    }
    let sizes: &[usize] = if is_bench() { &[10, 30, 100, 300, 1_000] } else { &[10] };
    let mut loads = Vec::new();
    for &n in sizes {
        let mut vault = vault(n);
        let pages = n.div_ceil(25) as f64;
        let measured = cold(&mut vault, "list", n, http1, pages + 1.0);
        loads.push(json!({ "secrets": n, "milliseconds": measured }));
        if matches!(n, 10 | 1_000) {
            if n == 1_000 {
                cold(&mut vault, "names", n, http1, pages + 1.0);
                cold(&mut vault, "refs", 10, http1, 1.0);
                cold(&mut vault, "refs", 100, http1, 1.0);
            }
            refresh(&mut vault, n, http1, false);
            refresh(&mut vault, n, http1, true);
            event(&mut vault, n, http1);
        }
    }
    save(if http1 { "load-http1" } else { "load" }, &Value::from(loads)).unwrap();
}

fn vault(secrets: usize) -> Vault {
    Vault::start(env!("CARGO_BIN_EXE_vault"), 20, secrets).unwrap()
}

/// Measures cold starts, each in a process of its own; gives the medians by peer, and the bound's.
fn cold(vault: &mut Vault, mode: &str, count: usize, http1: bool, round_trips: f64) -> BTreeMap<String, f64> {
    let mut measured = Peers::default();
    let mut bounds = Rounds::default();
    for _ in 0..rounds(7) {
        let bound = round_trip(vault) * round_trips;
        bounds.push(bound);
        for peer in PEERS.into_iter().filter(|peer| *peer != "official" || mode != "names") {
            vault.tell("requests").unwrap();
            let (wall, loaded) = Process::start(vault, peer, mode, count, http1).measured();
            assert_eq!(loaded, count, "{peer} {mode}");
            measured.add(peer, wall, bound, vault.tell("requests").unwrap());
        }
    }
    println!("\n{mode} {count}, cold; bound {:.1} ms", bounds.median());
    measured.report();
    let medians = measured.walls.iter().map(|(peer, walls)| ((*peer).to_owned(), walls.median()));
    let mut medians: BTreeMap<String, f64> = medians.collect();
    medians.insert("bound".to_owned(), bounds.median());
    medians
}

/// Measures refreshes in which nothing changed, or the secret in the middle.
fn refresh(vault: &mut Vault, count: usize, http1: bool, rotation: bool) {
    let pages = count.div_ceil(25);
    // Items come in the order of their names.
    let page = (count / 2) / 25 + 1;
    let round_trips = if rotation { pages.max(page + 1) } else { pages } as f64;
    let mut measured = Peers::default();
    for peer in PEERS {
        let mut process = Process::start(vault, peer, "refresh", count, http1);
        // A secret that was read in the second that it was set in may be newer still, and is read again.
        std::thread::sleep(std::time::Duration::from_secs(3));
        process.go();
        process.measured();
        for _ in 0..rounds(7) {
            let bound = round_trip(vault) * round_trips;
            if rotation {
                vault.tell(&format!("set {}", name(count / 2))).unwrap();
            }
            vault.tell("requests").unwrap();
            process.go();
            let (wall, _) = process.measured();
            measured.add(peer, wall, bound, vault.tell("requests").unwrap());
            if rotation {
                std::thread::sleep(std::time::Duration::from_secs(3));
                process.go();
                process.measured();
            }
        }
    }
    println!(
        "\n{} {count}; {round_trips} round trips",
        if rotation { "rotation of one in" } else { "refresh, unchanged," }
    );
    measured.report();
}

/// Measures rotations of which an event tells: from handing it over until somebody who waits for new settings has them.
///
/// It names the version, as Azure does, so one request is all that it may cost. The bare client is told of the version, too;
/// the official client takes no events.
fn event(vault: &mut Vault, count: usize, http1: bool) {
    let secret = name(count / 2);
    let mut measured = Peers::default();
    for peer in PEERS.into_iter().filter(|peer| *peer != "official") {
        let mut process = Process::start(vault, peer, "event", count, http1);
        // Versions are told apart by their dates, which have whole seconds.
        std::thread::sleep(std::time::Duration::from_secs(3));
        for _ in 0..rounds(7) {
            let bound = round_trip(vault);
            let version = vault.tell(&format!("set {secret}")).unwrap();
            vault.tell("requests").unwrap();
            process.tell(&format!("{secret}/{version}"));
            let (wall, _) = process.measured();
            // What else it led to would have come by then.
            std::thread::sleep(std::time::Duration::from_secs(3));
            let requests = vault.tell("requests").unwrap();
            assert_eq!(requests, "1 0 0", "{peer} asks once for an event");
            measured.add(peer, wall, bound, requests);
        }
    }
    println!("\nrotation of one in {count}, by event; 1 round trip");
    measured.report();
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
        let mut measured = Peers::default();
        for _ in 0..rounds(3) {
            for &peer in peers {
                // Each begins with a full allowance.
                vault.tell(&format!("throttle {most}")).unwrap();
                vault.tell("requests").unwrap();
                let (wall, loaded) = Process::start(&vault, peer, "list", SECRETS, http1).measured();
                assert_eq!(loaded, SECRETS, "{peer}");
                measured.add(peer, wall, bound, vault.tell("requests").unwrap());
            }
        }
        println!("\nlist {SECRETS}, cold, throttled and counted {counted}; bound {bound:.0} ms");
        measured.report();
    }
}

/// What was measured of each client.
#[derive(Default)]
struct Peers<'p> {
    walls: BTreeMap<&'p str, Rounds>,
    ratios: BTreeMap<&'p str, Rounds>,
    /// Milliseconds above the bound.
    excesses: BTreeMap<&'p str, Rounds>,
    /// Of the last round.
    requests: BTreeMap<&'p str, String>,
}

impl<'p> Peers<'p> {
    fn add(&mut self, peer: &'p str, wall: f64, bound: f64, requests: String) {
        self.walls.entry(peer).or_default().push(wall);
        self.ratios.entry(peer).or_default().push(wall / bound);
        self.excesses.entry(peer).or_default().push(wall - bound);
        self.requests.insert(peer, requests);
    }

    fn report(&self) {
        println!(
            "{:<10} {:>10} {:>9} {:>17} {:>10}  requests, of these throttled, unauthorized",
            "", "ms", "x bound", "range", "ms above"
        );
        for (peer, walls) in &self.walls {
            let (least, most) = self.ratios[peer].range();
            println!(
                "{peer:<10} {:>10.1} {:>9.2} {:>17} {:>10.1}  {}",
                walls.median(),
                self.ratios[peer].median(),
                format!("{least:.2} to {most:.2}"),
                self.excesses[peer].median(),
                self.requests[peer]
            );
        }
    }
}

/// Measures R, in milliseconds: the median of some requests over a connection that is open.
fn round_trip(vault: &Vault) -> f64 {
    let (round_trip, _) = Process::start(vault, "bare", "one", 1, false).measured();
    round_trip
}

const PEERS: [&str; 3] = ["bare", "official", "ours"];

/// A process that is measured.
struct Process {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Process {
    fn start(vault: &Vault, peer: &str, mode: &str, count: usize, http1: bool) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--peer", peer, mode, vault.url(), vault.authority(), &count.to_string(), &http1.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let orders = child.stdin.take().unwrap();
        let mut answers = BufReader::new(child.stdout.take().unwrap());
        if matches!(mode, "refresh" | "event") {
            let mut ready = String::new();
            answers.read_line(&mut ready).unwrap();
        }
        Self { child, orders, answers }
    }

    fn go(&mut self) {
        self.tell("");
    }

    fn tell(&mut self, order: &str) {
        writeln!(self.orders, "{order}").unwrap();
    }

    fn measured(&mut self) -> Measured {
        self.outcome().expect("the peer measures, and does not fail")
    }

    /// Gives what was measured; none if the process failed.
    fn outcome(&mut self) -> Option<Measured> {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        let (wall, loaded) = line.trim().split_once(' ')?;
        Some((wall.parse().unwrap(), loaded.parse().unwrap()))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

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

fn print((wall, loaded): Measured) {
    println!("{wall} {loaded}");
}
