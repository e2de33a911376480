//! What the benchmarks have in common: a vault in a process of its own, and the arithmetic of rounds.
//!
//! Each prints the ratio to a bound that it measured in the same rounds: the only figure that another machine, or a busy one,
//! gives too.

mod ratio;
mod rounds;
mod token;
mod vault;

pub use self::ratio::{Compared, Ratio};
pub use self::rounds::{Rounds, is_bench, save};
pub use self::token::FixedToken;
pub use self::vault::{Vault, name};
