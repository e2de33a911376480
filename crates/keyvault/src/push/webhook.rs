//! Events that Event Grid posts to a program's own HTTP server.

use std::fmt;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::{Stream, StreamExt};
use tokio::time::timeout;

use super::delivery::{Delivery, LARGEST_BODY, too_large};
use super::event::PushEvent;
use super::mailbox::Mailbox;
use crate::error::{Error, ErrorKind, Result};
use crate::secret::Vault;

/// Makes a webhook that takes the events of all vaults, and the stream of what it takes.
///
/// The stream is for [`LiveBuilder::events`](crate::LiveBuilder::events), which asks only the vaults that it knows.
pub fn webhook() -> (Webhook, WebhookEvents) {
    Webhook::builder().build()
}

/// Answers the requests of Event Grid, whatever HTTP server takes them.
///
/// It makes no request of its own, whatever a body asks for: the handshakes are answered, their URLs never followed. It
/// does not authenticate: that is for the server in front of it, and the example `webhook` shows how. `Clone` is cheap;
/// the events of all clones go into one stream, which ends with the last of them.
#[derive(Clone)]
pub struct Webhook {
    inner: Arc<Inner>,
}

struct Inner {
    vaults: Vec<Vault>,
    subscription: Option<String>,
    origin: Option<String>,
    mailbox: Mailbox,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.mailbox.close();
    }
}

/// Builds a [`Webhook`].
#[derive(Clone, Debug)]
#[must_use]
pub struct WebhookBuilder {
    vaults: Vec<Vault>,
    subscription: Option<String>,
    origin: Option<String>,
    capacity: usize,
}

impl Webhook {
    /// Begins to build a webhook.
    pub fn builder() -> WebhookBuilder {
        WebhookBuilder { vaults: Vec::new(), subscription: None, origin: None, capacity: 1_024 }
    }

    /// Answers one request.
    ///
    /// `header` finds a header by its name in lower case; `body` is read up to 2 MiB, within 15 seconds, and no further.
    /// Never waits for anything but the body, and asks no vault: the events go into the stream. Every answer that is not a
    /// success is one that a correct sender does not get, or a reason to send again:
    ///
    /// | status | when |
    /// |---|---|
    /// | 200 | events taken, or passed over because they are of other types or vaults; a handshake, answered |
    /// | 400 | no events in the body; no origin in a handshake of CloudEvents |
    /// | 403 | another subscription, or another origin, than the webhook was told |
    /// | 405 | neither `POST` nor `OPTIONS` |
    /// | 408 | the body took too long |
    /// | 413 | the body is too large |
    /// | 503 | the stream of events was dropped |
    ///
    /// More events than fit into the queue are taken, too, and come to one check of everything.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future takes no event.
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
        let outcome = match method {
            "OPTIONS" => self.inner.consent(header("webhook-request-origin")),
            "POST" => match self.inner.admit(&header) {
                Ok(()) => read(body).await.and_then(|body| self.inner.take(&body)),
                Err(refused) => Err(refused),
            },
            _ => Err(WebhookAnswer::empty(405).header("allow", "POST, OPTIONS")),
        };
        outcome.unwrap_or_else(|refused| {
            tracing::warn!(status = refused.status, "request to the webhook of events was refused");
            refused
        })
    }
}

type Outcome = Result<WebhookAnswer, WebhookAnswer>;

impl Inner {
    /// Answers the [handshake of CloudEvents](https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/http-webhook.md#4-abuse-protection).
    /// Its other way, a callback URL, is left alone: whoever can name a URL that this program asks could look around
    /// behind a firewall.
    fn consent(&self, origin: Option<&str>) -> Outcome {
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

    /// Refuses what need not be read.
    fn admit<'h>(&self, header: &impl Fn(&'static str) -> Option<&'h str>) -> Result<(), WebhookAnswer> {
        if let Some(expected) = &self.subscription {
            // Event Grid writes the name in capitals.
            let named = header("aeg-subscription-name").is_some_and(|name| name.trim().eq_ignore_ascii_case(expected));
            if !named {
                return Err(WebhookAnswer::empty(403));
            }
        }
        let length = header("content-length").and_then(|length| length.trim().parse::<u64>().ok());
        if length.is_some_and(|length| length > LARGEST_BODY as u64) {
            return Err(WebhookAnswer::failure(413, &too_large()));
        }
        if self.mailbox.is_abandoned() {
            let error = Error::new(ErrorKind::Unavailable, "settings are no longer refreshed");
            return Err(WebhookAnswer::failure(503, &error));
        }
        Ok(())
    }

    fn take(&self, body: &[u8]) -> Outcome {
        let mut delivery = Delivery::parse(body).map_err(|error| WebhookAnswer::failure(400, &error))?;
        let foreign = delivery.retain(&self.vaults);
        let taken = delivery.events.len();
        let lost = self.mailbox.put(delivery.events);
        tracing::debug!(
            taken,
            foreign,
            ignored = delivery.ignored,
            unreadable = delivery.unreadable,
            "events came by webhook"
        );
        if lost > 0 {
            tracing::warn!(lost, "more events came by webhook than can wait; everything is checked once instead");
        }
        Ok(match delivery.validation_code {
            Some(code) => WebhookAnswer::json(200, &serde_json::json!({ "validationResponse": code })),
            None => WebhookAnswer::empty(200),
        })
    }
}

/// Reads a body up to the cap, and not one part further.
async fn read<B: AsRef<[u8]>, E>(body: impl Stream<Item = Result<B, E>>) -> Result<Vec<u8>, WebhookAnswer> {
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

/// Half of what Event Grid waits for an answer.
const READ_WITHIN: Duration = Duration::from_secs(15);

impl WebhookBuilder {
    /// Takes the events of `vault`, and of the other vaults given so. Default: those of every vault.
    ///
    /// What is passed over here cannot fill the queue. The settings ask only the vaults that they know in any case.
    pub fn vault(mut self, vault: Vault) -> Self {
        self.vaults.push(vault);
        self
    }

    /// Takes the events of one subscription only, by the header `aeg-subscription-name`.
    ///
    /// Default: of any. It keeps subscriptions apart and is no authentication: anybody can write a header.
    pub fn subscription(mut self, name: impl Into<String>) -> Self {
        self.subscription = Some(name.into());
        self
    }

    /// Consents to the handshake of one origin only: `eventgrid.azure.net`, in the public cloud. Default: of any.
    pub fn origin(mut self, origin: impl Into<String>) -> Self {
        self.origin = Some(origin.into());
        self
    }

    /// Sets how many events may wait to be taken out of the stream. Default: 1,024. At least 1.
    pub fn capacity(mut self, events: usize) -> Self {
        self.capacity = events.max(1);
        self
    }

    /// Builds the webhook and the stream of its events.
    pub fn build(self) -> (Webhook, WebhookEvents) {
        let Self { vaults, subscription, origin, capacity } = self;
        let mailbox = Mailbox::new(capacity);
        let events = WebhookEvents { mailbox: mailbox.clone() };
        (Webhook { inner: Arc::new(Inner { vaults, subscription, origin, mailbox }) }, events)
    }
}

/// The events that a [`Webhook`] took. Ends when every clone of the webhook is dropped.
#[derive(Debug)]
#[must_use = "events arrive where their stream is read"]
pub struct WebhookEvents {
    mailbox: Mailbox,
}

impl Stream for WebhookEvents {
    type Item = PushEvent;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<PushEvent>> {
        self.mailbox.poll_take(context)
    }
}

impl Drop for WebhookEvents {
    fn drop(&mut self) {
        self.mailbox.abandon();
    }
}

/// What to answer: a status, a few headers, and a body that is JSON or empty.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WebhookAnswer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: String,
}

impl WebhookAnswer {
    /// Tells the status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Tells the headers, by their names in lower case; that of the length is the server's to add.
    pub fn headers(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.headers.iter().map(|(name, value)| (*name, value.as_str()))
    }

    /// Gives the body.
    pub fn body(&self) -> &str {
        &self.body
    }

    fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: String::new() }
    }

    fn json(status: u16, body: &serde_json::Value) -> Self {
        Self { body: body.to_string(), ..Self::empty(status).header("content-type", "application/json") }
    }

    fn failure(status: u16, error: &Error) -> Self {
        Self::json(status, &serde_json::json!({ "error": error.to_string() }))
    }

    fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook")
            .field("vaults", &self.inner.vaults)
            .field("subscription", &self.inner.subscription)
            .finish_non_exhaustive()
    }
}
