//! The concurrency of `keyvault` under every schedule that [Shuttle](https://docs.rs/shuttle) draws.
//!
//! The checked files are the crate's own, compiled here by `#[path]` against Shuttle's `tokio` in place of tokio.
//! Shuttle then decides at every lock, notification and await which task continues, and detects deadlocks. Sharing by
//! `#[path]` is the exception in this repository: Shuttle must replace the primitives when the file is compiled, and
//! the alternative, a `cfg` in each file of the crate that uses tokio, would put the model into production code.
//! Stand-ins replace the modules that the files use.
//!
//! Not covered: interleavings between two such points, such as inside the atomics of `arc-swap`, which count as one
//! step; time, which does not pass here; the cache, which consists of `moka` and tokio's `OnceCell`; and the refresh
//! task itself, which shares only the state in these files. `tests/hostile/simulation` and `tests/hostile/cancellation`
//! cover those.

#![allow(dead_code, missing_docs, unreachable_pub, reason = "the model uses only a part of the crate's files")]

mod error;
pub mod live;
mod origin;
mod status;
mod vault;

/// The state that requests to a vault share: the rate limit and the token.
mod client {
    #[path = "../../../../crates/keyvault/src/client/authorizer.rs"]
    pub(super) mod authorizer;
    #[path = "../../../../crates/keyvault/src/client/rate_limit/mod.rs"]
    pub(super) mod rate_limit;
    #[path = "../../../../crates/keyvault/src/client/retry.rs"]
    mod retry;

    pub mod checks;
}

pub use self::client::checks;
