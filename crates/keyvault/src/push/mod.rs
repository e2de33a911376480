//! Events that make one secret due now, so that a rotation does not wait for the next interval.
//!
//! Azure Event Grid tells that a secret has a new version, and the settings ask the vault for exactly that version. An
//! event is a hint: it says which secret, never its value, and polling goes on beside it, for events come late, twice or
//! not at all.
//!
//! ```text
//! Key Vault ─▶ Event Grid ─▶ webhook       ─▶ Webhook      ─▶ WebhookEvents      ─┐
//!                         └▶ Storage queue ─▶ StorageQueue ─▶ StorageQueueEvents ─┼─▶ LiveBuilder::events ─▶ GET
//!                                             anything else ─▶ a Stream          ─┘
//! ```
//!
//! | source | takes | fits |
//! |---|---|---|
//! | [`webhook`] | a public https endpoint, and a server that checks tokens | one process, or one that tells the others |
//! | `StorageQueue`, with the feature `storage-queue` | a storage account; no open port | one process, or a queue for each of up to 500 |
//! | a [stream](#any-other-source) of your own | what you have | a fleet on its own broker |
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
//! The service must run when the subscription is made, for Event Grid begins with a handshake, which [`Webhook::answer`]
//! answers in both schemas. The handshake shows Event Grid that the endpoint wants events; it does not show the endpoint
//! who posts. So have the delivery [protected by Entra](https://learn.microsoft.com/azure/event-grid/secure-webhook-delivery),
//! as the last line does, and check the token before the body is read: the example `webhook` does, with `axum` and
//! `jsonwebtoken`. An endpoint that does not check lets a stranger make the service ask its vault for secrets that it
//! uses, as fast as the vault answers, and no more than that.
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
//! A queue is asked, so an event waits up to `StorageQueueBuilder::longest_pause` for the next request. It gives each
//! message to one reader: a second process that reads the same queue takes half of the events away from the first.
//!
//! # A fleet
//!
//! `StorageQueueBuilder::per_instance` makes a queue for each instance and removes it at the end. It makes **no
//! subscription**, which is a resource of Azure's management and needs rights on the vault that a service should not have
//! by chance. Whoever deploys, or the service if it may, does it for the name that `StorageQueue::name` tells, between
//! `StorageQueue::create` and the start:
//!
//! ```sh
//! az eventgrid event-subscription create --name "$queue" --source-resource-id "$vault" \
//!   --endpoint-type storagequeue --endpoint "$account/queueServices/default/queues/$queue" \
//!   --storage-queue-msg-ttl 3600 --expiration-date "$(date -u -d '+2 days' +%Y-%m-%dT%H:%MZ)"
//! ```
//!
//! An instance that crashes leaves both behind. The subscription expires at its date, unless its instance moves that on
//! in time; messages expire after their hour; the empty queue stays, costs next to nothing, and may be swept:
//! `az storage queue list --prefix shop-secrets-` names those that there are. An instance whose queue was swept by mistake
//! makes it again and checks everything once.
//!
//! A vault has [at most 500 subscriptions](https://learn.microsoft.com/azure/event-grid/quotas-limits). Beyond that, one
//! reader of one queue tells the others over the broker that they share (a Service Bus topic with subscriptions that
//! delete themselves, NATS, Redis) and each has [a stream](#any-other-source) of it. Or none of it: polling scales, too.
//! Of 1,000 instances with 50 secrets in one vault, which answers 4,000 requests in 10 seconds,
//!
//! | what | requests | of the vault's limit |
//! |---|---|---|
//! | poll every 5 minutes by name, two list pages each | 1,000 × 2 / 300 s = 6.7 a second | 1.7 % |
//! | poll every 5 minutes by reference, one GET for each secret | 1,000 × 50 / 300 s = 167 a second | 42 % |
//! | follow one event, spread over 30 seconds | 1,000 / 30 s = 33 a second, for 30 seconds | 8 % |
//! | follow one event, all at once | 1,000 in a moment | 2.5 seconds of the whole vault |
//!
//! The spread is [`LiveBuilder::event_spread`](crate::LiveBuilder::event_spread).
//!
//! # Any other source
//!
//! A source is a `Stream` of [`SecretEvent`]s, or of [`PushEvent`]s if it can tell that it may have lost some, as after a
//! broken connection. [`SecretEvent::parse`] reads bodies that went through a broker.
//!
//! ```
//! use futures::stream;
//! use keyvault::{PushEvent, SecretEvent};
//! use tokio::sync::mpsc;
//!
//! /// What a client of your broker sends, from wherever it runs.
//! enum Signal {
//!     Message(Vec<u8>),
//!     Reconnected,
//! }
//!
//! fn events(signals: mpsc::Receiver<Signal>) -> impl futures::Stream<Item = PushEvent> {
//!     let batches = stream::unfold(signals, |mut signals| async {
//!         let batch: Vec<PushEvent> = match signals.recv().await? {
//!             // What cannot be read is no reason to stop; polling makes up for it.
//!             Signal::Message(body) => SecretEvent::parse(&body).unwrap_or_default().into_iter().map(Into::into).collect(),
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
//! A program that hears of a rotation by other means calls [`Live::notify`](crate::Live::notify).
//!
//! # What is not told
//!
//! [Key Vault tells](https://learn.microsoft.com/azure/event-grid/event-schema-key-vault) of new versions, of versions that
//! expire within 30 days, and of expired ones, also of those that are disabled, and only of versions that were made after
//! the subscription. It tells **nothing** when a secret is disabled, enabled, deleted, recovered or purged, or when its
//! tags or dates change: those arrive with the next poll. News of a certificate counts as news of the secret with its key,
//! since nothing promises that the secret's own event comes, too. News of keys and access policies is passed over.
//!
//! Azure promises no delay. Most events are there in seconds; what could not be delivered is tried again
//! [for up to 24 hours](https://learn.microsoft.com/azure/event-grid/delivery-and-retry), ever less often, in any order,
//! some of them twice. A version is fetched by its name, so a late event does not bring an old value back.
//!
//! # What an outsider can do
//!
//! * An event holds no value, and none is taken from one: whoever can post or queue events can make secrets due, no more.
//! * Only secrets of vaults that the program allows are asked for, and only those that its settings use.
//! * A flood is bounded: in the size of a body, the number of its events and its depth; by a queue, beyond which
//!   everything is checked once; and by the settings, which ask for each secret once however often it is named.
//! * No URL in a body or header is ever followed.
//! * A token or signature for a queue goes to the queue's own origin, over https, without redirects.
//! * Errors and logs never repeat what came in.

mod delivery;
mod envelope;
mod event;
mod mailbox;
mod news;
#[cfg(feature = "storage-queue")]
mod queue;
mod webhook;

pub use self::event::{PushEvent, SecretEvent, SecretEventKind};
#[cfg(feature = "storage-queue")]
pub use self::queue::{StorageQueue, StorageQueueBuilder, StorageQueueEvents, StorageQueueHealth};
pub use self::webhook::{Webhook, WebhookAnswer, WebhookBuilder, WebhookEvents, webhook};
