//! The bodies of events, which any sender can post or queue.

use std::convert::Infallible;
use std::sync::LazyLock;

use futures::{FutureExt, StreamExt, stream};
use keyvault::Vault;
use keyvault::push::Webhook;
use keyvault::push::{PushEvent, SecretEvent};

use crate::{assert_error_is_value_free, run};

/// Checks the body of a webhook request or a queue message: the result is a list of events, or an error without a part
/// of the body. A webhook accepts only events of its own vault.
pub(crate) fn event_body(data: &[u8]) {
    let parsed = SecretEvent::parse(data);
    match &parsed {
        Err(error) => assert_error_is_value_free(error),
        Ok(events) => {
            let encoded = SecretEvent::parse(azure_core::base64::encode(data).as_bytes());
            // An error is possible: base64 may exceed the size limit, or be decoded twice.
            if let Ok(again) = encoded {
                assert_eq!(*events, again, "base64 changed the events of a body");
            }
        }
    }
    let (webhook, events) = Webhook::builder().vault(VAULT.clone()).build();
    let body = stream::iter([Ok::<_, Infallible>(data)]);
    let response = run(webhook.answer("POST", |_| None, body));
    assert!(matches!(response.status(), 200 | 400 | 413), "the webhook answered with {}", response.status());
    assert_eq!(response.status() == 200, parsed.is_ok(), "a webhook and a queue parse the same body differently");
    drop(webhook);
    for event in events.collect::<Vec<_>>().now_or_never().expect("the webhook is dropped, so the events end") {
        if let PushEvent::Secret(event) = event {
            assert_eq!(*event.id.vault(), *VAULT, "an event of another vault was accepted");
        }
    }
}

static VAULT: LazyLock<Vault> = LazyLock::new(|| "https://contoso.vault.azure.net".parse().unwrap());
