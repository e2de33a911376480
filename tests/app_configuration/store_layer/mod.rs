//! The layer over stores of the emulator.

mod discovery;
mod refresh;
mod replicas;
mod selection;
mod store;

use keyvault::settings::SettingStore;
use keyvault::{Error, Result};
use keyvault_appconfig::{AppConfiguration, AppConfigurationBuilder};

use self::store::Store;

fn builder(store: &Store) -> AppConfigurationBuilder {
    AppConfiguration::builder(store.client())
}

/// Reads the settings: `key=value` for each, in the order of the keys.
async fn read(layer: &AppConfiguration) -> Result<Vec<String>> {
    let settings = SettingStore::read(layer).await?;
    Ok(settings.iter().map(|(key, text)| format!("{key}={text}")).collect())
}

fn text_of(error: &Error) -> String {
    format!("{error} {error:?}")
}
