//! Key-values: what a store keeps. [`KeyValue`] is one of them, `content_type` says what its value is, and `name` which
//! keys there can be. `key_vault_reference` parses the value of a reference to a secret.

mod content_type;
#[expect(clippy::module_inception, reason = "one noun, one file")]
mod key_value;
mod key_vault_reference;
mod name;

pub(crate) use self::content_type::ContentType;
pub(crate) use self::key_value::date;
pub use self::key_value::{FEATURE_FLAG_PREFIX, KeyValue};
pub use self::key_vault_reference::parse_key_vault_reference;
pub(crate) use self::name::is_name;
