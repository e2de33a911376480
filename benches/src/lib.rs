//! Code that the benchmarks share: a vault in a process of its own, and the statistics of rounds.
//!
//! Each benchmark prints the ratio to a bound that it measures in the same rounds. Only this ratio is comparable
//! between machines, and stable on a busy one.

mod ratio;
mod rounds;
mod token;
mod vault;

pub use self::ratio::{Compared, Ratio};
pub use self::rounds::{Rounds, is_bench, save};
pub use self::token::FixedToken;
pub use self::vault::{Vault, name};
