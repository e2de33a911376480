//! The refresh loop, its callers and its watchers.

use std::time::{Duration, SystemTime};

use futures::future::join_all;
use keyvault_model::live::{Live, LiveBuilder, Notice, Watcher};
use keyvault_model::secret::SecretProperties;
use keyvault_model::settings::{ConfigValue, Key, MappedSecrets, Mismatch, Resolved, Tree};
use keyvault_model::store::InMemory;
use keyvault_model::{Error, ErrorKind};
use serde::de::DeserializeOwned;
use serde::de::value::{self, StringDeserializer};
use shuttle::future::{spawn, yield_now};

use crate::{check, poll_once};

/// What happens to the settings.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Event {
    Change,
    Failure,
    /// A change to a secret that has expired.
    Expiry,
}

/// Nothing wakes the watcher after the last event, so each kind of event is the last one in one of the checks.
#[test]
fn a_watcher_receives_a_change_after_other_notices() {
    check(async || watch_events([Event::Expiry, Event::Failure, Event::Change]).await);
}

#[test]
fn a_watcher_receives_a_failure_after_other_notices() {
    check(async || watch_events([Event::Expiry, Event::Change, Event::Failure]).await);
}

#[test]
fn a_watcher_receives_a_fact_about_a_secret_after_other_notices() {
    check(async || watch_events([Event::Change, Event::Failure, Event::Expiry]).await);
}

async fn watch_events(events: [Event; 3]) {
    let vault = Rotation::new();
    let live = vault.start().await;
    let watches = [(); WATCHERS].map(|()| spawn(watch_three_generations(live.watch())));
    for event in events {
        match event {
            Event::Failure => {
                vault.vault.fail(Error::new(ErrorKind::Unavailable, "down"));
                live.refresh_now().await.unwrap_err();
                vault.vault.fail(None);
            }
            Event::Change | Event::Expiry => {
                let expires = (event == Event::Expiry).then(|| SystemTime::now() - HOUR);
                vault.set(live.published().generation() + 1, expires);
                live.refresh_now().await.unwrap().unwrap();
            }
        }
    }
    // The end of the loop would wake the watcher.
    let watchers = join_all(watches).await;
    drop(live);
    for watcher in watchers {
        assert!(watcher.unwrap().next().await.is_none(), "each notice is received once");
    }
}

/// Reads notices until there was one of each kind and the last change.
async fn watch_three_generations(mut watcher: Watcher<String>) -> Watcher<String> {
    let (mut generation, mut failures, mut facts) = (1, 0, 0);
    while generation < 3 || failures == 0 || facts == 0 {
        match watcher.next().await.unwrap() {
            Notice::Changed(change) => {
                assert!(change.generation > generation, "a change arrives once, and in order");
                assert_eq!(change.keys, ["key"]);
                generation = change.generation;
                let published = watcher.published();
                assert!(published.generation() >= generation, "no change arrives too early");
                assert_eq!(**published.settings(), published.generation().to_string());
            }
            Notice::Failed(_) => failures += 1,
            Notice::Secret(_) => facts += 1,
            other => panic!("{other:?}"),
        }
    }
    watcher
}

/// One of the callers is dropped. The handles of the others end the loop, and the end of the loop ends the watcher.
#[test]
fn concurrent_refreshes_publish_one_change_and_the_loop_ends_with_its_last_handle() {
    check(async || {
        let vault = Rotation::new();
        let live = vault.start().await;
        let mut watcher = live.watch();
        vault.set(2, None);
        let callers = [(); 3].map(|()| {
            let live = live.clone();
            spawn(async move {
                live.refresh_now().await.unwrap();
                assert_eq!(*live.current(), "2");
            })
        });
        let dropped = spawn(async move { _ = poll_once(live.refresh_now()).await });
        for caller in callers {
            caller.await.unwrap();
        }
        dropped.await.unwrap();
        assert_eq!(watcher.changed().await.unwrap().generation, 2);
        assert!(watcher.changed().await.is_none());
    });
}

/// A vault whose secret contains the number of its version.
struct Rotation {
    vault: InMemory,
    begin: SystemTime,
}

impl Rotation {
    fn new() -> Self {
        let vault = InMemory::new("https://contoso.vault.azure.net".parse().unwrap());
        vault.on_get(async |_| {
            yield_now().await;
            Ok(())
        });
        let this = Self { vault, begin: SystemTime::now() - HOUR };
        this.set(1, None);
        this
    }

    /// Sets a version. Its date is later than that of every version with a lower number.
    fn set(&self, number: u64, expires: Option<SystemTime>) {
        let created = self.begin + Duration::from_secs(number);
        let change = |properties: &mut SecretProperties| {
            properties.set_created(created);
            properties.set_updated(created);
            properties.set_expires(expires);
        };
        self.vault.set_with("a", number.to_string(), change).unwrap();
    }

    async fn start(&self) -> Live<String> {
        let layers = |_: &MappedSecrets| Ok(OneValue("@KeyVault(SecretName=a)".to_owned()));
        let builder = LiveBuilder::new(self.vault.clone(), layers).references_only();
        builder.minimum_failure_delay(Duration::ZERO).start().await.unwrap()
    }
}

/// Settings that are one string, at `key`.
struct OneValue(String);

impl Tree for OneValue {
    fn leaves(&self) -> Result<Vec<ConfigValue>, Mismatch> {
        Ok(vec![ConfigValue::text(Key::root().member("key"), "a layer", self.0.as_str())])
    }

    fn replace(self, resolved: Vec<(ConfigValue, Option<Resolved>)>) -> Result<Self, Mismatch> {
        let text = resolved.into_iter().find_map(|(_, text)| text);
        Ok(text.map_or(self, |text| Self(text.expose_secret().to_owned())))
    }

    fn extract<T: DeserializeOwned>(self) -> Result<T, Mismatch> {
        T::deserialize(StringDeserializer::<value::Error>::new(self.0)).map_err(|_| Mismatch::new("not valid"))
    }
}

/// The more watchers, the more likely is it that one of them runs between two steps of a publication.
const WATCHERS: usize = 4;

const HOUR: Duration = Duration::from_secs(3_600);
