//! The secrets of a vault as a source.

use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;

use config::{ConfigError, Map, Source, Value, ValueKind};
use keyvault::settings::{MappedKind, MappedSecrets, MappedTree};
use keyvault::{NameMap, Resolver, Result};

use crate::place::{Precedence, place_all};
use crate::replace::kind_of;

/// A source with the secrets of a vault, each under the key that its name gives.
///
/// The secrets are fetched before the source is created, so it is an ordinary source and needs no async builder.
/// `Debug` prints keys and secret names.
#[derive(Clone, Debug)]
pub struct KeyVaultSource {
    secrets: MappedSecrets,
}

impl KeyVaultSource {
    /// Fetches the secrets that `map` selects, once.
    ///
    /// Costs ⌈secrets / 25⌉ list requests and one request for each secret, unless the map names the secrets itself.
    ///
    /// # Errors
    ///
    /// The errors of [`Resolver::mapped`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cancels the requests for which no other caller waits. Secrets that arrived stay in the
    /// cache.
    pub async fn fetch(vault: impl Into<Resolver>, map: &NameMap) -> Result<Self> {
        Ok(Self::new(vault.into().mapped(map).await?))
    }

    /// Returns the secrets, with the settings of stores, and the notes on their names.
    pub fn secrets(&self) -> &MappedSecrets {
        &self.secrets
    }

    /// Separates the secrets from the settings of stores outside the process, which
    /// [`with_layer`](keyvault::LiveBuilder::with_layer) adds, so that each takes a place of its own among the layers.
    ///
    /// # Examples
    ///
    /// Settings of App Configuration override the file, and the secrets of the vault override everything:
    ///
    /// ```
    /// use config::{Config, File};
    /// use keyvault::{InMemory, LiveBuilder, SettingStore};
    /// use keyvault_config::ConfigLayers;
    ///
    /// fn settings(vault: InMemory, app: impl SettingStore) -> LiveBuilder<ConfigLayers> {
    ///     keyvault_config::layered_with(vault, |remote| {
    ///         let [secrets, app] = remote.split();
    ///         Config::builder().add_source(File::with_name("settings")).add_source(app).add_source(secrets)
    ///     })
    ///     .with_layer(app)
    /// }
    /// ```
    #[must_use]
    pub fn split(self) -> [Self; 2] {
        self.secrets.split().map(Self::new)
    }

    pub(crate) fn new(secrets: MappedSecrets) -> Self {
        Self { secrets }
    }
}

/// The start of the origin of each value of this source.
const ORIGIN_PREFIX: &str = "Azure Key Vault ";

/// Returns the origin of a secret. It ends with a signature, because config keeps nothing but this text of a source,
/// and another source may write the same text or copy the origin to other values.
fn origin(url: &str, text: &str) -> String {
    static KEY: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    format!("{ORIGIN_PREFIX}{url} [{:016x}]", KEY.hash_one((url, text)))
}

/// Returns the URL of the secret that a value of this source is. `None` for any other value.
pub(crate) fn url_of(value: &Value) -> Option<&str> {
    let text = if let ValueKind::String(text) = &value.kind { text } else { "" };
    let (url, _) = value.origin()?.strip_prefix(ORIGIN_PREFIX)?.split_once(' ')?;
    (value.origin()? == origin(url, text)).then_some(url)
}

impl Source for KeyVaultSource {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> std::result::Result<Map<String, Value>, ConfigError> {
        let mut root = Value::new(None, ValueKind::Table(Map::new()));
        self.collect_to(&mut root)?;
        root.into_table()
    }

    /// Overrides single elements of lists, where a merge of whole values would replace the lists.
    fn collect_to(&self, cache: &mut Value) -> std::result::Result<(), ConfigError> {
        place_all(cache, &self.secrets, Precedence::Secret).map_err(|misplaced| ConfigError::Foreign(misplaced))
    }
}

/// Builds the nested value here, because config would parse a name with a dot as a path.
pub(crate) fn value(tree: MappedTree<'_>) -> Value {
    match tree {
        MappedTree::Table(members) => {
            let members = members.into_iter().map(|(name, member)| (name.to_owned(), value(member)));
            Value::new(None, ValueKind::Table(members.collect()))
        }
        MappedTree::List(items) => Value::new(None, ValueKind::Array(items.into_iter().map(value).collect())),
        MappedTree::Secret(secret) => {
            let signed = || origin(&secret.id().url(), secret.expose_secret());
            let origin = secret.place().map_or_else(signed, str::to_owned);
            let kind = match secret.kind() {
                MappedKind::EmptyTable => ValueKind::Table(Map::new()),
                MappedKind::EmptyList => ValueKind::Array(Vec::new()),
                MappedKind::Null => ValueKind::Nil,
                MappedKind::Scalar => secret.scalar().map_or(ValueKind::Nil, |scalar| kind_of(&scalar)),
                _ => ValueKind::String(secret.expose_secret().to_owned()),
            };
            Value::new(Some(&origin), kind)
        }
    }
}
