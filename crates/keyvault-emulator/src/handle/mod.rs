//! The public handle: starts an emulator, and observes and changes it from a test. No other room knows it.
//!
//! Reading order: [`builder`] configures and starts an [`emulator`]; [`vault_handle`] changes one vault
//! and [`app_configuration_handle`] one App Configuration store;
//! [`emulator_clock`], [`emulator_faults`], [`emulator_denials`] and [`emulator_throttle`] are further methods of the
//! emulator, each for its subject; `credential` is a credential of the Azure SDK.

mod app_configuration_handle;
mod builder;
#[cfg(feature = "credential")]
mod credential;
mod emulator;
mod emulator_clock;
mod emulator_denials;
mod emulator_faults;
mod emulator_throttle;
mod vault_handle;

pub use app_configuration_handle::AppConfigurationHandle;
pub use builder::EmulatorBuilder;
#[cfg(feature = "credential")]
pub use credential::EmulatorCredential;
pub use emulator::Emulator;
pub use vault_handle::VaultHandle;
