//! The service: settings that follow, requests that use them, somebody who watches.

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
    story: Arc<Mutex<Story>>,
}

/// What was told to who watches.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Story {
    pub(super) rotations: u32,
    pub(super) changes: u32,
    pub(super) failures: u32,
    /// How many settings were published after the first.
    pub(super) generations: u32,
}

impl Service {
    pub(super) async fn start(operator: &Operator, server: &Server) -> Self {
        // By name, and inside a text.
        let layers = || Figment::new().merge(Toml::string(r#"url = "https://api/?key=@KeyVault(SecretName=key)""#));
        let live = keyvault_figment::layered(operator.client(), layers)
            .refresh_every(INTERVAL)
            .refresh_deadline(DEADLINE)
            .event_spread(Duration::from_secs(10))
            .start::<Settings>()
            .await
            .unwrap();
        let mut service = Self { live, readers: JoinSet::new(), watching: JoinSet::new(), story: Arc::default() };
        for _ in 0..READERS {
            service.readers.spawn(read(service.live.clone(), server.clone()));
        }
        let first = (**service.live.published().settings()).clone();
        service.watching.spawn(watch(service.live.watch(), first, Arc::clone(&service.story)));
        service
    }

    pub(super) fn key(&self) -> String {
        self.live.current()["key"].clone()
    }

    /// Ends the work, and tells what was told.
    pub(super) async fn end(mut self) -> Story {
        assert!(self.live.health().last_error.is_none(), "{:?}", self.live.health());
        let mut story = *self.story.lock().unwrap();
        story.generations = u32::try_from(self.live.published().generation()).unwrap() - 1;
        story.rotations = self.key().parse::<u32>().unwrap() - 1;
        self.live.shutdown().await;
        // A reader never ends by itself: one that did broke a promise, as did one who watches and panics.
        while let Some(ended) = self.readers.try_join_next() {
            ended.unwrap();
        }
        while let Some(ended) = self.watching.join_next().await {
            ended.unwrap();
        }
        story
    }
}

const READERS: usize = 16;

/// Sends one request after the other, each with the key of its moment.
async fn read(live: Live<Settings>, server: Server) {
    loop {
        sleep(Duration::from_millis(fastrand::u64(1_000..60_000))).await;
        let settings = live.current();
        assert_eq!(settings["url"], format!("https://api/?key={}", settings["key"]), "settings are whole");
        server.serve(&settings["key"]);
    }
}

/// Looks at every notice: nothing changes without one, and there is none without a change.
async fn watch(mut watcher: Watcher<Settings>, mut seen: Settings, story: Arc<Mutex<Story>>) {
    while let Some(notice) = watcher.next().await {
        let now = watcher.published();
        let differing: Vec<&str> =
            seen.keys().filter(|key| seen.get(*key) != now.settings().get(*key)).map(String::as_str).collect();
        let mut story = story.lock().unwrap();
        match &notice {
            Notice::Changed(change) => {
                story.changes += 1;
                assert_eq!(change.keys, differing, "what is told is what differs");
                assert_eq!(differing, ["key", "url"], "one secret, under both its keys");
            }
            Notice::Failed(_) => {
                story.failures += 1;
                assert!(differing.is_empty(), "settings changed without a notice");
            }
            other => panic!("{other:?}"),
        }
        seen = (**now.settings()).clone();
    }
}

impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rotations, changes, failures, generations } = self;
        write!(f, "{rotations} rotations, {generations} settings published, {changes} told, {failures} failures told")
    }
}
