//! The way from key-values to settings.
//!
//! Read [`KeyMap`] first: it turns the keys of a store into keys of settings. `value` reads the value of a key-value by
//! its content type: text, JSON (`json`), or a reference to a secret. `feature_flags` makes the list of feature flags,
//! and `snapshot_reference` reads the name of a snapshot. `merge` joins all selections into the settings of the layer,
//! and finds key-values that give the same setting.

mod feature_flags;
mod json;
mod key_map;
mod merge;
mod snapshot_reference;
mod value;

pub(crate) use self::key_map::KeyMap;
pub(crate) use self::merge::{Selection, Setting, merge};
pub(crate) use self::snapshot_reference::referenced_snapshot;
