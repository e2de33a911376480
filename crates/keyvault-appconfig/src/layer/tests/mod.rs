//! The layer over stores of the emulator.

mod refresh;
mod replicas;
mod selection;
mod store;

use keyvault::settings::StoredValue;
use keyvault::{Error, Result};

use self::store::Store;
use super::{AppConfiguration, AppConfigurationBuilder};

fn builder(store: &Store) -> AppConfigurationBuilder {
    AppConfiguration::builder(store.client())
}

/// Reads the settings: `key=value` for each, in the order of the keys.
async fn read(layer: &AppConfiguration) -> Result<Vec<String>> {
    let settings = layer.read_settings().await?;
    let shown = |value: &StoredValue| match value {
        StoredValue::Text(text) | StoredValue::Scalar(text) => text.to_string(),
        StoredValue::Null => "NULL".to_owned(),
        StoredValue::Table(_) => "TABLE".to_owned(),
        StoredValue::List(items) => format!("LIST of {}", items.len()),
    };
    Ok(settings.iter().map(|(key, setting)| format!("{key}={}", shown(&setting.value))).collect())
}

fn text_of(error: &Error) -> String {
    format!("{error} {error:?}")
}
