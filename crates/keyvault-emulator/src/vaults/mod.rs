//! The vaults: plain state without HTTP, sockets or a clock. Every function takes the time as an argument.
//!
//! Reading order: [`set_secret`] and [`update_secret`] are what a caller sends, parsed by [`request_body`];
//! [`secret_version`] and [`stored_secret`] are what a vault stores; [`vault`] sets, gets, deletes and recovers by its
//! [`recovery_policy`]; [`vault_map`] holds the vaults by name, which [`host`] reads from a host name; [`seed`] loads
//! secrets written by a person. [`name`] is the grammar of names and versions.

pub(crate) mod host;
pub(crate) mod name;
mod recovery_policy;
mod request_body;
mod secret_version;
mod seed;
mod set_secret;
mod stored_secret;
mod update_secret;
mod vault;
mod vault_map;

pub use seed::{Seed, SeedError};
pub use set_secret::SetSecret;

pub(crate) use recovery_policy::RecoveryPolicy;
pub(crate) use secret_version::SecretVersion;
pub(crate) use seed::OnExisting;
pub(crate) use stored_secret::{DeletedSecret, StoredSecret};
pub(crate) use update_secret::UpdateSecret;
pub(crate) use vault::Vault;
pub(crate) use vault_map::VaultMap;
