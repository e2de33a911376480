//! A small service whose settings are live, without a framework: a tree of text is enough for the engine.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use keyvault::{InMemory, Key, Layers, Leaf, LiveBuilder, Mismatch, NamedSecrets, Resolved, Tree};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde::de::value::{Error, MapDeserializer};

/// Settings as a flat table of text.
#[derive(Clone, Debug, Default)]
pub(super) struct Table(BTreeMap<String, String>);

impl Tree for Table {
    fn leaves(&self) -> Result<Vec<Leaf>, Mismatch> {
        let leaf = |(key, text): (&String, &String)| Leaf::text(key_of(key), "table", text.as_str());
        Ok(self.0.iter().map(leaf).collect())
    }

    fn replace(mut self, resolved: Vec<(Leaf, Option<Resolved>)>) -> Result<Self, Mismatch> {
        for (leaf, text) in resolved {
            match text {
                Some(text) => _ = self.0.insert(leaf.key().to_string(), text.expose_secret().to_owned()),
                None => _ = self.0.remove(&leaf.key().to_string()),
            }
        }
        Ok(self)
    }

    fn extract<T: DeserializeOwned>(self) -> Result<T, Mismatch> {
        let table = MapDeserializer::<_, Error>::new(self.0.into_iter());
        T::deserialize(table).map_err(|_| Mismatch::new("value is not valid"))
    }
}

fn key_of(key: &str) -> Key {
    std::iter::once(key).collect()
}

#[derive(Debug, Deserialize)]
pub(super) struct Settings {
    pub(super) user: String,
    pub(super) password: String,
}

/// A vault with a user and a password, and a table that refers to both.
#[derive(Clone)]
pub(super) struct Story {
    pub(super) vault: InMemory,
    pub(super) table: Arc<Mutex<Table>>,
}

impl Story {
    pub(super) fn begin() -> Self {
        let vault = InMemory::new("https://contoso.vault.azure.net".parse().unwrap());
        vault.set("user", "ann").unwrap();
        vault.set("password", "first").unwrap();
        let story = Self { vault, table: Arc::default() };
        story.write("user", "@KeyVault(SecretName=user)");
        story.write("password", "@KeyVault(SecretName=password)");
        story
    }

    /// Changes the layer, as an edited file would be.
    pub(super) fn write(&self, key: &str, text: &str) {
        self.table.lock().unwrap().0.insert(key.to_owned(), text.to_owned());
    }

    /// Rotates the password.
    pub(super) fn rotate(&self, password: &str) {
        self.vault.set("password", password).unwrap();
    }

    /// Refers to the vault by reference only, and asks it every minute.
    pub(super) fn layered(&self) -> LiveBuilder<impl Layers> {
        let table = Arc::clone(&self.table);
        let merge = move |_: &NamedSecrets| -> Result<Table, Mismatch> { Ok(table.lock().unwrap().clone()) };
        LiveBuilder::new(self.vault.clone(), merge)
            .references_only()
            .minimum_failure_delay(Duration::ZERO)
            .refresh_every(MINUTE)
    }
}

pub(super) const MINUTE: Duration = Duration::from_secs(60);
