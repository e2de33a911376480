//! Pushed events and their queue.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use azure_core::credentials::TokenCredential;
use bytes::Bytes;
use futures::{FutureExt, StreamExt, stream};
use keyvault::push::SecretEvent;
use keyvault::push::{StorageQueue, Webhook, webhook};
use keyvault_test_support::credential::FakeCredential;
use keyvault_test_support::transport::{FakeResponse, FakeTransport};

use super::scan::Scan;

#[tokio::test]
async fn a_webhook_shows_nothing_of_its_requests() {
    let mut scan = Scan::begin();
    let (secret, word) = (scan.secret.text().to_owned(), scan.word.text().to_owned());
    let (webhook, mut events) = webhook();
    let (strict, _strict_events) = Webhook::builder().subscription(&word).origin(&word).build();
    scan.shows("events", &events);
    let event = serde_json::json!({ "eventType": "Microsoft.KeyVault.SecretNewVersionCreated", "subject": secret,
        "data": { "Id": format!("https://contoso.vault.azure.net/secrets/a/0af1?{word}"), "Value": secret } });
    for body in [
        secret.clone(),
        format!("\"{word}\""),
        format!("{{\"{word}\":"),
        azure_core::base64::encode(&secret),
        serde_json::json!([{ "eventType": secret, "data": secret }]).to_string(),
        serde_json::json!([event, { "type": word }]).to_string(),
        event.to_string(),
    ] {
        let header = |_: &'static str| Some(word.as_str());
        for webhook in [&webhook, &strict] {
            for method in ["POST", "OPTIONS", word.as_str()] {
                let body = stream::iter([Ok::<_, Infallible>(Bytes::from(body.clone()))]);
                let answer = webhook.answer(method, header, body).await;
                scan.shows("answer", &answer.status());
            }
            let body = stream::iter([Ok::<_, Infallible>(Bytes::from(body.clone()))]);
            let answer = webhook.answer("POST", |_| None, body).await;
            scan.shows("answer", &answer);
            scan.says("answer", answer.body());
        }
        let broken = stream::iter([Ok(Bytes::from(body.clone())), Err(std::io::Error::other(secret.clone()))]);
        scan.shows("broken", &webhook.answer("POST", |_| None, broken).await);
        scan.outcome("parsed", &SecretEvent::parse(body.as_bytes()));
    }
    while let Some(event) = events.next().now_or_never().flatten() {
        scan.shows("event", &event);
    }
    tracing::trace!("all was sent");
    scan.end();
}

/// Responds like a storage account, with canaries as messages.
fn queue_with(scan: &Scan, status: u16) -> Arc<FakeTransport> {
    let (secret, word) = (scan.secret.text().to_owned(), scan.word.text().to_owned());
    let escaped = secret.replace('"', "&quot;").replace('&', "&amp;");
    FakeTransport::scripted(move |_| {
        let message = format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?><QueueMessagesList><QueueMessage><MessageId>1</MessageId>\
             <InsertionTime>Sun, 06 Nov 1994 08:49:37 GMT</InsertionTime><ExpirationTime>Sun, 06 Nov 2044 08:49:37 GMT\
             </ExpirationTime><PopReceipt>1</PopReceipt><TimeNextVisible>Sun, 06 Nov 2044 08:49:37 GMT</TimeNextVisible>\
             <DequeueCount>1</DequeueCount><MessageText>{escaped}</MessageText></QueueMessage></QueueMessagesList>"
        );
        let error = format!("<?xml version=\"1.0\"?><Error><Code>{word}</Code><Message>{escaped}</Message></Error>");
        let answer = FakeResponse::new(status, if status == 200 { message } else { error });
        Ok(answer.header("content-type", "application/xml"))
    })
}

#[tokio::test(start_paused = true)]
async fn a_queue_shows_neither_messages_nor_its_signature_nor_a_token() {
    let mut scan = Scan::begin();
    let signed = format!("https://contoso.queue.core.windows.net/events?sv=2024-01-01&sig={}", scan.token.text());
    for status in [200, 400, 403, 404, 409, 429, 500] {
        let wire = queue_with(&scan, status);
        let token = FakeCredential::fixed(scan.token.text()) as Arc<dyn TokenCredential>;
        for builder in [
            StorageQueue::builder(&signed),
            StorageQueue::builder("https://contoso.queue.core.windows.net/events").credential(token),
        ] {
            let builder = builder.client_options(wire.options());
            scan.shows("builder", &builder);
            let queue = builder.build().unwrap();
            scan.outcome("create", &queue.create().await);
            scan.outcome("remove", &queue.remove().await);
            let mut events = queue.events();
            // Invalid messages yield no event, and polling continues.
            assert!(tokio::time::timeout(Duration::from_secs(100), events.next()).await.is_err() || status != 200);
            scan.shows("events", &events);
            scan.shows("queue", &queue);
            let health = queue.health();
            scan.shows("health", &health);
            if let Some(error) = &health.last_failure {
                scan.fails("health", error);
            }
        }
        assert!(wire.sent().len() > 4, "{status}");
    }
    for url in
        [scan.secret.text().to_owned(), format!("https://user:{}@x/q?sig=a", scan.word.text()), format!("{signed}#a")]
    {
        scan.shows("builder", &StorageQueue::builder(&url));
        scan.outcome("queue", &StorageQueue::builder(&url).build());
    }
    scan.end();
}
