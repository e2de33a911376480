//! The secrets of a vault as a layer.

use config::{ConfigError, Map, Source, Value, ValueKind};
use keyvault::{NameMap, NamedKind, NamedSecrets, NamedTree, Resolver, Result};

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
    /// Costs ⌈secrets / 25⌉ requests to list the vault and one for each secret, or what the map says.
    ///
    /// # Errors
    ///
    /// As [`Resolver::named`].
    pub async fn fetch(vault: impl Into<Resolver>, map: &NameMap) -> Result<Self> {
        Ok(Self::new(vault.into().named(map).await?))
    }

    /// Gives the secrets, and what was found about them.
    pub fn secrets(&self) -> &NamedSecrets {
        &self.secrets
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
        value(self.secrets.tree()).into_table()
    }
}

/// Tables are made here and not by config, which would read a path into a name.
fn value(tree: NamedTree<'_>) -> Value {
    match tree {
        NamedTree::Table(members) => {
            let members = members.into_iter().map(|(name, member)| (name.to_owned(), value(member)));
            Value::new(None, ValueKind::Table(members.collect()))
        }
        NamedTree::List(items) => Value::new(None, ValueKind::Array(items.into_iter().map(value).collect())),
        NamedTree::Secret(secret) => {
            let origin = format!("{NAME}{}", secret.id().url());
            let kind = match secret.kind() {
                NamedKind::EmptyTable => ValueKind::Table(Map::new()),
                NamedKind::EmptyList => ValueKind::Array(Vec::new()),
                NamedKind::Null => ValueKind::Nil,
                _ => ValueKind::String(secret.expose_secret().to_owned()),
            };
            Value::new(Some(&origin), kind)
        }
    }
}
