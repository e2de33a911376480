//! The whole refresh loop against a vault that rotates, fails and misreports the time, and a store of settings beside
//! it: hundreds of lives, each derived from a seed.
//!
//! In every life these invariants hold:
//!
//! * each published secret was the latest in the vault at some moment of the refresh that read it, or was announced by
//!   an event;
//! * secrets that rotate together are published together, and a setting of the store never goes back;
//! * an older version never follows a newer one;
//! * every change is published eventually, although events come late, twice and in any order;
//! * no setting was replaced longer ago than the age that health says, and health is not green beyond its maximum;
//! * every report of a rejected credential is answered within its deadline;
//! * every notice of a change names exactly the keys that differ, and no notice comes without a difference;
//! * a failed refresh is reported, and the settings stay.
//!
//! The test prints a failing seed. `KEYVAULT_SEED=7 cargo test -p keyvault-tests simulation` repeats it down to the
//! last request and prints every event. `KEYVAULT_SEEDS=100000` runs more of them.

mod life;
mod load;
mod store;
mod trace;
mod vault;

use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use self::life::{Life, Tally};

#[test]
fn every_life_keeps_the_invariants() {
    if let Some(seed) = number("KEYVAULT_SEED") {
        println!("{}", Life::live(seed).tally);
        return;
    }
    let seeds = number("KEYVAULT_SEEDS").unwrap_or(SEEDS);
    let sum = live_all(seeds).unwrap_or_else(|seed| {
        panic!("seed {seed} breaks a promise: KEYVAULT_SEED={seed} lives it again");
    });
    println!("{seeds} lives: {sum}");
    // An uneventful simulation proves nothing.
    assert!(sum.is_eventful(seeds), "{sum}");
}

#[test]
fn a_seed_reproduces_its_life() {
    let (mut lines, mut last) = (0, Vec::new());
    for seed in 0..5 {
        let (one, other) = (Life::live(seed).trace, Life::live(seed).trace);
        let parting = one.iter().zip(&other).find(|(one, other)| one != other);
        assert_eq!((parting, one.len()), (None, other.len()), "seed {seed}");
        assert_ne!(one, last, "another seed is another life");
        (lines, last) = (lines + one.len(), one);
    }
    assert!(lines > 500, "{lines}: a trace is of something");
}

/// Runs the lives of the first `seeds` on all processors, and reports a seed that breaks a promise.
fn live_all(seeds: u64) -> Result<Tally, u64> {
    let next = AtomicU64::new(0);
    let live_some = || {
        let mut sum = Tally::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds {
                return Ok(sum);
            }
            match catch_unwind(AssertUnwindSafe(|| Life::live(seed))) {
                Ok(lived) => sum += lived.tally,
                Err(_) => {
                    next.store(seeds, Ordering::Relaxed);
                    return Err(seed);
                }
            }
        }
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(live_some)).collect();
        workers.into_iter().try_fold(Tally::default(), |mut sum, worker| {
            sum += worker.join().unwrap()?;
            Ok(sum)
        })
    })
}

/// The number of seeds of a normal test run.
const SEEDS: u64 = 200;

fn number(variable: &str) -> Option<u64> {
    env::var(variable).ok()?.parse().ok()
}
