//! What anybody can post or queue: the bodies of events.

use std::convert::Infallible;
use std::sync::LazyLock;

use futures::{FutureExt, StreamExt, stream};
use keyvault::push::Webhook;
use keyvault::{PushEvent, SecretEvent, Vault};

use crate::{assert_error_is_value_free, run};

/// The body of a webhook's request or a queue's message: news of secrets, or an error without the body in it; and by way of a
/// webhook news of the one vault that it is for.
pub(crate) fn event_body(data: &[u8]) {
    let parsed = SecretEvent::parse(data);
    match &parsed {
        Err(error) => assert_error_is_value_free(error),
        Ok(events) => {
            let in_base64 = SecretEvent::parse(azure_core::base64::encode(data).as_bytes());
            // In base64 a body may only be longer than it may be, or be taken for base64 of base64.
            if let Ok(again) = in_base64 {
                assert_eq!(*events, again, "base64 made other events of a body");
            }
        }
    }
    let (webhook, events) = Webhook::builder().vault(VAULT.clone()).build();
    let body = stream::iter([Ok::<_, Infallible>(data)]);
    let answer = run(webhook.answer("POST", |_| None, body));
    assert!(matches!(answer.status(), 200 | 400 | 413), "a body was answered with {}", answer.status());
    assert_eq!(answer.status() == 200, parsed.is_ok(), "a webhook and a queue read the same body in different ways");
    drop(webhook);
    for event in events.collect::<Vec<_>>().now_or_never().expect("nobody is left to post") {
        if let PushEvent::Secret(event) = event {
            assert_eq!(*event.id.vault(), *VAULT, "news of another vault were heeded");
        }
    }
}

static VAULT: LazyLock<Vault> = LazyLock::new(|| "https://contoso.vault.azure.net".parse().unwrap());
