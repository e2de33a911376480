//! The vaults: plain state without HTTP, sockets or a clock. Every function takes the time as an argument.
//!
//! Reading order: a caller sends a [`set_secret`] or an [`update_secret`], both parsed from a [`request_body`]; a vault
//! stores a [`secret_version`] in a [`stored_secret`]; [`vault`] sets, gets, deletes and recovers by its
//! [`recovery_policy`]; [`vault_map`] contains the vaults by name, which [`host`] reads from a host name; [`backup`]
//! encrypts the text of a backup. [`name`] is the grammar of names and versions.

mod backup;
pub(crate) mod host;
pub(crate) mod name;
mod recovery_policy;
mod request_body;
mod secret_version;
mod set_secret;
mod stored_secret;
mod update_secret;
mod vault;
mod vault_map;

pub use set_secret::SetSecret;

pub(crate) use recovery_policy::RecoveryPolicy;
pub(crate) use secret_version::SecretVersion;
pub(crate) use stored_secret::{DeletedSecret, StoredSecret};
pub(crate) use update_secret::UpdateSecret;
pub(crate) use vault::Vault;
pub(crate) use vault_map::VaultMap;
