//! A small service with live settings and no framework: its tree is a table of text.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use keyvault::settings::{ConfigValue, Key, MappedSecret, MappedSecrets, Mismatch, Resolved, Tree};
use keyvault::{ErrorKind, InMemory, Layers, LiveBuilder, Resolver, SecretProperties, SecretStore, SecretVersion};
use keyvault_test_support::store::Switch;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde::de::value::{Error, MapDeserializer};
use tokio::time::Instant;

/// Settings as a flat table of text.
#[derive(Clone, Debug, Default)]
pub(super) struct Table(BTreeMap<String, Entry>);

#[derive(Clone, Debug)]
enum Entry {
    Written(String),
    Named(MappedSecret),
}

impl Tree for Table {
    fn leaves(&self) -> Result<Vec<ConfigValue>, Mismatch> {
        let leaf = |(key, entry): (&String, &Entry)| match entry {
            Entry::Written(text) => ConfigValue::text(key_of(key), "table", text.as_str()),
            Entry::Named(secret) => ConfigValue::mapped(key_of(key), secret),
        };
        Ok(self.0.iter().map(leaf).collect())
    }

    fn replace(mut self, resolved: Vec<(ConfigValue, Option<Resolved>)>) -> Result<Self, Mismatch> {
        for (leaf, text) in resolved {
            match text {
                Some(text) => {
                    _ = self.0.insert(leaf.key().to_string(), Entry::Written(text.expose_secret().to_owned()))
                }
                None => _ = self.0.remove(&leaf.key().to_string()),
            }
        }
        Ok(self)
    }

    fn extract<T: DeserializeOwned>(self) -> Result<T, Mismatch> {
        let text = self.0.into_iter().map(|(key, entry)| match entry {
            Entry::Written(text) => (key, text),
            Entry::Named(secret) => (key, secret.expose_secret().to_owned()),
        });
        let table = MapDeserializer::<_, Error>::new(text);
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

/// A vault with a user and a password, and a table that references both.
#[derive(Clone, Debug)]
pub(super) struct Service {
    pub(super) vault: InMemory,
    pub(super) table: Arc<Mutex<Table>>,
}

impl Service {
    pub(super) fn new() -> Self {
        let vault = InMemory::new("https://contoso.vault.azure.net".parse().unwrap());
        let service = Self { vault, table: Arc::default() };
        service.set_long_ago("user", "ann");
        service.set_long_ago("password", "first");
        service.write("user", "@KeyVault(SecretName=user)");
        service.write("password", "@KeyVault(SecretName=password)");
        service
    }

    /// Changes the layer, like an edit of a file.
    pub(super) fn write(&self, key: &str, text: &str) {
        self.table.lock().unwrap().0.insert(key.to_owned(), Entry::Written(text.to_owned()));
    }

    /// Sets a secret dated one hour ago, so that a version set now is newer.
    pub(super) fn set_long_ago(&self, name: &str, text: &str) -> SecretVersion {
        let long_ago = SystemTime::now() - MINUTE * 60;
        let dated = |properties: &mut SecretProperties| {
            properties.set_created(long_ago);
            properties.set_updated(long_ago);
        };
        self.vault.set_with(name, text, dated).unwrap()
    }

    /// Returns the version of the password.
    pub(super) fn password(&self) -> SecretVersion {
        let id = keyvault::SecretId::parse("https://contoso.vault.azure.net/secrets/password").unwrap();
        let password = futures::FutureExt::now_or_never(self.vault.get(&id)).unwrap().unwrap();
        password.id().version().unwrap().clone()
    }

    /// Makes reads of the password fail with `fault` while the returned switch is on.
    pub(super) fn password_fault(&self, fault: Fault) -> Switch {
        let switch = Switch::default();
        let broken = switch.clone();
        self.vault.on_get(move |id| {
            let is_broken = broken.is_on() && id.name().as_str() == "password";
            async move {
                match fault {
                    Fault::Answer(kind) if is_broken => Err(keyvault::Error::new(kind, "secret is broken").about(&id)),
                    Fault::Hang if is_broken => std::future::pending().await,
                    _ => Ok(()),
                }
            }
        });
        switch
    }

    /// Returns the current layer.
    pub(super) fn table(&self) -> Table {
        self.table.lock().unwrap().clone()
    }

    /// Rotates the password.
    pub(super) fn rotate(&self, password: &str) {
        self.vault.set("password", password).unwrap();
    }

    /// Returns a builder with references only, refreshed every minute.
    pub(super) fn layered(&self) -> LiveBuilder<impl Layers> {
        self.layered_over(self.vault.clone())
    }

    /// Returns a builder that maps every secret by name and has no references.
    pub(super) fn by_name(&self) -> LiveBuilder<impl Layers> {
        self.by_name_over(self.vault.clone())
    }

    /// Does the same over a store of the test's own.
    pub(super) fn by_name_over(&self, store: impl SecretStore) -> LiveBuilder<impl Layers> {
        let merge = move |named: &MappedSecrets| -> Result<Table, Mismatch> {
            let entry = |secret: &MappedSecret| Entry::Named(secret.clone());
            Ok(Table(named.iter().map(|(key, secret)| (key.to_string(), entry(secret))).collect()))
        };
        LiveBuilder::new(store, merge).refresh_every(MINUTE)
    }

    /// Returns a builder that maps every secret by name and references the password once more.
    pub(super) fn by_name_and_again_over(&self, store: impl SecretStore) -> LiveBuilder<impl Layers> {
        let merge = move |named: &MappedSecrets| -> Result<Table, Mismatch> {
            let entry = |secret: &MappedSecret| Entry::Named(secret.clone());
            let again = ("again".to_owned(), Entry::Written("@KeyVault(SecretName=password)".to_owned()));
            Ok(Table(named.iter().map(|(key, secret)| (key.to_string(), entry(secret))).chain([again]).collect()))
        };
        LiveBuilder::new(store, merge).refresh_every(MINUTE)
    }

    /// Does the same over a store of the test's own, or several.
    pub(super) fn layered_over(&self, store: impl Into<Resolver>) -> LiveBuilder<impl Layers> {
        let table = Arc::clone(&self.table);
        let merge = move |_: &MappedSecrets| -> Result<Table, Mismatch> { Ok(table.lock().unwrap().clone()) };
        LiveBuilder::new(store, merge).references_only().minimum_failure_delay(Duration::ZERO).refresh_every(MINUTE)
    }
}

/// The fault of a read.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fault {
    Answer(ErrorKind),
    Hang,
}

pub(super) const MINUTE: Duration = Duration::from_secs(60);

/// A wall clock that advances with tokio's clock and can jump, like the clock of a host that sleeps.
#[derive(Clone)]
pub(super) struct Clock {
    begun: Instant,
    time: SystemTime,
    ahead: Arc<Mutex<Duration>>,
}

impl Clock {
    pub(super) fn new() -> Self {
        // The dates of secrets have whole seconds.
        let since = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(since);
        Self { begun: Instant::now(), time, ahead: Arc::default() }
    }

    pub(super) fn now(&self) -> SystemTime {
        self.time + self.begun.elapsed() + *self.ahead.lock().unwrap()
    }

    /// Advances the wall clock alone.
    pub(super) fn jump(&self, ahead: Duration) {
        *self.ahead.lock().unwrap() += ahead;
    }

    pub(super) fn function(&self) -> impl Fn() -> SystemTime + Send + Sync + 'static {
        let clock = self.clone();
        move || clock.now()
    }
}
