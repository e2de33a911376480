//! The secrets of a vault as a layer.

use std::collections::BTreeMap;
use std::sync::Arc;

use figment::value::{Dict, Map, Tag, Value};
use figment::{Error, Metadata, Profile, Provider};
use keyvault::{Key, NameMap, NamedSecrets, Resolver, Result, Segment};

/// The secrets of a vault under the keys that their names give: a provider for any place among the layers.
///
/// They are fetched before the provider is made, for figment asks providers without waiting. `Debug` shows keys and
/// secrets' names.
#[derive(Clone, Debug)]
pub struct KeyVaultProvider {
    secrets: NamedSecrets,
}

impl KeyVaultProvider {
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

/// The name by which values of this provider are known again.
pub(crate) const NAME: &str = "Azure Key Vault";

impl Provider for KeyVaultProvider {
    fn metadata(&self) -> Metadata {
        // A secret's text is no reference, but its address is good to know.
        let url = |(key, secret): (&Key, &keyvault::Secret)| (key.clone(), secret.id().url());
        let urls: Arc<BTreeMap<Key, String>> = Arc::new(self.secrets.iter().map(url).collect());
        Metadata::named(NAME).interpolater(move |_: &Profile, keys: &[&str]| {
            let key: Key = keys.iter().copied().collect();
            urls.get(&key).cloned().unwrap_or_else(|| keys.join("."))
        })
    }

    fn data(&self) -> std::result::Result<Map<Profile, Dict>, Error> {
        let mut dict = Dict::new();
        for (key, secret) in self.secrets.iter() {
            insert(&mut dict, key.segments(), secret.expose_secret());
        }
        Ok(Map::from([(Profile::Default, dict)]))
    }
}

/// No key is above another: the name map saw to it.
fn insert(dict: &mut Dict, key: &[Segment], value: &str) {
    let [Segment::Name(name), rest @ ..] = key else { return };
    if rest.is_empty() {
        dict.insert(name.to_string(), Value::String(Tag::Default, value.to_owned()));
    } else {
        let below = dict.entry(name.to_string()).or_insert_with(|| Value::Dict(Tag::Default, Dict::new()));
        if let Value::Dict(_, below) = below {
            insert(below, rest, value);
        }
    }
}
