//! Resources that follow settings: a pool, a client, a TLS configuration.
//!
//! [`Live::derive`](crate::Live::derive) builds a resource from settings and replaces it when they change, after the
//! new one was built and probed. [`Derived`] is the handle to read it.
//!
//! Read in this order:
//!
//! 1. `builder`: what a program configures; `keys`, the settings that a resource is built from.
//! 2. `replacement_loop`: waits until a build is due, builds, publishes.
//! 3. `factory`: builds and probes a resource, and contains the application's code.
//! 4. `drain`: replaced resources, until they end.
//! 5. `derived`, `health`, `watcher`: what a program reads; `retry`, operations that a rotation interrupts;
//!    `certificates`, those that rustls takes.

mod builder;
#[cfg(feature = "certificates")]
mod certificates;
mod derived;
mod drain;
mod factory;
mod health;
mod keys;
mod replacement_loop;
mod retry;
mod watcher;

pub use self::builder::Derive;
pub use self::derived::Derived;
pub use self::health::DerivedHealth;
pub use self::retry::OperationFailure;
pub use self::watcher::{DerivedNotice, DerivedWatcher};
