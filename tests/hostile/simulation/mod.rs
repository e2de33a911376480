//! The whole refresh engine against a vault that rotates, fails and lies about the time: hundreds of lives, each drawn from
//! a seed.
//!
//! What must hold in every one of them:
//!
//! * what is published was, secret by secret, the latest in the vault at some moment of the pass that read it, or what an
//!   event told of;
//! * secrets that rotate together are published together;
//! * a version is never followed by an older one;
//! * every change is seen in the end;
//! * every notice of a change names exactly the keys that differ, and there is none without a difference;
//! * a refresh that failed is told, and the settings stay.
//!
//! A seed that fails is printed. `KEYVAULT_SEED=7 cargo test -p keyvault-tests simulation` lives it again, to the last request
//! as it was, and tells everything that happens; `KEYVAULT_SEEDS=100000` lives more of them.

mod life;
mod load;
mod trace;
mod vault;

use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use self::life::{Life, Tally};

#[test]
fn every_life_keeps_the_promises() {
    if let Some(seed) = number("KEYVAULT_SEED") {
        println!("{}", Life::live(seed).tally);
        return;
    }
    let seeds = number("KEYVAULT_SEEDS").unwrap_or(SEEDS);
    let sum = live_all(seeds).unwrap_or_else(|seed| {
        panic!("seed {seed} breaks a promise: KEYVAULT_SEED={seed} lives it again");
    });
    println!("{seeds} lives: {sum}");
    // A simulation in which nothing happens proves nothing.
    assert!(sum.is_eventful(seeds), "{sum}");
}

#[test]
fn a_seed_lives_the_same_life_again() {
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

/// Lives the lives of the first `seeds`, on all processors; else tells a seed that breaks a promise.
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

/// As many as a test run has time for.
const SEEDS: u64 = 200;

fn number(variable: &str) -> Option<u64> {
    env::var(variable).ok()?.parse().ok()
}
