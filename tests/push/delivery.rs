//! A posted or queued event reaches the settings, and only its secret is fetched.

use std::convert::Infallible;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use figment::Figment;
use figment::providers::{Format, Toml};
use futures::{Stream, stream};
use keyvault::push::PushEvent;
use keyvault::push::{StorageQueue, Webhook, webhook};
use keyvault::{InMemory, Live, SecretProperties};
use serde::Deserialize;
use tokio::time::{Instant, sleep, timeout};

use super::azurite::{Azurite, send};
use super::webhook::event;

#[derive(Deserialize)]
struct Settings {
    user: String,
    password: String,
}

const HOUR: Duration = Duration::from_secs(3_600);
const MINUTE: Duration = Duration::from_secs(60);

fn vault() -> InMemory {
    let vault = InMemory::new("https://contoso.vault.azure.net".parse().unwrap());
    let long_ago = SystemTime::now() - HOUR;
    for (name, value) in [("user", "ann"), ("password", "first")] {
        let dated = |properties: &mut SecretProperties| {
            properties.set_created(long_ago);
            properties.set_updated(long_ago);
        };
        vault.set_with(name, value, dated).unwrap();
    }
    vault
}

/// Starts settings with an hourly poll, so that any earlier refresh is due to an event.
async fn start(vault: &InMemory, events: impl Stream<Item = PushEvent> + Send + 'static) -> Live<Settings> {
    let text = "user = '@KeyVault(SecretName=user)'\npassword = '@KeyVault(SecretName=password)'";
    keyvault_figment::layered(vault.clone(), move || Figment::new().merge(Toml::string(text)))
        .references_only()
        .refresh_every(HOUR)
        .events(events)
        .event_spread(Duration::ZERO)
        .start()
        .await
        .unwrap()
}

async fn post(webhook: &Webhook, body: &str) {
    let body = stream::iter([Ok::<_, Infallible>(Bytes::copy_from_slice(body.as_bytes()))]);
    assert_eq!(webhook.answer("POST", |_| None, body).await.status(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_posted_event_brings_the_new_version_from_the_vault_at_once() {
    let vault = vault();
    let (webhook, events) = webhook();
    let live = start(&vault, events).await;
    let mut watcher = live.watch();
    let gets = vault.reads().gets;
    let version = vault.set("password", "second").unwrap();
    let posted = Instant::now();
    post(&webhook, &event("contoso", "password", &version.to_string())).await;
    assert_eq!(watcher.changed().await.unwrap().keys, ["password"]);
    assert_eq!(posted.elapsed(), Duration::ZERO);
    assert_eq!((live.current().user.as_str(), live.current().password.as_str()), ("ann", "second"));
    assert_eq!(vault.reads().gets, gets + 1, "only the secret of the event");
}

#[tokio::test(start_paused = true)]
async fn an_event_carries_no_value_whatever_its_body_contains() {
    let vault = vault();
    let (webhook, events) = webhook();
    let live = start(&vault, events).await;
    let mut watcher = live.watch();
    let version = vault.set("password", "second").unwrap();
    let body = event("contoso", "password", &version.to_string())
        .replace(r#""data":{"#, r#""value":"forged","data":{"value":"forged","Value":"forged","#);
    post(&webhook, &body).await;
    watcher.changed().await.unwrap();
    assert_eq!(live.current().password, "second");
}

#[tokio::test(start_paused = true)]
async fn an_event_of_another_vault_costs_nothing_and_changes_nothing() {
    let vault = vault();
    let (webhook, events) = webhook();
    let live = start(&vault, events).await;
    let before = vault.reads();
    let version = vault.set("password", "second").unwrap();
    for _ in 0..100 {
        post(&webhook, &event("fabrikam", "password", &version.to_string())).await;
    }
    sleep(MINUTE).await;
    assert_eq!(vault.reads(), before);
    assert_eq!(live.current().password, "first");
}

#[tokio::test(start_paused = true)]
async fn repeated_and_reordered_events_end_with_the_newest_version_at_little_cost() {
    let vault = vault();
    let (webhook, events) = webhook();
    let live = start(&vault, events).await;
    let gets = vault.reads().gets;
    // Versions are ordered by dates, which have whole seconds.
    let versions = ["second", "third", "fourth"].map(|password| {
        let age = Duration::from_secs(match password {
            "second" => 30,
            "third" => 20,
            _ => 10,
        });
        let dated = |properties: &mut SecretProperties| {
            let made = SystemTime::now() - age;
            properties.set_created(made);
            properties.set_updated(made);
        };
        vault.set_with("password", password, dated).unwrap()
    });
    let events: Vec<_> =
        [2, 0, 1, 2, 0, 2].map(|n: usize| event("contoso", "password", &versions[n].to_string())).into();
    post(&webhook, &format!("[{}]", events.join(","))).await;
    for body in &events {
        post(&webhook, body).await;
        sleep(Duration::from_secs(1)).await;
    }
    sleep(MINUTE).await;
    assert_eq!(live.current().password, "fourth");
    let cost = vault.reads().gets - gets;
    assert!(cost <= 9, "{cost} requests for three versions announced twelve times in seven posts");
}

#[tokio::test(start_paused = true)]
async fn a_flood_by_webhook_costs_a_check_and_leaves_the_loop_alive() {
    let vault = vault();
    let (webhook, events) = Webhook::builder().capacity(64).build();
    let live = start(&vault, events).await;
    let before = vault.reads();
    vault.set("password", "second").unwrap();
    for round in 0..500 {
        let body: Vec<_> = (0..20).map(|n| event("contoso", &format!("secret-{round}-{n}"), "0af1")).collect();
        post(&webhook, &format!("[{}]", body.join(","))).await;
    }
    sleep(MINUTE).await;
    assert_eq!(live.current().password, "second", "what was beyond the bound came to a check of everything");
    let gets = vault.reads().gets - before.gets;
    assert!(gets <= 6, "{gets} requests for 10,000 events");

    let version = vault.set("password", "third").unwrap();
    post(&webhook, &event("contoso", "password", &version.to_string())).await;
    sleep(MINUTE).await;
    assert_eq!(live.current().password, "third");
}

#[tokio::test]
async fn a_queued_event_brings_the_new_version_and_shutdown_ends_the_reader() {
    let Some(azurite) = Azurite::start().await else { return };
    let vault = vault();
    let queue = StorageQueue::builder(azurite.signed_url("shop"))
        .certificate_authority(azurite.certificate())
        .per_instance()
        .build()
        .unwrap();
    queue.create().await.unwrap();
    let live = start(&vault, queue.events()).await;
    let mut watcher = live.watch();
    let version = vault.set("password", "second").unwrap();
    let client = azurite.client(queue.name());
    send(&client, &azure_core::base64::encode(event("contoso", "password", &version.to_string()))).await;
    timeout(MINUTE, watcher.changed()).await.expect("a change was waited for").unwrap();
    assert_eq!(live.current().password, "second");

    timeout(Duration::from_secs(1), live.shutdown()).await.expect("shutdown takes less than a second");
    let gone = async {
        while client.exists().await.unwrap() {
            tokio::task::yield_now().await;
        }
    };
    timeout(MINUTE, gone).await.expect("the queue of this instance is left over");
}
