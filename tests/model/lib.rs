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

#[path = "core/client/mod.rs"]
pub mod client;
#[path = "core/cryptography.rs"]
mod cryptography;
#[path = "core/error/mod.rs"]
mod error;
#[allow(missing_debug_implementations, reason = "as in core")]
#[path = "core/http/mod.rs"]
pub mod http;
#[path = "core/json_string.rs"]
mod json_string;
#[path = "core/live/mod.rs"]
pub mod live;
#[path = "core/metrics.rs"]
mod metrics;
#[path = "core/names/mod.rs"]
pub mod names;
#[path = "core/push/mod.rs"]
pub mod push;
#[path = "core/reference/mod.rs"]
pub mod reference;
#[path = "core/report/mod.rs"]
pub mod report;
#[path = "core/resolver/mod.rs"]
pub mod resolver;
#[path = "core/sealed/mod.rs"]
pub mod sealed;
#[path = "core/secret/mod.rs"]
pub mod secret;
#[path = "core/settings/mod.rs"]
pub mod settings;
#[path = "core/store/mod.rs"]
pub mod store;
#[path = "core/time/mod.rs"]
mod time;

pub use self::error::{Error, ErrorKind};
