//! A store of settings in this process.

use std::collections::BTreeMap;
use std::fmt;
use std::future::pending;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use keyvault::settings::{Key, StoredSettings, StoredValue};
use keyvault::{Error, Result, SettingStore, Vault};
use serde_json::Value;

use crate::store::Switch;

/// A store of settings that a test changes, breaks and counts the reads of. `Clone` shares everything.
#[derive(Clone)]
pub struct FakeSettings {
    origin: Vault,
    values: Arc<Mutex<BTreeMap<String, Value>>>,
    error: Arc<Mutex<Option<Error>>>,
    reads: Arc<AtomicU64>,
    interval: Option<Duration>,
    /// While on, a read never ends.
    pub hangs: Switch,
}

impl FakeSettings {
    /// Creates the empty store `https://contoso.azconfig.io`.
    pub fn new() -> Self {
        Self::at("https://contoso.azconfig.io")
    }

    /// Creates an empty store.
    pub fn at(origin: &str) -> Self {
        let (values, error, reads, hangs) = Default::default();
        Self { origin: origin.parse().unwrap(), values, error, reads, interval: None, hangs }
    }

    /// Sets the time between two reads.
    #[must_use]
    pub fn every(self, interval: Duration) -> Self {
        Self { interval: Some(interval), ..self }
    }

    /// Sets a value. `:` separates the levels of `key`, and digits are an index.
    pub fn set(&self, key: &str, value: impl Into<Value>) {
        self.values.lock().unwrap().insert(key.to_owned(), value.into());
    }

    /// Removes a value.
    pub fn remove(&self, key: &str) {
        self.values.lock().unwrap().remove(key);
    }

    /// Fails every read with `error`, until it is `None`.
    pub fn fail(&self, error: impl Into<Option<Error>>) {
        *self.error.lock().unwrap() = error.into();
    }

    /// Returns the number of reads so far.
    pub fn reads(&self) -> u64 {
        self.reads.load(Ordering::SeqCst)
    }
}

impl Default for FakeSettings {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait::async_trait]
impl SettingStore for FakeSettings {
    fn origin(&self) -> &Vault {
        &self.origin
    }

    fn kind(&self) -> &'static str {
        "App Configuration"
    }

    async fn read(&self) -> Result<StoredSettings> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        if self.hangs.is_on() {
            pending::<()>().await;
        }
        if let Some(error) = self.error.lock().unwrap().clone() {
            return Err(error);
        }
        let mut settings = StoredSettings::default();
        for (key, value) in &*self.values.lock().unwrap() {
            let path = key.split(':').fold(Key::root(), |path, step| match step.parse() {
                Ok(index) => path.element(index),
                Err(_) => path.member(step),
            });
            settings.set(&path, &format!("App Configuration key {key}"), stored(value));
        }
        Ok(settings)
    }

    fn interval(&self) -> Option<Duration> {
        self.interval
    }
}

impl fmt::Debug for FakeSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeSettings").field("origin", &self.origin).finish_non_exhaustive()
    }
}

fn stored(value: &Value) -> StoredValue {
    match value {
        Value::Null => StoredValue::Null,
        Value::String(text) => StoredValue::Text(text.clone().into()),
        Value::Bool(_) | Value::Number(_) => StoredValue::Scalar(value.to_string().into()),
        Value::Array(items) => StoredValue::List(items.iter().map(stored).collect()),
        Value::Object(members) => {
            StoredValue::Table(members.iter().map(|(name, member)| (name.clone(), stored(member))).collect())
        }
    }
}
