//! A client for one store, over the
//! [App Configuration REST API](https://learn.microsoft.com/azure/azure-app-configuration/rest-api).
//!
//! [`AppConfigurationClient`] has a method for each operation; [`AppConfigurationClientBuilder`] configures it. Lists
//! are streams ([`List`], [`Pages`]), a write can depend on a [`Condition`], and a [`SnapshotCreation`] can be awaited.

// Requests take the pipeline of `keyvault::http`, which this room tells what is App Configuration's own. It reads best
// in this order:
//
// 1. `app_configuration_client` checks keys, builds requests and reads key-values; `builder` configures it. The other
//    operations: `write` (set, add, delete, lock), `list` with its `page`s and `item`s, `snapshots` (which waits with
//    `snapshot_creation`).
// 2. `operation` is what each operation costs and risks; `store_service` how a store differs from a vault: its access
//    keys sign each request.
// 3. `refusal` classifies what a store refuses.

mod app_configuration_client;
mod builder;
mod condition;
mod field;
mod item;
mod list;
mod operation;
mod page;
mod properties;
mod refusal;
mod snapshot;
mod snapshot_creation;
mod snapshots;
mod store_service;
mod write;

pub use keyvault::client::ClientStats;

pub use self::app_configuration_client::AppConfigurationClient;
pub(crate) use self::app_configuration_client::checked_key;
pub use self::builder::AppConfigurationClientBuilder;
pub use self::condition::Condition;
pub use self::field::Field;
pub use self::list::{List, Pages};
pub(crate) use self::page::check_progress;
pub use self::page::{Page, PageToken};
pub use self::properties::KeyValueProperties;
pub use self::snapshot::{NewSnapshot, Snapshot, SnapshotComposition, SnapshotStatus};
pub use self::snapshot_creation::SnapshotCreation;
