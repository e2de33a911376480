//! Reading the store.

use std::time::Duration;

use keyvault_appconfig::{AppConfiguration, Endpoint, Selector};

use super::address::StoreAddress;
use super::contents::StoreContents;
use crate::failure::Failure;
use crate::settings::Problem;
use crate::vault::ConnectionArguments;

/// A store and the key-values to read from it. Reads after the first one transfer only what changed.
pub(crate) struct SettingsStore {
    layer: AppConfiguration,
    pub(super) endpoint: Endpoint,
    /// The longest first.
    pub(super) prefixes: Vec<String>,
}

impl SettingsStore {
    pub(super) fn new(
        address: &StoreAddress,
        selections: Vec<Selector>,
        mut prefixes: Vec<String>,
        connection: &ConnectionArguments,
    ) -> Result<Self, Failure> {
        let client = address.client_builder(connection)?.build()?;
        let mut layer = AppConfiguration::builder(client).timeout(connection.timeout().max(READ_TIMEOUT));
        for selection in selections {
            layer = layer.select_with(selection);
        }
        prefixes.sort_by_key(|prefix| std::cmp::Reverse(prefix.len()));
        Ok(Self { layer: layer.build()?, endpoint: address.endpoint.clone(), prefixes })
    }

    /// Reads the selected key-values.
    pub(crate) async fn read(&self) -> Result<StoreContents<'_>, keyvault::Error> {
        Ok(StoreContents { store: self, selections: self.layer.key_values().await? })
    }

    /// Returns the failure of a read as a problem of the store, beside those of files.
    pub(crate) fn problem(&self, error: &keyvault::Error) -> Problem {
        Problem::of(self.name(), error)
    }

    /// Returns `App Configuration contoso`.
    pub(crate) fn name(&self) -> String {
        format!("App Configuration {}", self.endpoint)
    }
}

/// The deadline of a read with all its pages, unless `--timeout` is longer.
const READ_TIMEOUT: Duration = Duration::from_secs(100);
