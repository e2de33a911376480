//! The service under load: live settings, requests that use them, and a watcher.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use figment::Figment;
use figment::providers::{Format, Toml};
use keyvault::{Live, Notice, Watcher};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::operator::Operator;
use super::{DEADLINE, INTERVAL, Server};

type Settings = BTreeMap<String, String>;

/// A service under load.
pub(super) struct Service {
    pub(super) live: Live<Settings>,
    readers: JoinSet<()>,
    watching: JoinSet<()>,
    notices: Arc<Mutex<Notices>>,
}

/// The notices that the watcher received.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Notices {
    pub(super) rotations: u32,
    pub(super) changes: u32,
    pub(super) failures: u32,
    /// The number of publications after the first.
    pub(super) generations: u32,
}

impl Service {
    pub(super) async fn start(operator: &Operator, server: &Server) -> Self {
        // Mapped by name, and inside a longer text.
        let layers = || Figment::new().merge(Toml::string(r#"url = "https://api/?key=@KeyVault(SecretName=key)""#));
        let live = keyvault_figment::layered(operator.client(), layers)
            .refresh_every(INTERVAL)
            .refresh_deadline(DEADLINE)
            .event_spread(Duration::from_secs(10))
            .start::<Settings>()
            .await
            .unwrap();
        let mut service = Self { live, readers: JoinSet::new(), watching: JoinSet::new(), notices: Arc::default() };
        for _ in 0..READERS {
            service.readers.spawn(read(service.live.clone(), server.clone()));
        }
        let first = (**service.live.published().settings()).clone();
        service.watching.spawn(watch(service.live.watch(), first, Arc::clone(&service.notices)));
        service
    }

    pub(super) fn key(&self) -> String {
        self.live.current()["key"].clone()
    }

    /// Stops the service, and returns its notices.
    pub(super) async fn end(mut self) -> Notices {
        assert!(self.live.health().last_error.is_none(), "{:?}", self.live.health());
        let mut notices = *self.notices.lock().unwrap();
        notices.generations = u32::try_from(self.live.published().generation()).unwrap() - 1;
        notices.rotations = self.key().parse::<u32>().unwrap() - 1;
        self.live.shutdown().await;
        // A reader ends by itself only if an assertion failed, and so does a watcher.
        while let Some(ended) = self.readers.try_join_next() {
            ended.unwrap();
        }
        while let Some(ended) = self.watching.join_next().await {
            ended.unwrap();
        }
        notices
    }
}

const READERS: usize = 16;

/// Sends one request after the other, each with the current key.
async fn read(live: Live<Settings>, server: Server) {
    loop {
        sleep(Duration::from_millis(fastrand::u64(1_000..60_000))).await;
        let settings = live.current();
        assert_eq!(settings["url"], format!("https://api/?key={}", settings["key"]), "settings are whole");
        server.serve(&settings["key"]);
    }
}

/// Asserts that each change has a notice, and that each notice has a change.
async fn watch(mut watcher: Watcher<Settings>, mut seen: Settings, notices: Arc<Mutex<Notices>>) {
    while let Some(notice) = watcher.next().await {
        let now = watcher.published();
        let differing: Vec<&str> =
            seen.keys().filter(|key| seen.get(*key) != now.settings().get(*key)).map(String::as_str).collect();
        let mut notices = notices.lock().unwrap();
        match &notice {
            Notice::Changed(change) => {
                notices.changes += 1;
                assert_eq!(change.keys, differing, "a notice names exactly the keys that differ");
                assert_eq!(differing, ["key", "url"], "one secret, under both its keys");
            }
            Notice::Failed(_) => {
                notices.failures += 1;
                assert!(differing.is_empty(), "settings changed without a notice");
            }
            other => panic!("{other:?}"),
        }
        seen = (**now.settings()).clone();
    }
}

impl fmt::Display for Notices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rotations, changes, failures, generations } = self;
        write!(
            f,
            "{rotations} rotations, {generations} publications, {changes} change notices, {failures} failure notices"
        )
    }
}
