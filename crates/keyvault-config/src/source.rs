//! The secrets of a vault as a layer.

use config::{ConfigError, Map, Source, Value, ValueKind};
use keyvault::{NameMap, NamedKind, NamedSecret, NamedSecrets, Resolver, Result, Segment};

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
        let mut root = Value::new(None, ValueKind::Table(Map::new()));
        for (key, secret) in self.secrets.iter() {
            *at(&mut root, key.segments()) = value(secret);
        }
        root.into_table()
    }
}

fn value(secret: &NamedSecret) -> Value {
    let origin = format!("{NAME}{}", secret.id().url());
    let kind = match secret.kind() {
        NamedKind::EmptyTable => ValueKind::Table(Map::new()),
        NamedKind::EmptyList => ValueKind::Array(Vec::new()),
        NamedKind::Null => ValueKind::Nil,
        _ => ValueKind::String(secret.expose_secret().to_owned()),
    };
    Value::new(Some(&origin), kind)
}

/// Gives the place of a value, and makes what is above it. Tables are made here and not by config, which would read a
/// path into a name; no key is above another, for the name map saw to it.
fn at<'v>(value: &'v mut Value, key: &[Segment]) -> &'v mut Value {
    let (below, rest) = match key {
        [] => return value,
        [Segment::Name(name), rest @ ..] => {
            let nothing = || Value::new(None, ValueKind::Nil);
            (table(value).entry(name.to_string()).or_insert_with(nothing), rest)
        }
        [Segment::Index(index), rest @ ..] => (&mut list(value, *index)[*index], rest),
    };
    at(below, rest)
}

fn table(value: &mut Value) -> &mut Map<String, Value> {
    if !matches!(value.kind, ValueKind::Table(_)) {
        value.kind = ValueKind::Table(Map::new());
    }
    match &mut value.kind {
        ValueKind::Table(table) => table,
        _ => unreachable!("it was made a table"),
    }
}

/// Gives the list that is long enough for an element at `index`.
fn list(value: &mut Value, index: usize) -> &mut Vec<Value> {
    if !matches!(value.kind, ValueKind::Array(_)) {
        value.kind = ValueKind::Array(Vec::new());
    }
    match &mut value.kind {
        ValueKind::Array(items) => {
            items.resize(items.len().max(index + 1), Value::new(None, ValueKind::Nil));
            items
        }
        _ => unreachable!("it was made a list"),
    }
}
