//! A service whose secret rotates every second under faults, and the measurements that show whether it leaks.
//!
//! * [`RemoteVault`] is the emulator in a process of its own, so that the measurements are those of the service alone.
//! * [`Service`] uses the whole library each second.
//! * [`Sample`] holds what the process holds at one moment; [`judge`] compares the samples over time.

mod sample;
mod service;
mod vault;
mod verdict;

pub use self::sample::Sample;
pub use self::service::{Service, Totals};
pub use self::vault::{Access, ManagedIdentity, RemoteVault, serve};
pub use self::verdict::{Verdict, judge};

/// The result of an operation of this example.
pub type Result<T = (), E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;
