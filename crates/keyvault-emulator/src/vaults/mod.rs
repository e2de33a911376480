//! The vaults: plain state without HTTP, sockets or a clock. Every function takes the time as an argument.
//!
//! Reading order: a caller sends a [`set_secret`] or an [`update_secret`], both parsed from a [`request_body`]; a vault
//! stores a [`secret_version`] in a [`stored_secret`]; [`vault`] sets, gets, deletes and recovers by its
//! [`recovery_policy`]; [`vault_map`] contains the vaults by name, which [`host`] reads from a host name; [`backup`]
//! encrypts the text of a backup. [`name`] is the grammar of names and versions.
//!
//! A certificate is a secret with a certificate behind each version: [`vault_certificates`] has its operations, parsed
//! from a [`certificate_body`], after a [`certificate_preparation`] that takes long; a [`certificate_policy`] describes
//! the versions and names their [`certificate_issuer`], a [`certificate_operation`] is the creation of one, and
//! [`certificate_issuance`] completes and renews them. [`events`] are those that Event Grid sends.

mod backup;
mod certificate_body;
mod certificate_issuance;
mod certificate_issuer;
mod certificate_operation;
mod certificate_policy;
mod certificate_preparation;
mod events;
pub(crate) mod host;
pub(crate) mod name;
mod recovery_policy;
mod request_body;
mod secret_version;
mod set_secret;
mod stored_secret;
mod update_secret;
mod vault;
mod vault_certificates;
mod vault_map;

pub use set_secret::SetSecret;

pub(crate) use certificate_body::CertificateRequestBody;
pub(crate) use certificate_issuer::IssuerProperties;
pub(crate) use certificate_operation::{CertificateOperation, OperationStatus};
pub(crate) use certificate_policy::CertificatePolicy;
pub(crate) use certificate_preparation::{CertificatePreparation, PreparedCertificate};
pub(crate) use events::events;
pub(crate) use recovery_policy::RecoveryPolicy;
pub(crate) use secret_version::SecretVersion;
pub(crate) use stored_secret::{DeletedSecret, StoredSecret};
pub(crate) use update_secret::UpdateSecret;
pub(crate) use vault::Vault;
pub(crate) use vault_map::VaultMap;
