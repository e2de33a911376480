//! The interface to a store of settings outside the process.

use std::any::Any;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

use super::stored_settings::StoredSettings;
use crate::error::Result;
use crate::secret::Vault;

/// A store outside the process whose settings are a layer, such as Azure App Configuration.
///
/// [`LiveBuilder::with_layer`](crate::LiveBuilder::with_layer) adds one. The start and each refresh that is due read
/// it, and its settings and the secrets of the vaults are published together. While it cannot be read, the last good
/// settings stay, as with a vault.
#[async_trait]
pub trait SettingStore: Any + fmt::Debug + Send + Sync {
    /// Returns the origin of the store, such as `https://contoso.azconfig.io`. It is not that of a vault.
    fn origin(&self) -> &Vault;

    /// Returns the kind of store, as errors, reports and health name it: up to 100 ASCII letters, digits, hyphens and
    /// spaces, such as `App Configuration`.
    fn kind(&self) -> &'static str;

    /// Reads all settings of the layer, within a deadline of its own.
    ///
    /// An implementation may keep what it read and only ask whether that has changed.
    ///
    /// # Errors
    ///
    /// An error contains no value, and is [transient](crate::Error::is_transient) if another attempt can help.
    async fn read(&self) -> Result<StoredSettings>;

    /// Returns the time between two reads. Default: each refresh of the settings reads the store.
    fn interval(&self) -> Option<Duration> {
        None
    }

    /// Records a change that an event announced. Returns whether the layer has to be read.
    fn announce(&self, change: &SettingChange) -> bool {
        *change.store == *self.origin()
    }
}

/// A change of one setting in a store outside the process, as an event announces it. It carries no value.
#[non_exhaustive]
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct SettingChange {
    /// The origin of the store.
    pub store: Box<Vault>,
    /// The key of the setting in the store. `None` if the event names none: a snapshot changed.
    pub key: Option<String>,
    /// The label of the setting. `None` if it has none.
    pub label: Option<String>,
    /// The token with which the next request sees the change. It is no secret.
    pub sync_token: Option<String>,
}

impl SettingChange {
    /// Creates the announcement of a change somewhere in a store.
    pub fn new(store: Vault) -> Self {
        Self { store: Box::new(store), key: None, label: None, sync_token: None }
    }
}
