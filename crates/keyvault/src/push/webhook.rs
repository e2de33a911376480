//! Events that Event Grid posts to the program's own HTTP server.

use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::{Stream, StreamExt};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::batch::{EventBatch, LARGEST_BODY, too_large};
use super::event::PushEvent;
use super::webhook_answer::WebhookAnswer;
use crate::error::{Error, ErrorKind, Result};
use crate::secret::Vault;

/// Creates a webhook that accepts the events of all vaults, and the stream of its events.
///
/// Pass the stream to [`LiveBuilder::events`](crate::LiveBuilder::events), which asks only the vaults that the program
/// allows.
pub fn webhook() -> (Webhook, WebhookEvents) {
    Webhook::builder().build()
}

/// An endpoint for the requests of Event Grid, independent of the HTTP server.
///
/// A webhook makes no request of its own: it answers handshakes and never follows a URL in them. It does not
/// authenticate; the server in front of it must, as the example `webhook` shows. `Clone` is cheap. The events of all
/// clones go into one stream, which ends when the last clone is dropped.
#[derive(Clone, Debug)]
pub struct Webhook {
    endpoint: Arc<Endpoint>,
}

#[derive(Debug)]
struct Endpoint {
    vaults: Vec<Vault>,
    subscription: Option<String>,
    origin: Option<String>,
    /// The queue of the stream. Its last place is for the report of a loss.
    queue: Mutex<mpsc::Sender<PushEvent>>,
}

/// A builder of a [`Webhook`].
#[derive(Clone, Debug)]
#[must_use]
pub struct WebhookBuilder {
    vaults: Vec<Vault>,
    subscription: Option<String>,
    origin: Option<String>,
    capacity: usize,
}

impl Webhook {
    /// Creates a builder of a webhook.
    pub fn builder() -> WebhookBuilder {
        WebhookBuilder { vaults: Vec::new(), subscription: None, origin: None, capacity: 1_024 }
    }

    /// Answers one request.
    ///
    /// `header` returns the header of a name in lower case. The webhook reads at most 2 MiB of `body`, within 15
    /// seconds. It waits for nothing else and asks no vault: the events go into the stream. A correct sender receives
    /// an answer other than 200 only when it should send the request again.
    ///
    /// | status | when |
    /// |---|---|
    /// | 200 | the events are accepted, or ignored because of their type or vault; the handshake is answered |
    /// | 400 | the body contains no events; a CloudEvents handshake states no origin |
    /// | 403 | the subscription or the origin differs from the one that the builder set |
    /// | 405 | the method is neither `POST` nor `OPTIONS` |
    /// | 408 | the body did not arrive in time |
    /// | 413 | the body is too large |
    /// | 503 | the stream of events was dropped |
    ///
    /// Events that do not fit into the queue are accepted too: they cause one check of every secret.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future accepts no event.
    ///
    /// # Examples
    ///
    /// ```
    /// use futures::stream;
    /// use keyvault::push;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let (webhook, events) = push::webhook();
    /// let body = stream::iter([Ok::<_, std::io::Error>("[]")]);
    /// let answer = webhook.answer("POST", |_| None, body).await;
    /// assert_eq!(answer.status(), 200);
    /// # drop(events);
    /// # }
    /// ```
    pub async fn answer<'h, B, E>(
        &self,
        method: &str,
        header: impl Fn(&'static str) -> Option<&'h str>,
        body: impl Stream<Item = Result<B, E>>,
    ) -> WebhookAnswer
    where
        B: AsRef<[u8]>,
    {
        let answer = match method {
            "OPTIONS" => self.endpoint.answer_handshake(header("webhook-request-origin")),
            "POST" => match self.endpoint.check_headers(&header) {
                Ok(()) => read(body).await.and_then(|body| self.endpoint.accept(&body)),
                Err(refusal) => Err(refusal),
            },
            _ => Err(WebhookAnswer::empty(405).header("allow", "POST, OPTIONS")),
        };
        answer.unwrap_or_else(|refusal| {
            tracing::warn!(status = refusal.status(), "events webhook refused a request");
            refusal
        })
    }
}

impl Endpoint {
    /// Answers the [handshake of
    /// CloudEvents](https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/http-webhook.md#4-abuse-protection).
    ///
    /// The handshake may also offer a callback URL. The webhook never requests it: a stranger could use such requests
    /// to explore the network behind a firewall.
    fn answer_handshake(&self, origin: Option<&str>) -> Result<WebhookAnswer, WebhookAnswer> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':');
        let origin =
            origin.map(str::trim).filter(|origin| (1..=255).contains(&origin.len()) && origin.bytes().all(plain));
        let origin = origin.ok_or(WebhookAnswer::empty(400))?;
        if self.origin.as_ref().is_some_and(|expected| !expected.eq_ignore_ascii_case(origin)) {
            return Err(WebhookAnswer::empty(403));
        }
        Ok(WebhookAnswer::empty(200)
            .header("webhook-allowed-origin", origin)
            .header("webhook-allowed-rate", "*")
            .header("allow", "POST, OPTIONS"))
    }

    /// Refuses a request whose headers suffice for that, before its body is read.
    fn check_headers<'h>(&self, header: &impl Fn(&'static str) -> Option<&'h str>) -> Result<(), WebhookAnswer> {
        if let Some(expected) = &self.subscription {
            // Event Grid sends the name in capitals.
            let named = header("aeg-subscription-name").is_some_and(|name| name.trim().eq_ignore_ascii_case(expected));
            if !named {
                return Err(WebhookAnswer::empty(403));
            }
        }
        let length = header("content-length").and_then(|length| length.trim().parse::<u64>().ok());
        if length.is_some_and(|length| length > LARGEST_BODY as u64) {
            return Err(WebhookAnswer::failure(413, &too_large()));
        }
        if self.lock_queue().is_closed() {
            let error = Error::new(ErrorKind::Unavailable, "settings are no longer refreshed");
            return Err(WebhookAnswer::failure(503, &error));
        }
        Ok(())
    }

    fn accept(&self, body: &[u8]) -> Result<WebhookAnswer, WebhookAnswer> {
        let mut batch = EventBatch::parse(body).map_err(|error| WebhookAnswer::failure(400, &error))?;
        let foreign = batch.retain(&self.vaults);
        let accepted = batch.events.len();
        let dropped = self.push(batch.events);
        tracing::debug!(
            accepted,
            foreign,
            ignored = batch.ignored,
            unreadable = batch.unreadable,
            "events webhook accepted a request"
        );
        if dropped > 0 {
            tracing::warn!(dropped, "queue of the events webhook is full; every secret is checked once instead");
        }
        Ok(match batch.validation_code {
            Some(code) => WebhookAnswer::json(200, &serde_json::json!({ "validationResponse": code })),
            None => WebhookAnswer::empty(200),
        })
    }

    /// Queues events without waiting, and returns the number of events that did not fit.
    ///
    /// A full queue drops further events and holds one [`PushEvent::MayHaveLost`] for them behind the others: the check
    /// that it causes begins later than every lost change.
    fn push(&self, events: Vec<PushEvent>) -> usize {
        let queue = self.lock_queue();
        let mut dropped = 0;
        for event in events {
            let item = match queue.capacity() {
                0 | 1 => {
                    dropped += 1;
                    PushEvent::MayHaveLost
                }
                _ => event,
            };
            // Fails if the queue reports a loss already, or its stream was dropped.
            _ = queue.try_send(item);
        }
        dropped
    }

    /// Locks the queue, so that no other request fills it.
    fn lock_queue(&self) -> MutexGuard<'_, mpsc::Sender<PushEvent>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads a body, but no part beyond the size limit.
async fn read<B: AsRef<[u8]>, E>(body: impl Stream<Item = Result<B, E>>) -> Result<Vec<u8>, WebhookAnswer> {
    Error::unless_on_runtime().map_err(|error| WebhookAnswer::failure(503, &error))?;
    let whole = async {
        let mut body = pin!(body);
        let mut bytes = Vec::new();
        while let Some(part) = body.next().await {
            let part = part.map_err(|_| WebhookAnswer::empty(400))?;
            if part.as_ref().len() > LARGEST_BODY - bytes.len() {
                return Err(WebhookAnswer::failure(413, &too_large()));
            }
            bytes.extend_from_slice(part.as_ref());
        }
        Ok(bytes)
    };
    timeout(READ_WITHIN, whole).await.unwrap_or_else(|_| Err(WebhookAnswer::empty(408)))
}

/// Half of the time that Event Grid waits for an answer.
const READ_WITHIN: Duration = Duration::from_secs(15);

impl WebhookBuilder {
    /// Accepts the events of `vault`. Call it once for each vault. Default: every vault.
    ///
    /// Events of other vaults do not take space in the queue. The settings ask only the vaults that the program allows
    /// in any case.
    pub fn vault(mut self, vault: Vault) -> Self {
        self.vaults.push(vault);
        self
    }

    /// Accepts the events of one subscription, by the header `aeg-subscription-name`. Default: any subscription.
    ///
    /// This separates subscriptions. It does not authenticate: any client can send the header.
    pub fn subscription(mut self, name: impl Into<String>) -> Self {
        self.subscription = Some(name.into());
        self
    }

    /// Accepts the CloudEvents handshake of one origin, such as `eventgrid.azure.net` in the public cloud. Default: any
    /// origin.
    pub fn origin(mut self, origin: impl Into<String>) -> Self {
        self.origin = Some(origin.into());
        self
    }

    /// Sets the number of events that may wait in the stream. Default: 1,024. At least 1, at most 1,000,000.
    pub fn capacity(mut self, events: usize) -> Self {
        self.capacity = events.clamp(1, 1_000_000);
        self
    }

    /// Builds the webhook and the stream of its events.
    pub fn build(self) -> (Webhook, WebhookEvents) {
        let Self { vaults, subscription, origin, capacity } = self;
        let (queue, events) = mpsc::channel(capacity + 1);
        let endpoint = Endpoint { vaults, subscription, origin, queue: Mutex::new(queue) };
        (Webhook { endpoint: Arc::new(endpoint) }, WebhookEvents { events })
    }
}

/// The stream of the events that a [`Webhook`] accepted. It ends when the last clone of the webhook is dropped.
#[derive(Debug)]
#[must_use = "events arrive only where the stream is polled"]
pub struct WebhookEvents {
    events: mpsc::Receiver<PushEvent>,
}

impl Stream for WebhookEvents {
    type Item = PushEvent;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<PushEvent>> {
        self.events.poll_recv(context)
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::super::event::{SecretEvent, SecretEventKind};
    use super::*;
    use crate::secret::SecretId;

    fn event(name: &str) -> PushEvent {
        let id = SecretId::parse(&format!("https://contoso.vault.azure.net/secrets/{name}/0af1")).unwrap();
        SecretEvent::new(id, SecretEventKind::NewVersion).into()
    }

    fn next(events: &mut WebhookEvents) -> Option<Option<PushEvent>> {
        events.next().now_or_never()
    }

    #[test]
    fn a_full_queue_yields_its_events_and_then_one_loss() {
        let (webhook, mut events) = Webhook::builder().capacity(2).build();
        assert_eq!(webhook.endpoint.push(["a", "b", "c", "d"].map(event).into()), 2);
        assert_eq!(webhook.endpoint.push(vec![event("e")]), 1);
        assert_eq!(next(&mut events), Some(Some(event("a"))));
        assert_eq!(next(&mut events), Some(Some(event("b"))));
        assert_eq!(next(&mut events), Some(Some(PushEvent::MayHaveLost)));
        assert_eq!(next(&mut events), None, "the loss is reported once");
        assert_eq!(webhook.endpoint.push(vec![event("f")]), 0);
        assert_eq!(next(&mut events), Some(Some(event("f"))));
    }

    #[test]
    fn the_stream_ends_after_its_events_when_the_last_clone_is_dropped() {
        let (webhook, mut events) = Webhook::builder().build();
        let clone = webhook.clone();
        drop(webhook);
        clone.endpoint.push(vec![event("a")]);
        drop(clone);
        assert_eq!(next(&mut events), Some(Some(event("a"))));
        assert_eq!(next(&mut events), Some(None));
    }

    #[test]
    fn any_capacity_is_accepted() {
        for (capacity, accepted) in [(0, 1), (usize::MAX, 2)] {
            let (webhook, _events) = Webhook::builder().capacity(capacity).build();
            assert_eq!(2 - webhook.endpoint.push(["a", "b"].map(event).into()), accepted, "{capacity}");
        }
    }
}
