//! Events that make one secret due now, so that a rotation does not wait for the next interval.
//!
//! Azure Event Grid reports that a secret has a new version, and the settings ask the vault for exactly that version.
//! An event is a hint: it identifies the secret and never carries its value. Polling continues, because an event may be
//! late, repeated or lost.
//!
//! ```text
//! Key Vault ─▶ Event Grid ─▶ webhook       ─▶ Webhook      ─▶ WebhookEvents      ─┐
//!                         └▶ Storage queue ─▶ StorageQueue ─▶ StorageQueueEvents ─┼─▶ LiveBuilder::events ─▶ GET
//!                                          any other source ─▶ a Stream          ─┘
//! ```
//!
//! | source | needs | suits |
//! |---|---|---|
//! | [`webhook`] | a public https endpoint, and a server that checks tokens | one process, or one that forwards events |
//! | `StorageQueue` (feature `storage-queue`) | a storage account; no open port | one process, or a queue for each |
//! | a [stream](#any-other-source) of your own | your broker | a fleet |
//!
//! # Reading order
//!
//! [`SecretEvent`] and [`PushEvent`] come first, in `event`. Then follow one event, which has five forms on its way:
//!
//! 1. the bytes of a webhook request or of a queue message: `webhook`, `storage_queue`;
//! 2. a `RawEvent`, the members of one event in either schema: `schema`;
//! 3. a [`SecretEvent`]: `classify` checks the type and the secret, `batch` collects the events of one body;
//! 4. a [`PushEvent`], the item of a stream: `WebhookEvents`, `StorageQueueEvents`;
//! 5. a secret that is due, in the refresh queue of `live`.
//!
//! `webhook_answer` is the HTTP answer of a webhook.
//!
//! # A webhook
//!
//! ```sh
//! vault=$(az keyvault show --name contoso --query id --output tsv)
//! az eventgrid event-subscription create --name shop-secrets --source-resource-id "$vault" \
//!   --endpoint-type webhook --endpoint https://shop.contoso.example/events \
//!   --event-delivery-schema cloudeventschemav1_0 \
//!   --included-event-types Microsoft.KeyVault.SecretNewVersionCreated Microsoft.KeyVault.SecretNearExpiry \
//!     Microsoft.KeyVault.SecretExpired Microsoft.KeyVault.CertificateNewVersionCreated \
//!   --azure-active-directory-tenant-id "$tenant" --azure-active-directory-application-id-or-uri api://shop-events
//! ```
//!
//! The service must run when the subscription is created: Event Grid begins with a handshake, which [`Webhook::answer`]
//! answers in both schemas. The handshake proves to Event Grid that the endpoint wants events; it does not authenticate
//! the sender to the endpoint. Therefore [protect the delivery with
//! Entra](https://learn.microsoft.com/azure/event-grid/secure-webhook-delivery), as the last line does, and check the
//! token before reading the body. The example `webhook` does so with `axum` and `jsonwebtoken`. An endpoint without
//! this check lets a stranger make the service request the secrets that it uses, as fast as the vault answers, and
//! nothing more.
//!
//! # A Storage queue
//!
//! ```sh
//! account=$(az storage account show --name contoso --query id --output tsv)
//! az storage queue create --name shop-secrets --account-name contoso --auth-mode login
//! az eventgrid event-subscription create --name shop-secrets --source-resource-id "$vault" \
//!   --endpoint-type storagequeue --endpoint "$account/queueServices/default/queues/shop-secrets" \
//!   --storage-queue-msg-ttl 3600 --included-event-types Microsoft.KeyVault.SecretNewVersionCreated
//! az role assignment create --role "Storage Queue Data Message Processor" --assignee "$identity" \
//!   --scope "$account/queueServices/default/queues/shop-secrets"
//! ```
//!
//! The service polls the queue, so an event waits at most `StorageQueueBuilder::longest_pause` for the next request.
//! The queue gives each message to one receiver: a second process on the same queue takes half of the events from the
//! first.
//!
//! # A fleet
//!
//! `StorageQueueBuilder::per_instance` creates a queue for each instance and removes it at the end. It creates **no
//! subscription**: a subscription is a management resource, and creating it needs rights on the vault that a service
//! should not have by default. The deployment, or a service with these rights, creates the subscription for the name
//! from `StorageQueue::name`, between `StorageQueue::create` and the start:
//!
//! ```sh
//! az eventgrid event-subscription create --name "$queue" --source-resource-id "$vault" \
//!   --endpoint-type storagequeue --endpoint "$account/queueServices/default/queues/$queue" \
//!   --storage-queue-msg-ttl 3600 --expiration-date "$(date -u -d '+2 days' +%Y-%m-%dT%H:%MZ)"
//! ```
//!
//! An instance that crashes leaves both behind. The subscription expires at its date unless the instance extends it.
//! The messages expire after one hour. The empty queue remains and costs almost nothing; a cleanup job may delete it
//! after `az storage queue list --prefix shop-secrets-`. An instance whose queue was deleted by mistake creates it
//! again and checks every secret once.
//!
//! A vault has [at most 500 subscriptions](https://learn.microsoft.com/azure/event-grid/quotas-limits). For a larger
//! fleet, one receiver of one queue forwards the events over a shared broker (a Service Bus topic with self-deleting
//! subscriptions, NATS, Redis), and each instance has [a stream](#any-other-source) of them. A fleet may also do
//! without events, because polling scales. The table shows the load of 1,000 instances with 50 secrets in one vault,
//! whose limit is 4,000 requests in 10 seconds:
//!
//! | activity | requests | of the vault's limit |
//! |---|---|---|
//! | poll every 5 minutes by name, two list pages each | 1,000 × 2 / 300 s = 6.7 a second | 1.7 % |
//! | poll every 5 minutes by reference, one GET for each secret | 1,000 × 50 / 300 s = 167 a second | 42 % |
//! | follow one event, spread over 30 seconds | 1,000 / 30 s = 33 a second, for 30 seconds | 8 % |
//! | follow one event, all at once | 1,000 at once | 2.5 seconds of the whole vault |
//!
//! [`LiveBuilder::event_spread`](crate::LiveBuilder::event_spread) sets the spread.
//!
//! # Any other source
//!
//! A source is a `Stream` of [`SecretEvent`]s, or of [`PushEvent`]s if it can report a possible loss, for example after
//! a broken connection. [`SecretEvent::parse`] parses bodies that a broker forwards.
//!
//! ```
//! use futures::stream;
//! use keyvault::push::{PushEvent, SecretEvent};
//! use tokio::sync::mpsc;
//!
//! /// A message from the client of your broker.
//! enum Signal {
//!     Message(Vec<u8>),
//!     Reconnected,
//! }
//!
//! fn events(signals: mpsc::Receiver<Signal>) -> impl futures::Stream<Item = PushEvent> {
//!     let batches = stream::unfold(signals, |mut signals| async {
//!         let batch: Vec<PushEvent> = match signals.recv().await? {
//!             // An unreadable message does not end the stream; polling makes up for it.
//!             Signal::Message(body) => {
//!                 SecretEvent::parse(&body).unwrap_or_default().into_iter().map(PushEvent::from).collect()
//!             }
//!             Signal::Reconnected => vec![PushEvent::MayHaveLost],
//!         };
//!         Some((stream::iter(batch), signals))
//!     });
//!     futures::StreamExt::flatten(batches)
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let (sender, signals) = mpsc::channel(16);
//! let mut events = std::pin::pin!(events(signals)); // for LiveBuilder::events
//! # sender.send(Signal::Message(b"nonsense".into())).await.ok();
//! # sender.send(Signal::Reconnected).await.ok();
//! # assert_eq!(futures::StreamExt::next(&mut events).await, Some(PushEvent::MayHaveLost));
//! # }
//! ```
//!
//! A program that learns of a rotation by other means calls [`Live::notify`](crate::Live::notify).
//!
//! # Changes without an event
//!
//! [Key Vault sends events](https://learn.microsoft.com/azure/event-grid/event-schema-key-vault) for new versions, for
//! versions that expire within 30 days, and for expired versions, including disabled ones, but only for versions
//! created after the subscription. It sends **no event** when a secret is disabled, enabled, deleted, recovered or
//! purged, or when its tags or dates change: the next poll finds these changes. An event of a certificate counts as an
//! event of the secret with its key, because Azure does not promise an event for that secret. Events of keys and access
//! policies are ignored.
//!
//! Azure promises no delay. Most events arrive within seconds; Event Grid retries a failed delivery [for up to 24
//! hours](https://learn.microsoft.com/azure/event-grid/delivery-and-retry), with growing pauses, in any order, and may
//! deliver an event twice. A version is fetched by its identifier, so a late event never restores an old value.
//!
//! # App Configuration
//!
//! The [events of App Configuration](https://learn.microsoft.com/azure/azure-app-configuration/concept-app-configuration-event)
//! arrive by the same webhook or queue. An event of a key-value or a snapshot is a [`PushEvent::Setting`]: it makes the
//! [layer](crate::SettingStore) of that store due, and its sync token lets the next read see the change.
//!
//! # Security
//!
//! * An event carries no value, and the program takes no value from one: a sender of events can only make secrets due.
//! * The program requests only secrets of vaults that it allows, and only those that its settings use.
//! * A flood is bounded: by the size of a body, its number of events and its depth; by a queue, whose overflow causes
//!   one check of every secret; and by the settings, which request each secret once however often it is named.
//! * No URL in a body or header is ever followed.
//! * A token or signature for a queue goes only to the queue's origin, over https, without redirects.
//! * Errors and logs never repeat the input.

mod batch;
mod classify;
mod event;
mod schema;
#[cfg(feature = "storage-queue")]
mod storage_queue;
mod webhook;
mod webhook_answer;

pub use self::event::{PushEvent, SecretEvent, SecretEventKind};
#[cfg(feature = "storage-queue")]
pub use self::storage_queue::{StorageQueue, StorageQueueBuilder, StorageQueueEvents, StorageQueueHealth};
pub use self::webhook::{Webhook, WebhookBuilder, WebhookEvents, webhook};
pub use self::webhook_answer::WebhookAnswer;
