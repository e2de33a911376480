//! Measures starts, refreshes and changes of settings in App Configuration over TLS, with a latency of 20 ms for each
//! request, for this library and the official providers of Python and JavaScript.
//!
//! `cargo bench -p keyvault-benches --bench configuration`, with a filter after `--`: `start`, `change/100`,
//! `refresh/0/python`. A group is named by its number of Key Vault references, which come in addition to 100 settings.
//! `.ci/sdks` installs the official providers; without them, they are left out. Each start is a process of its own, and
//! does not count the time until the program and its modules are loaded.
//!
//! The bound comes from R, the round trip of an open connection, measured in the same round. A page has 100 key-values,
//! a full one is followed by another, and the pages of a list are sequential. References take R, because each is one
//! request and all can be sent at once. So the bound of a start is (pages + 1)·R, without references pages·R. The bound
//! of a refresh is pages·R, of a changed setting as well: the response to the condition has the changed page. This
//! library also asks the vault about every reference in each refresh, which takes R in addition; the official providers
//! do not.

#![allow(clippy::unwrap_used, reason = "a benchmark that fails panics at the place of the failure")]

mod ours;
mod process;

use std::cell::{OnceCell, RefCell, RefMut};
use std::time::Duration;

use criterion::{BenchmarkGroup, Criterion, SamplingMode};
use keyvault_benches::{Compared, Ratio, Vault, is_bench, name};

use self::process::{Peer, Process};

/// The settings of the store that are no references.
const SETTINGS: usize = 100;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "--peer") {
        return ours::run(&arguments[at + 1..]);
    }
    let mut criterion = Ratio::criterion();
    let references: &[usize] = if is_bench() { &[0, 10, 100] } else { &[10] };
    for &references in references {
        let store = Store { vault: OnceCell::new(), references };
        start(group(&mut criterion, "start", references), &store);
        refresh(group(&mut criterion, "refresh", references), &store, false);
        refresh(group(&mut criterion, "change", references), &store, true);
    }
    criterion.final_summary();
}

/// Creates a group with the fewest samples that criterion allows, because some rounds take seconds.
fn group<'c>(criterion: &'c mut Criterion<Ratio>, mode: &str, references: usize) -> BenchmarkGroup<'c, Ratio> {
    let mut group = criterion.benchmark_group(format!("{mode}/{references}"));
    group.sample_size(10).sampling_mode(SamplingMode::Flat).warm_up_time(Duration::from_millis(1));
    group
}

/// A store and a vault, started on their first use.
struct Store {
    vault: OnceCell<RefCell<Vault>>,
    references: usize,
}

impl Store {
    fn vault(&self) -> RefMut<'_, Vault> {
        let start = || {
            let mut vault = Vault::start(env!("CARGO_BIN_EXE_vault"), 20, self.references.max(1)).unwrap();
            for n in 0..SETTINGS {
                vault.command(&format!("put setting{n:03} first")).unwrap();
            }
            for n in 0..self.references {
                vault.command(&format!("refer reference{n:03} {}", name(n))).unwrap();
            }
            RefCell::new(vault)
        };
        self.vault.get_or_init(start).borrow_mut()
    }

    /// Returns the requests since the last call: to App Configuration, those answered with 304, to the vault.
    fn requests(&self) -> String {
        self.vault().command("exchanges").unwrap()
    }

    fn pages(&self) -> usize {
        (SETTINGS + self.references) / 100 + 1
    }
}

/// Measures cold starts, each in a process of its own.
fn start(group: BenchmarkGroup<'_, Ratio>, store: &Store) {
    let round_trips = store.pages() + usize::from(store.references > 0);
    compare(group, store, round_trips, |peer| {
        move || {
            let wall = Process::start(peer, "start", &mut store.vault()).measurement(SETTINGS + store.references);
            (wall, store.requests())
        }
    });
}

/// Measures refreshes in which nothing changed, or one setting in the middle.
fn refresh(group: BenchmarkGroup<'_, Ratio>, store: &Store, change: bool) {
    let (mut group, mut changes) = (group, 0);
    // In the usual five seconds, so many refreshes of 100 references would reach the rate limit of the client.
    group.measurement_time(Duration::from_secs(2));
    compare(group, store, store.pages(), |peer| {
        let mut process = None;
        changes += 1_000;
        let mut value = changes;
        move || {
            let process = process.get_or_insert_with(|| Process::start(peer, "refresh", &mut store.vault()));
            let mut expected = String::new();
            if change {
                value += 1;
                expected = format!("setting050 {value}");
                store.vault().command(&format!("put {expected}")).unwrap();
            }
            store.requests();
            process.send(&expected);
            let wall = process.measurement(SETTINGS + store.references);
            (wall, store.requests())
        }
    });
}

/// Measures each provider against a bound of `round_trips`, and prints the results. `way` returns the function that
/// runs one round and returns its milliseconds and requests.
fn compare<W: FnMut() -> (f64, String)>(
    mut group: BenchmarkGroup<'_, Ratio>,
    store: &Store,
    round_trips: usize,
    mut way: impl FnMut(Peer) -> W,
) {
    for peer in Peer::ALL.into_iter().filter(|peer| peer.is_installed()) {
        let (mut round, mut requests) = (way(peer), String::new());
        let compared = Ratio::compare(&mut group, peer.name(), |times| {
            let (mut wall, mut bound) = (0.0, 0.0);
            for _ in 0..times {
                bound += process::round_trip(&store.vault()) * round_trips as f64;
                store.requests();
                let (took, sent) = round();
                wall += took;
                requests = sent;
            }
            (wall, bound)
        });
        let Some(Compared { way, bound, ratio }) = compared else { continue };
        println!(
            "{} {way:.1} ms, bound {bound:.1} ms, {:.1} ms above, ratio {ratio:.2}; requests to App Configuration, \
             304, to the vault: {requests}",
            peer.name(),
            way - bound
        );
    }
    group.finish();
}
