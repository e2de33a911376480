//! The vaults that a command may contact.
//!
//! In reading order: `credential` selects what signs in, `arguments` holds the options that name vaults, and creates
//! clients from them, `item_timeout` ends lists without an end, `allowed` resolves references against these vaults and
//! no others, and `advice` adapts the report's advice to the command line.

mod advice;
mod allowed;
mod arguments;
mod counting_store;
mod credential;
mod item_timeout;

pub(crate) use self::allowed::AllowedVaults;
pub(crate) use self::arguments::{AllowedVaultsArguments, ConnectionArguments, SecretTarget, VaultArguments};
pub(crate) use self::credential::CredentialArguments;
pub(crate) use self::credential::credential_variables;
pub(crate) use self::item_timeout::with_item_timeout;
