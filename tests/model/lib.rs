//! Core, compiled against Shuttle's `tokio` in place of tokio.
//!
//! Sharing by `#[path]` is the exception in this repository: Shuttle must replace the primitives when a file is
//! compiled, and the alternative, a `cfg` in each file of core that uses tokio, would put the model into production
//! code.

// `cargo test <name>` compiles this library as a test, too. The unit tests of core need tokio itself.
#![cfg(not(test))]
#![allow(dead_code, unexpected_cfgs, unreachable_pub, unused_imports, reason = "the model has none of core's features")]

/// In place of core's room, whose thread has a runtime of tokio itself.
mod blocking {
    use std::time::Duration;

    #[derive(Clone, Debug)]
    pub(crate) struct Worker;

    impl Worker {
        pub(crate) fn start() -> crate::error::Result<Self> {
            Ok(Self)
        }

        pub(crate) fn run<F: Future>(&self, future: F) -> F::Output {
            tokio::runtime::Handle::current().block_on(future)
        }
    }

    /// Shuttle has no clock, and finds a wait without end by itself.
    pub(crate) async fn within<T>(_limit: Duration, future: impl Future<Output = T>) -> Option<T> {
        Some(future.await)
    }
}

#[path = "../../crates/keyvault/src/client/mod.rs"]
pub mod client;
#[path = "../../crates/keyvault/src/cryptography.rs"]
mod cryptography;
#[path = "../../crates/keyvault/src/error/mod.rs"]
mod error;
#[allow(missing_debug_implementations, reason = "as in core")]
#[path = "../../crates/keyvault/src/http/mod.rs"]
pub mod http;
#[path = "../../crates/keyvault/src/json_string.rs"]
mod json_string;
#[path = "../../crates/keyvault/src/live/mod.rs"]
pub mod live;
#[path = "../../crates/keyvault/src/metrics.rs"]
mod metrics;
#[path = "../../crates/keyvault/src/names/mod.rs"]
pub mod names;
#[path = "../../crates/keyvault/src/push/mod.rs"]
pub mod push;
#[path = "../../crates/keyvault/src/reference/mod.rs"]
pub mod reference;
#[path = "../../crates/keyvault/src/report/mod.rs"]
pub mod report;
#[path = "../../crates/keyvault/src/resolver/mod.rs"]
pub mod resolver;
#[path = "../../crates/keyvault/src/sealed/mod.rs"]
pub mod sealed;
#[path = "../../crates/keyvault/src/secret/mod.rs"]
pub mod secret;
#[path = "../../crates/keyvault/src/settings/mod.rs"]
pub mod settings;
#[path = "../../crates/keyvault/src/store/mod.rs"]
pub mod store;
#[path = "../../crates/keyvault/src/time/mod.rs"]
mod time;

pub use self::error::{Error, ErrorKind};
