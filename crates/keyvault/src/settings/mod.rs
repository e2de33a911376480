//! The interface for adapters: the values of a configuration framework, as core sees them.
//!
//! Read `layers` first: an adapter implements [`Layers`] and [`Tree`] over its framework. A tree consists of
//! [`ConfigValue`]s (`config_value`), each at a [`Key`]; `reference_table` joins the tables that are one reference, and
//! `source_line` finds the line of a reference in its file. [`Resolved`] is the text that replaces references.
//! [`MappedSecrets`] (`mapped`) are the secrets that a name map turned into settings, which the layers merge below the
//! others; `mapped_tree` shapes them by their keys, and [`SecretIssue`] is an issue with one of them. [`Origins`]
//! (`origin`) record where each value came from, [`Policy`] is the rule for a reference that cannot be resolved, and
//! [`Mismatch`] is the reason that a tree does not make settings, without showing a value of it. [`extract_again`]
//! (`extraction`) finds all of them, over [`Values`] whose [`Scalar`]s it changes.
//!
//! A [`SettingStore`] (`setting_store`) is a layer outside the process, such as Azure App Configuration. It returns
//! [`StoredSettings`] (`stored_settings`), which the layers receive among the mapped secrets.
//!
//! [`comma_separated`] is for settings types: it reads a list from one text.

mod comma_separated;
mod config_value;
mod extraction;
mod key;
mod layers;
mod mapped;
mod mapped_tree;
mod mismatch;
mod origin;
mod policy;
mod reference_table;
mod resolved;
mod scalar;
mod secret_issue;
mod setting_store;
mod source_line;
mod stored_settings;

pub use self::comma_separated::comma_separated;
pub use self::config_value::ConfigValue;
pub(crate) use self::config_value::ValueContent;
pub use self::extraction::{Values, extract_again};
pub(crate) use self::key::same_letters;
pub use self::key::{Key, Segment};
pub use self::layers::{Layers, Tree};
pub(crate) use self::mapped::MappedPart;
pub use self::mapped::{MappedKind, MappedSecret, MappedSecrets, MappingNote};
pub use self::mapped_tree::MappedTree;
pub(crate) use self::mapped_tree::{is_empty_table, list_place, mixed_lists};
pub use self::mismatch::Mismatch;
pub(crate) use self::mismatch::{ARRAY, ENDS_WITH_WHITE_SPACE, HELP_WITH_INDEXES, MISSING, UNKNOWN};
pub(crate) use self::origin::Fingerprint;
pub use self::origin::{Origin, Origins};
pub use self::policy::Policy;
pub(crate) use self::policy::{Pattern, Policies, Terms, UnmatchedPatterns};
pub(crate) use self::reference_table::join_tables;
pub use self::resolved::Resolved;
pub use self::scalar::Scalar;
pub(crate) use self::secret_issue::HELP_WITH_DISABLED;
pub use self::secret_issue::SecretIssue;
pub use self::setting_store::{SettingChange, SettingStore};
pub(crate) use self::source_line::{locate, place_with_line};
pub use self::stored_settings::{StoredSettings, StoredValue};
