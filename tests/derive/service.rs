//! A service with a database and a cache, whose pool does what a test demands.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use figment::Figment;
use keyvault::derive::Derive;
use keyvault::{InMemory, Live, ValidationError};
use keyvault_test_support::deadline::within_an_hour;
use serde::Deserialize;
use tokio::sync::watch;
use tokio::time::sleep;

#[derive(Debug, Deserialize)]
pub(super) struct Settings {
    pub(super) database: Database,
    pub(super) cache: Cache,
}

#[derive(Debug, Deserialize)]
pub(super) struct Database {
    pub(super) password: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Cache {
    pub(super) size: String,
}

/// A derived resource. It remembers its password and counts the live instances.
#[derive(Debug)]
pub(super) struct Pool {
    pub(super) password: String,
    alive: watch::Sender<usize>,
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.alive.send_modify(|alive| *alive -= 1);
    }
}

/// A vault, and a log of what happens to pools.
#[derive(Clone)]
pub(super) struct Service {
    pub(super) vault: InMemory,
    /// The builds, probes and drains so far, each with its password, in order.
    pub(super) said: Arc<Mutex<Vec<String>>>,
    pub(super) alive: watch::Sender<usize>,
    pub(super) running: Arc<AtomicUsize>,
}

impl Service {
    pub(super) fn new() -> Self {
        let vault = InMemory::new("https://contoso.vault.azure.net".parse().unwrap());
        vault.set("database--password", "first").unwrap();
        vault.set("cache--size", "1").unwrap();
        Self { vault, said: Arc::default(), alive: watch::Sender::new(0), running: Arc::default() }
    }

    pub(super) async fn live(&self) -> Live<Settings> {
        keyvault_figment::layered(self.vault.clone(), Figment::new).refresh_every(MINUTE).start().await.unwrap()
    }

    /// Rotates the password and waits for its publication.
    pub(super) async fn rotate(&self, live: &Live<Settings>, password: &str) {
        self.vault.set("database--password", password).unwrap();
        live.refresh_now().await.unwrap().unwrap();
    }

    /// Returns a factory whose outcome depends on the password: `bad` is refused, `panics`, `hangs`, `slow …` takes ten
    /// seconds.
    pub(super) fn derive(&self, live: &Live<Settings>) -> Derive<Settings, Pool> {
        let service = self.clone();
        live.derive(["database"], move |settings: Arc<Settings>| service.clone().build(settings))
    }

    /// Returns the same factory with a drain that is logged.
    pub(super) fn drained(&self, live: &Live<Settings>) -> Derive<Settings, Pool> {
        let service = self.clone();
        self.derive(live).drain(move |old| {
            service.say(format!("drain {}", old.password));
            async {}
        })
    }

    async fn build(self, settings: Arc<Settings>) -> Result<Pool, ValidationError> {
        let password = settings.database.password.clone();
        let _one = Running::begin(&self.running);
        self.say(format!("build {password}"));
        match password.as_str() {
            "bad" => return Err(ValidationError::new("the database refuses the login").of("database.password")),
            "panics" => panic!("the build panics"),
            "hangs" => std::future::pending().await,
            slow if slow.starts_with("slow") => sleep(MINUTE / 6).await,
            _ => {}
        }
        self.alive.send_modify(|alive| *alive += 1);
        Ok(Pool { password, alive: self.alive.clone() })
    }

    pub(super) fn say(&self, text: String) {
        self.said.lock().unwrap().push(text);
    }

    pub(super) fn said(&self) -> Vec<String> {
        std::mem::take(&mut self.said.lock().unwrap())
    }

    /// Waits until this many pools are alive.
    pub(super) async fn alive(&self, count: usize) {
        let mut alive = self.alive.subscribe();
        within_an_hour(alive.wait_for(|alive| *alive == count)).await.unwrap();
    }
}

/// Asserts on creation that no other build runs.
struct Running(Arc<AtomicUsize>);

impl Running {
    fn begin(running: &Arc<AtomicUsize>) -> Self {
        assert_eq!(running.fetch_add(1, Ordering::SeqCst), 0, "one build at a time");
        Self(Arc::clone(running))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

pub(super) const MINUTE: Duration = Duration::from_secs(60);
