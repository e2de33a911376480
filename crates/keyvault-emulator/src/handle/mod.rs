//! The public handle: starts an emulator, and observes and changes it from a test. No other room knows it.
//!
//! Reading order: [`builder`] configures and starts an [`emulator`]; [`vault_handle`] changes one vault; [`failures`]
//! and [`clock`] are the methods for faults, denials, throttling and time.

mod builder;
mod clock;
mod emulator;
mod failures;
mod vault_handle;

pub use builder::EmulatorBuilder;
pub use emulator::Emulator;
pub use vault_handle::VaultHandle;
