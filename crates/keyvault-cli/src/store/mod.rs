//! The App Configuration store that a command reads.
//!
//! In reading order: `address` is the store that the user named and the client for it, `selection` is one `--select`,
//! `arguments` holds the options, `settings_store` reads the store, and `contents` names what it found.

mod address;
mod arguments;
mod contents;
mod selection;
mod settings_store;

pub(crate) use self::address::StoreAddress;
pub(crate) use self::arguments::{SelectedStoreArguments, StoreArguments, StorePrefixArguments};
pub(crate) use self::contents::StoreContents;
pub(crate) use self::settings_store::SettingsStore;
