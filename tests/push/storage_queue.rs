//! A Storage queue end to end: the official client enqueues messages in Azurite, and our source receives them.

use std::sync::Arc;
use std::time::Duration;

use azure_core::credentials::TokenCredential;
use futures::StreamExt;
use keyvault::push::PushEvent;
use keyvault::push::{StorageQueue, StorageQueueBuilder, StorageQueueEvents};
use keyvault_test_support::canary::{assert_free_of, assert_value_free};
use keyvault_test_support::credential::FakeCredential;
use keyvault_test_support::log::Log;
use tokio::time::timeout;

use super::azurite::{Azurite, length, send};
use super::webhook::event;

fn signed(azurite: &Azurite, queue: &str) -> StorageQueueBuilder {
    StorageQueue::builder(azurite.signed_url(queue)).certificate_authority(azurite.certificate())
}

/// Waits for the next event, and returns the name of its secret.
async fn next(events: &mut StorageQueueEvents) -> String {
    match timeout(PATIENCE, events.next()).await.expect("an event was waited for").unwrap() {
        PushEvent::Secret(event) => event.id.name().to_string(),
        other => format!("{other:?}"),
    }
}

/// Polls the stream until `done`, and panics on an event.
async fn read_until<F>(events: &mut StorageQueueEvents, done: impl Fn() -> F + Send + Sync)
where
    F: Future<Output = bool> + Send,
{
    let poll = async {
        while !done().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        () = poll => {}
        event = events.next() => panic!("{event:?} came"),
        () = tokio::time::sleep(PATIENCE) => panic!("nothing arrived in time"),
    }
}

/// Azurite is a separate process, on a machine that may be busy.
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn messages_arrive_through_a_signed_url_whose_signature_is_not_logged() {
    let Some(azurite) = Azurite::start().await else { return };
    let client = azurite.client("shop");
    client.create(None).await.unwrap();
    send(&client, "canary").await;
    send(&client, &azure_core::base64::encode(format!("[{}]", event("contoso", "encoded", "0af1")))).await;
    send(&client, &event("contoso", "plain", "0af1")).await;

    let log = Log::begin();
    let queue = signed(&azurite, "shop").build().unwrap();
    let mut events = queue.events();
    assert_eq!(next(&mut events).await, "encoded");
    assert_eq!(next(&mut events).await, "plain");
    read_until(&mut events, || async { length(&client).await == 0 }).await;
    let health = queue.health();
    assert_eq!((health.messages, health.events, health.unreadable), (3, 2, 1));
    assert_eq!(health.consecutive_failures, 0);

    let signature = azurite.signed_url("shop").split_once("sig=").unwrap().1.to_owned();
    let text = log.text();
    assert!(text.contains("message is not an event"), "{text}");
    // The client of the test uses the same pipeline, so the same assertions apply.
    assert_free_of(
        &text,
        &["canary", &signature, &signature.replace("%2B", "+").replace("%2F", "/").replace("%3D", "=")],
    );
}

#[tokio::test]
async fn a_queue_is_polled_with_a_token_for_storage_and_a_refused_one_is_reported_without_it() {
    let Some(azurite) = Azurite::start().await else { return };
    let client = azurite.client("shop");
    client.create(None).await.unwrap();
    send(&client, &event("contoso", "a", "0af1")).await;
    let credential = FakeCredential::fixed(token("https://storage.azure.com"));
    let queue = |credential: &Arc<FakeCredential>| {
        let credential = Arc::clone(credential) as Arc<dyn TokenCredential>;
        let builder = StorageQueue::builder(azurite.url("shop")).credential(credential);
        builder.certificate_authority(azurite.certificate()).build().unwrap()
    };
    assert_eq!(next(&mut queue(&credential).events()).await, "a");
    assert_eq!(credential.scopes().first().unwrap(), "https://storage.azure.com/.default");

    let refused = FakeCredential::fixed(token("https://vault.azure.net"));
    let queue = queue(&refused);
    let mut events = queue.events();
    read_until(&mut events, || async { queue.health().consecutive_failures > 0 }).await;
    let error = queue.health().last_failure.unwrap();
    assert_eq!(error.http_status(), Some(403), "{error:?}");
    assert_value_free(&error, &[&token("https://vault.azure.net")]);
}

#[tokio::test]
async fn a_deleted_queue_is_reported_and_used_again_when_it_returns() {
    let Some(azurite) = Azurite::start().await else { return };
    let client = azurite.client("shop");
    client.create(None).await.unwrap();
    send(&client, &event("contoso", "before", "0af1")).await;
    let queue = signed(&azurite, "shop").build().unwrap();
    let mut events = queue.events();
    assert_eq!(next(&mut events).await, "before");

    client.delete(None).await.unwrap();
    read_until(&mut events, || async { queue.health().consecutive_failures > 0 }).await;
    assert_eq!(queue.health().last_failure.unwrap().code(), Some("QueueNotFound"));

    client.create(None).await.unwrap();
    send(&client, &event("contoso", "after", "0af1")).await;
    assert_eq!(next(&mut events).await, "after");
    assert_eq!(next(&mut events).await, "MayHaveLost");
    assert_eq!(queue.health().consecutive_failures, 0);
}

#[tokio::test]
async fn every_instance_has_its_own_queue_until_it_ends() {
    let Some(azurite) = Azurite::start().await else { return };
    let instances = [0, 1].map(|_| signed(&azurite, "shop").per_instance().build().unwrap());
    let clients = [0, 1].map(|n: usize| azurite.client(instances[n].name()));
    // Event Grid does this with two subscriptions.
    for (instance, client) in instances.iter().zip(&clients) {
        instance.create().await.unwrap();
        send(client, &event("contoso", "a", "0af1")).await;
    }
    let mut first = instances[0].events();
    assert_eq!(next(&mut first).await, "a");
    assert_eq!(next(&mut instances[1].events()).await, "a", "another reader took nothing away");

    // Both endings: the second stream is dropped by now, and the first queue is removed.
    instances[0].remove().await.unwrap();
    assert_eq!(timeout(PATIENCE, first.next()).await.unwrap(), None);
    for client in &clients {
        let gone = async {
            while client.exists().await.unwrap() {
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, gone).await.expect("the queue is left over");
    }
}

/// Creates a token that Azurite accepts. Azurite checks the claims and not the signature.
fn token(audience: &str) -> String {
    let claims = format!(
        r#"{{"aud":"{audience}","iss":"https://sts.windows.net/ab1f708d-50f6-404c-a006-d71b2ac7a606/",
        "iat":1511859603,"nbf":1511859603,"exp":4102444800}}"#
    );
    let part = azure_core::base64::encode_url_safe;
    format!("{}.{}.{}", part(r#"{"alg":"RS256","typ":"JWT"}"#), part(&claims), part("not looked at"))
}
