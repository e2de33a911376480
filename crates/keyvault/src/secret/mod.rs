//! Secrets and their identifiers.
//!
//! This module holds plain data and knows nothing else of the crate. Read [`Vault`] first: it is the origin that a
//! token may be sent to. [`SecretName`] and [`SecretVersion`] are checked before they become part of a URL,
//! [`SecretId`] joins the three, and [`Secret`] in `value` is one version with its [`SecretProperties`] and its value.
//! [`Cloud`] knows the domains of vaults, and [`ParseError`] is the error of every identifier.

mod cloud;
mod id;
mod name;
mod parse_error;
mod properties;
mod value;
mod vault;

pub use self::cloud::Cloud;
pub use self::id::SecretId;
pub use self::name::{SecretName, SecretVersion};
pub use self::parse_error::ParseError;
pub use self::properties::SecretProperties;
pub use self::value::Secret;
pub(crate) use self::vault::PRIVATE_LINK_HELP;
pub use self::vault::Vault;
pub(crate) use self::vault::{NEAR_MISS, edit_distance};
