//! The webhook completes the handshake of Event Grid, bounds its input, and sends no request itself.

use std::convert::Infallible;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::{FutureExt, Stream, StreamExt, stream};
use keyvault::push::PushEvent;
use keyvault::push::{Webhook, WebhookAnswer, WebhookEvents, webhook};
use keyvault_test_support::canary::assert_free_of;

/// Posts a body in one piece, with `headers`.
async fn post(webhook: &Webhook, headers: &[(&str, &str)], body: &str) -> WebhookAnswer {
    let header = |name: &'static str| headers.iter().find(|(key, _)| *key == name).map(|(_, value)| *value);
    webhook.answer("POST", header, whole(body)).await
}

fn whole(body: &str) -> impl Stream<Item = Result<Bytes, Infallible>> + use<> {
    stream::iter([Ok(Bytes::copy_from_slice(body.as_bytes()))])
}

pub(super) fn event(vault: &str, name: &str, version: &str) -> String {
    format!(
        r#"{{"eventType":"Microsoft.KeyVault.SecretNewVersionCreated",
        "data":{{"Id":"https://{vault}.vault.azure.net/secrets/{name}/{version}"}}}}"#
    )
}

/// Returns the events that wait in the stream.
fn waiting(events: &mut WebhookEvents) -> Vec<String> {
    std::iter::from_fn(|| events.next().now_or_never().flatten())
        .map(|event| match event {
            PushEvent::Secret(event) => format!("{}/{}", event.id.vault(), event.id.name()),
            _ => "lost".to_owned(),
        })
        .collect()
}

fn header_of<'a>(answer: &'a WebhookAnswer, name: &str) -> Option<&'a str> {
    answer.headers().find(|(key, _)| *key == name).map(|(_, value)| value)
}

#[tokio::test]
async fn events_are_taken_into_the_stream_in_their_order() {
    let (webhook, mut events) = webhook();
    let body = format!("[{},{}]", event("contoso", "a", "0af1"), event("fabrikam", "b", "0af1"));
    let answer = post(&webhook, &[("aeg-event-type", "Notification")], &body).await;
    assert_eq!((answer.status(), answer.body()), (200, ""));
    assert_eq!(waiting(&mut events), ["contoso/a", "fabrikam/b"]);
    // A server may respond on any thread.
    let posted = tokio::spawn(async move { webhook.answer("POST", |_| None, whole("[]")).await.status() });
    assert_eq!(posted.await.unwrap(), 200);
    assert_eq!(events.next().await, None, "with the last webhook the stream ends");
}

#[tokio::test]
async fn the_handshake_of_event_grid_is_answered_with_its_code_and_no_request_to_its_url() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("http://{}/validate", listener.local_addr().unwrap());
    let body = format!(
        r#"[{{"id":"1","eventType":"Microsoft.EventGrid.SubscriptionValidationEvent",
        "data":{{"validationCode":"512d38b6-\"c7b8","validationUrl":"{url}"}}}}]"#
    );
    let (webhook, mut events) = webhook();
    let answer = post(&webhook, &[("aeg-event-type", "SubscriptionValidation")], &body).await;
    assert_eq!(answer.status(), 200, "Event Grid takes no other success");
    assert_eq!(answer.body(), r#"{"validationResponse":"512d38b6-\"c7b8"}"#);
    assert_eq!(header_of(&answer, "content-type"), Some("application/json"));
    assert!(waiting(&mut events).is_empty());

    let origin = |name: &'static str| match name {
        "webhook-request-origin" => Some("eventgrid.azure.net"),
        "webhook-request-callback" => Some(url.as_str()),
        _ => None,
    };
    assert_eq!(webhook.answer("OPTIONS", origin, whole("")).await.status(), 200);
    tokio::task::yield_now().await;
    assert!(listener.accept().is_err(), "a request followed a URL from the event");
}

#[tokio::test]
async fn the_handshake_of_cloud_events_is_answered_with_the_requesting_origin() {
    let (any, _events) = webhook();
    let (one, _more) = Webhook::builder().origin("eventgrid.azure.net").build();
    for (webhook, origin, status) in [
        (&any, Some("eventgrid.azure.net"), 200),
        (&any, Some(" eventemitter.example.com "), 200),
        (&any, None, 400),
        (&any, Some(""), 400),
        (&any, Some("*"), 400),
        (&any, Some("a\r\nset-cookie: b"), 400),
        (&one, Some("EventGrid.azure.net"), 200),
        (&one, Some("eventgrid.azure.net.evil.example"), 403),
    ] {
        let header = |name: &'static str| if name == "webhook-request-origin" { origin } else { None };
        let answer = webhook.answer("OPTIONS", header, whole("")).await;
        assert_eq!(answer.status(), status, "{origin:?}");
        let allowed = (status == 200).then(|| origin.unwrap().trim());
        assert_eq!(header_of(&answer, "webhook-allowed-origin"), allowed, "{origin:?}");
        assert_eq!(header_of(&answer, "webhook-allowed-rate"), allowed.map(|_| "*"));
    }
}

#[tokio::test]
async fn invalid_requests_are_refused_without_quoting_them() {
    let (webhook, mut events) = webhook();
    for body in ["", "canary", "{\"canary\":", "[{\"canary\":1}]", "null", "7", "\"canary\"", "Y2FuYXJ5"] {
        let answer = post(&webhook, &[], body).await;
        assert_eq!(answer.status(), 400, "{body}");
        assert_free_of(&format!("{answer:?}"), &["canary"]);
    }
    for method in ["GET", "HEAD", "PUT", "post", ""] {
        let answer = webhook.answer(method, |_| None, whole("[]")).await;
        assert_eq!((answer.status(), header_of(&answer, "allow")), (405, Some("POST, OPTIONS")), "{method}");
    }
    let broken = stream::iter([Ok(Bytes::from_static(b"[")), Err(())]);
    assert_eq!(webhook.answer("POST", |_| None, broken).await.status(), 400);
    assert!(waiting(&mut events).is_empty());
}

#[tokio::test]
async fn only_the_named_subscription_and_vaults_get_through() {
    let (webhook, mut events) = Webhook::builder()
        .subscription("shop-secrets")
        .vault("https://contoso.vault.azure.net".parse().unwrap())
        .build();
    let body = format!("[{},{}]", event("fabrikam", "a", "0af1"), event("contoso", "b", "0af1"));
    for (name, status) in [("SHOP-SECRETS", 200), ("shop-secret", 403), ("", 403)] {
        let answer = post(&webhook, &[("aeg-subscription-name", name)], &body).await;
        assert_eq!(answer.status(), status, "{name}");
    }
    assert_eq!(post(&webhook, &[], &body).await.status(), 403);
    assert_eq!(waiting(&mut events), ["contoso/b"]);
}

#[tokio::test]
async fn a_body_of_a_gigabyte_is_not_read_beyond_the_cap() {
    let (webhook, _events) = webhook();
    let read = Arc::new(AtomicUsize::new(0));
    let part = Bytes::from(vec![b'['; 64 * 1024]);
    let gigabyte = |read: Arc<AtomicUsize>| {
        stream::iter(std::iter::repeat_n(part.clone(), 16 * 1024)).map(move |part| {
            read.fetch_add(part.len(), Ordering::Relaxed);
            Ok::<_, Infallible>(part)
        })
    };
    let answer = webhook.answer("POST", |_| None, gigabyte(Arc::clone(&read))).await;
    assert_eq!(answer.status(), 413);
    let cap = 2 * 1024 * 1024;
    assert!(read.load(Ordering::Relaxed) <= cap + part.len(), "{read:?} bytes were read");

    let before = read.load(Ordering::Relaxed);
    let length = |name: &'static str| (name == "content-length").then_some("1073741824");
    let answer = webhook.answer("POST", length, gigabyte(Arc::clone(&read))).await;
    assert_eq!((answer.status(), read.load(Ordering::Relaxed)), (413, before), "its length is known");
}

#[tokio::test(start_paused = true)]
async fn an_endless_body_is_not_read_to_the_end() {
    let (webhook, _events) = webhook();
    let slow = stream::repeat(Ok::<_, Infallible>(Bytes::from_static(b" "))).then(|part| async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        part
    });
    let began = tokio::time::Instant::now();
    assert_eq!(webhook.answer("POST", |_| None, slow).await.status(), 408);
    assert_eq!(began.elapsed(), Duration::from_secs(15));
}

#[tokio::test]
async fn a_flood_of_events_is_reduced_to_the_first_ones_and_one_full_refresh() {
    let (webhook, mut events) = Webhook::builder().capacity(100).build();
    for round in 0..200 {
        let body: Vec<_> = (0..50).map(|n| event("contoso", &format!("secret-{round}-{n}"), "0af1")).collect();
        assert_eq!(post(&webhook, &[], &format!("[{}]", body.join(","))).await.status(), 200);
    }
    let waiting = waiting(&mut events);
    assert_eq!(waiting.len(), 101);
    assert_eq!(waiting.iter().filter(|event| *event == "lost").count(), 1);
    assert_eq!(waiting.last().unwrap(), "lost");
}

#[tokio::test]
async fn unread_events_are_rejected_so_that_event_grid_redelivers_them() {
    let (webhook, events) = webhook();
    drop(events);
    assert_eq!(post(&webhook, &[], &event("contoso", "a", "0af1")).await.status(), 503);
}
