//! Key-values: what a store keeps. [`KeyValue`] is one of them, and `content_type` says what its value is.

mod content_type;
#[expect(clippy::module_inception, reason = "one noun, one file")]
mod key_value;

pub(crate) use self::content_type::ContentType;
pub use self::key_value::{FEATURE_FLAG_PREFIX, KeyValue};
