//! Resources that follow settings: a pool, a client, a TLS configuration.
//!
//! [`Live::derive`](crate::Live::derive) builds a resource from settings and replaces it when they change, after the
//! new one was built and probed. [`Derived`] is the handle to read it.
//!
//! Read in this order:
//!
//! 1. `builder`: what a program configures.
//! 2. `task`: waits until a build is due, builds, publishes. It does not know the types of settings and resource.
//! 3. `factory`: the seam behind which those types are, and how the application's code is contained.
//! 4. `drain`: replaced resources, until they end.
//! 5. `derived`, `health`, `watcher`: what a program reads.

mod builder;
mod derived;
mod drain;
mod factory;
mod health;
mod keys;
mod task;
mod watcher;

pub use self::builder::Derive;
pub use self::derived::Derived;
pub use self::health::DerivedHealth;
pub use self::watcher::{DerivedNotice, DerivedWatcher};
