//! A model of a store of settings beside the vault: one setting, whose value is the number of its changes.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use keyvault::settings::{Key, SettingChange, StoredSettings, StoredValue};
use keyvault::{Result, SettingStore, Vault};
use tokio::time::Instant;

use super::vault::ModelVault;

/// A store whose network is that of the vault.
#[derive(Clone, Debug)]
pub(super) struct ModelStore {
    origin: Vault,
    vault: ModelVault,
    /// When each value was set.
    changes: Arc<Mutex<Vec<Instant>>>,
}

impl ModelStore {
    pub(super) fn new(vault: &ModelVault) -> Self {
        let origin = "https://contoso.azconfig.io".parse().unwrap();
        Self { origin, vault: vault.clone(), changes: Arc::new(Mutex::new(vec![Instant::now()])) }
    }

    /// Changes the setting.
    pub(super) fn change(&self) {
        self.changes.lock().unwrap().push(Instant::now());
    }

    /// Returns the event of a change.
    pub(super) fn event(&self) -> SettingChange {
        SettingChange::new(self.origin.clone())
    }

    /// Returns the current value.
    pub(super) fn value(&self) -> u32 {
        u32::try_from(self.changes.lock().unwrap().len()).unwrap()
    }

    /// Returns for how long a value is not the current one any more.
    pub(super) fn superseded(&self, value: u32) -> Duration {
        let changes = self.changes.lock().unwrap();
        changes.get(value as usize).map_or(Duration::ZERO, Instant::elapsed)
    }
}

#[async_trait]
impl SettingStore for ModelStore {
    fn origin(&self) -> &Vault {
        &self.origin
    }

    fn kind(&self) -> &'static str {
        "model store"
    }

    async fn read(&self) -> Result<StoredSettings> {
        self.vault.travel("settings").await?;
        let mut settings = StoredSettings::default();
        let value = StoredValue::Text(self.value().to_string().into());
        settings.set(&Key::root().member(SETTING), "model store", value);
        Ok(settings)
    }
}

/// The setting of the store.
pub(super) const SETTING: &str = "limit";
