//! Filters: [`Selector`] selects key-values by key, label and tags, or all of a snapshot. `pattern` is the syntax of a
//! filter.

mod pattern;
mod selector;

pub use self::pattern::{NO_LABEL, escaped};
pub use self::selector::Selector;
