//! The secrets of a vault as a layer.

use config::{ConfigError, Map, Source, Value};
use keyvault::{NameMap, NamedSecrets, Resolver, Result};

/// The secrets of a vault under the keys that their names give: a source for any place among the layers.
///
/// They are fetched before the source is made, so that it is an ordinary source and needs no async builder. `Debug` shows
/// keys and secrets' names.
#[derive(Clone, Debug)]
pub struct KeyVaultSource {
    secrets: NamedSecrets,
}

impl KeyVaultSource {
    /// Fetches the secrets that `map` takes, once.
    ///
    /// Costs ⌈secrets / 25⌉ requests to list the vault and one for each secret.
    ///
    /// # Errors
    ///
    /// As [`Resolver::named`].
    pub async fn fetch(vault: impl Into<Resolver>, map: &NameMap) -> Result<Self> {
        Ok(Self::new(vault.into().named(map).await?))
    }

    pub(crate) fn new(secrets: NamedSecrets) -> Self {
        Self { secrets }
    }
}

/// What the origin of values of this source begins with, by which they are known again.
pub(crate) const NAME: &str = "Azure Key Vault ";

impl Source for KeyVaultSource {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> std::result::Result<Map<String, Value>, ConfigError> {
        let value = |secret: &keyvault::Secret| {
            let origin = format!("{NAME}{}", secret.id().url());
            Value::new(Some(&origin), secret.expose_secret())
        };
        Ok(self.secrets.iter().map(|(key, secret)| (key.to_string(), value(secret))).collect())
    }
}
