//! Where tasks of `keyvault` meet, under every schedule that [Shuttle](https://docs.rs/shuttle) draws.
//!
//! The files are the crate's own, taken in by their path: nothing is rewritten to be checked. Here `tokio` is Shuttle's, which
//! decides at every lock, notification and await who goes on, and finds who would wait for ever. What surrounds the files is
//! stood in for, as plainly as may be.
//!
//! Not covered: what lies between two such points, as the atomics of `arc-swap` do, which are taken to be one step; time, which
//! does not pass here; and the refresh task itself, which shares nothing but what stands in these files.
//! `tests/hostile/simulation` and `tests/hostile/cancellation` are about those.

#![allow(dead_code, missing_docs, unreachable_pub, reason = "of the crate's files only a part is used here")]

mod error;
#[path = "../../../crates/keyvault/src/flights.rs"]
mod flights;
pub mod live;
mod origin;
mod status;
pub mod together;
mod vault;

/// The way to a vault: whose turn it is, and which token is shown.
mod client {
    #[path = "../../../../crates/keyvault/src/client/authorizer.rs"]
    pub(super) mod authorizer;
    #[path = "../../../../crates/keyvault/src/client/bucket.rs"]
    mod bucket;
    #[path = "../../../../crates/keyvault/src/client/pace.rs"]
    pub(super) mod pace;
    #[path = "../../../../crates/keyvault/src/client/retry.rs"]
    mod retry;
    #[path = "../../../../crates/keyvault/src/client/window.rs"]
    mod window;

    pub mod checks;
}

pub use self::client::checks;
