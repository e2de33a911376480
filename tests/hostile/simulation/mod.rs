//! The whole refresh engine against a vault that rotates, fails and lies about the time: hundreds of lives, each drawn from
//! a seed.
//!
//! What must hold in every one of them:
//!
//! * what is published was, secret by secret, the latest in the vault at some moment of the pass that read it;
//! * secrets that rotate together are published together;
//! * a version is never followed by an older one;
//! * every change is seen in the end;
//! * every notice of a change names exactly the keys that differ, and there is none without a difference;
//! * a refresh that failed is told, and the settings stay.
//!
//! A seed that fails is printed. `KEYVAULT_SEED=7 cargo test -p keyvault-tests simulation` lives it again, and
//! `KEYVAULT_SEEDS=100000` lives more of them.

mod life;
mod vault;

use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind};

use self::life::Life;

#[test]
fn every_life_keeps_the_promises() {
    if let Some(seed) = number("KEYVAULT_SEED") {
        println!("{}", Life::live(seed));
        return;
    }
    let seeds = number("KEYVAULT_SEEDS").unwrap_or(SEEDS);
    let mut sum = life::Tally::default();
    for seed in 0..seeds {
        match catch_unwind(AssertUnwindSafe(|| Life::live(seed))) {
            Ok(tally) => sum += tally,
            Err(_) => panic!("seed {seed} breaks a promise: KEYVAULT_SEED={seed} lives it again"),
        }
    }
    println!("{seeds} lives: {sum}");
    // A simulation in which nothing happens proves nothing.
    assert!(sum.is_eventful(seeds), "{sum}");
}

/// As many as a test run has time for.
const SEEDS: u64 = 200;

fn number(variable: &str) -> Option<u64> {
    env::var(variable).ok()?.parse().ok()
}
