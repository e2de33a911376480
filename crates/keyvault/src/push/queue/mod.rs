//! Events that Event Grid puts into an Azure Storage queue.

#[cfg(test)]
mod fake;
mod health;
mod messages;
mod pace;
mod reader;

use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use azure_core::credentials::TokenCredential;
use azure_core::http::ClientOptions;
use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt};
use tokio::runtime::Handle;
use url::Url;

pub use self::health::StorageQueueHealth;
use self::messages::{AzureMessages, Messages};
use self::reader::Reader;
use super::event::PushEvent;
use crate::error::{Error, Result};
use crate::secret::Vault;

/// A queue in a storage account to which Event Grid delivers.
///
/// A queue gives each message to one reader: one queue serves one process, or one process that tells the others. For a
/// fleet there is [`per_instance`](StorageQueueBuilder::per_instance). `Clone` is cheap and shares everything.
///
/// # Examples
///
/// ```no_run
/// use std::sync::Arc;
///
/// use azure_core::credentials::TokenCredential;
/// use keyvault::push::StorageQueue;
///
/// # fn example(credential: Arc<dyn TokenCredential>) -> keyvault::Result<()> {
/// let queue = StorageQueue::builder("https://contoso.queue.core.windows.net/shop-secrets").credential(credential).build()?;
/// let events = queue.events(); // for LiveBuilder::events
/// # drop(events);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct StorageQueue {
    inner: Arc<Inner>,
}

struct Inner {
    name: String,
    messages: Box<dyn Messages>,
    vaults: Vec<Vault>,
    longest_pause: Duration,
    is_own: bool,
    is_removed: AtomicBool,
    health: Mutex<StorageQueueHealth>,
}

impl Inner {
    fn is_removed(&self) -> bool {
        self.is_removed.load(Ordering::Acquire)
    }

    fn health(&self) -> MutexGuard<'_, StorageQueueHealth> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn remove(&self) -> Result<()> {
        self.is_removed.store(true, Ordering::Release);
        self.messages.remove().await
    }
}

impl StorageQueue {
    /// Begins with the URL of a queue, `https://<account>.queue.core.windows.net/<queue>`, which may have a shared access
    /// signature (SAS) for a query.
    pub fn builder(url: impl Into<String>) -> StorageQueueBuilder {
        StorageQueueBuilder {
            url: url.into(),
            credential: None,
            certificate_authorities: Vec::new(),
            options: ClientOptions::default(),
            vaults: Vec::new(),
            longest_pause: Duration::from_secs(10),
            is_own: false,
        }
    }

    /// Tells the name of the queue, which a queue of this instance's own got by chance.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// Gives the events of the queue, for [`LiveBuilder::events`](crate::LiveBuilder::events).
    ///
    /// The queue is asked while the stream is read, for up to 32 messages at a time: again after a second, after twice as
    /// long as long as nothing comes, up to [`longest_pause`](StorageQueueBuilder::longest_pause). A message is deleted once
    /// its events were handed on. One that is no event, or was received more than five times, is deleted, too, logged and
    /// counted, and not kept elsewhere: it is no datum but a hint, and the next check of the vault makes up for it.
    ///
    /// A queue that fails or is not there is asked again, with a back-off of up to a minute, and everything is checked once
    /// when it answers. The stream ends only with [`remove`](StorageQueue::remove). Two streams of one queue compete.
    pub fn events(&self) -> StorageQueueEvents {
        let reader = Reader::new(Arc::clone(&self.inner));
        let events = stream::unfold(reader, |mut reader| async { Some((reader.next().await?, reader)) });
        StorageQueueEvents { events: events.boxed(), queue: Arc::clone(&self.inner) }
    }

    /// Tells how the queue does. Does not wait.
    pub fn health(&self) -> StorageQueueHealth {
        self.inner.health().clone()
    }

    /// Makes the queue unless it is there. One request.
    ///
    /// The stream of a queue of this instance's own does it, too; this is for what must be there first, such as the
    /// subscription that delivers to it.
    ///
    /// # Errors
    ///
    /// What the storage account said.
    pub async fn create(&self) -> Result<()> {
        self.inner.messages.create().await
    }

    /// Removes a queue of this instance's own, with what is in it, and ends its stream. One request.
    ///
    /// Dropping the stream does so in the background, if the runtime lives long enough.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) for a queue that others may read; else what the storage account said. A queue
    /// that is not there is none.
    pub async fn remove(&self) -> Result<()> {
        if !self.inner.is_own {
            return Err(Error::invalid("queue is not one of this instance alone"));
        }
        self.inner.remove().await
    }
}

impl fmt::Debug for StorageQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StorageQueue").field("name", &self.inner.name).finish_non_exhaustive()
    }
}

/// Builds a [`StorageQueue`].
#[must_use]
pub struct StorageQueueBuilder {
    url: String,
    credential: Option<Arc<dyn TokenCredential>>,
    certificate_authorities: Vec<String>,
    options: ClientOptions,
    vaults: Vec<Vault>,
    longest_pause: Duration,
    is_own: bool,
}

impl StorageQueueBuilder {
    /// Sets what gets the tokens, for a URL without a shared access signature. They go to the queue's own origin only.
    ///
    /// The identity needs the role *Storage Queue Data Message Processor*, or *Storage Queue Data Contributor* to make and
    /// remove a queue of its own.
    pub fn credential(mut self, credential: Arc<dyn TokenCredential>) -> Self {
        self.credential = Some(credential);
        self
    }

    /// Takes the events of `vault`, and of the other vaults given so. Default: those of every vault.
    ///
    /// The settings ask only the vaults that they know in any case.
    pub fn vault(mut self, vault: Vault) -> Self {
        self.vaults.push(vault);
        self
    }

    /// Sets the longest pause between two requests while nothing comes, drawn a tenth to either side; an event waits as
    /// long at most.
    ///
    /// Default: 10 seconds, which is 8,640 requests a day. 1 second to 1 hour.
    pub fn longest_pause(mut self, pause: Duration) -> Self {
        self.longest_pause = pause;
        self
    }

    /// Makes a queue for this instance alone: its name is that in the URL, a hyphen and 16 random digits.
    ///
    /// The queue is made when its stream is first read and removed when the stream is dropped. That is all: no event comes
    /// until a subscription of Event Grid delivers to it. [The module](crate::push#a-fleet) says how, and up to where.
    pub fn per_instance(mut self) -> Self {
        self.is_own = true;
        self
    }

    /// Trusts the certificate authorities in `pem` beside those of the platform: an emulator's, a proxy's.
    ///
    /// It has no effect on a transport that [`client_options`](StorageQueueBuilder::client_options) brings.
    pub fn certificate_authority(mut self, pem: impl Into<String>) -> Self {
        self.certificate_authorities.push(pem.into());
        self
    }

    /// Sets the options of the Azure SDK's pipeline. Their retry options are replaced, and a transport of your own must
    /// not follow redirects and should cap what it reads.
    pub fn client_options(mut self, options: ClientOptions) -> Self {
        self.options = options;
        self
    }

    /// Builds the queue, without I/O.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) if the URL is not that of a queue over https, if both a credential and a
    /// signature are given or neither, or a setting cannot work. The message does not repeat the URL.
    pub fn build(self) -> Result<StorageQueue> {
        let mut url = Url::parse(&self.url).map_err(|_| Error::invalid("URL of the queue is not one"))?;
        let name = self.named(&mut url)?;
        match (&self.credential, url.query()) {
            (Some(_), Some(_)) => return Err(Error::invalid("queue has both a credential and a signature")),
            (None, None) => return Err(Error::invalid("queue has neither a credential nor a signature")),
            _ => {}
        }
        if !(Duration::from_secs(1)..=Duration::from_secs(3_600)).contains(&self.longest_pause) {
            return Err(Error::invalid("longest pause of a queue is not 1 second to 1 hour"));
        }
        let messages = AzureMessages::new(url, self.credential, self.options, &self.certificate_authorities)?;
        Ok(StorageQueue { inner: Arc::new(Inner::new(name, messages, self.vaults, self.longest_pause, self.is_own)) })
    }

    /// Checks the URL, and puts the name of a queue of this instance's own into it.
    fn named(&self, url: &mut Url) -> Result<String> {
        if url.scheme() != "https" {
            return Err(Error::invalid("URL of the queue is not https"));
        }
        if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
            return Err(Error::invalid("URL of the queue has user information or a fragment"));
        }
        let path = url.path().trim_matches('/').to_owned();
        // An emulator has the account in the path.
        let (account, queue) = path.rsplit_once('/').map_or(("", path.as_str()), |(account, queue)| (account, queue));
        let name = if self.is_own { format!("{queue}-{:016x}", fastrand::u64(..)) } else { queue.to_owned() };
        if !is_queue_name(&name) || !account.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Err(Error::invalid("URL of the queue does not end with the name of one"));
        }
        url.set_path(&if account.is_empty() { name.clone() } else { format!("{account}/{name}") });
        Ok(name)
    }
}

impl Inner {
    fn new(name: String, messages: impl Messages, vaults: Vec<Vault>, longest_pause: Duration, is_own: bool) -> Self {
        Self {
            name,
            messages: Box::new(messages),
            vaults,
            longest_pause,
            is_own,
            is_removed: AtomicBool::new(false),
            health: Mutex::default(),
        }
    }
}

/// Tells whether it is [a name that a queue may have](https://learn.microsoft.com/rest/api/storageservices/naming-queues-and-metadata#queue-names).
fn is_queue_name(name: &str) -> bool {
    (3..=63).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !name.starts_with('-')
        && !name.ends_with('-')
        && !name.contains("--")
}

impl fmt::Debug for StorageQueueBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The URL may have a signature in it.
        f.debug_struct("StorageQueueBuilder").field("longest_pause", &self.longest_pause).finish_non_exhaustive()
    }
}

/// The events of a [`StorageQueue`].
#[must_use = "a queue is asked while the stream of its events is read"]
pub struct StorageQueueEvents {
    events: BoxStream<'static, PushEvent>,
    queue: Arc<Inner>,
}

impl Stream for StorageQueueEvents {
    type Item = PushEvent;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<PushEvent>> {
        self.events.as_mut().poll_next(context)
    }
}

impl Drop for StorageQueueEvents {
    fn drop(&mut self) {
        if !self.queue.is_own || self.queue.is_removed() {
            return;
        }
        if let Ok(runtime) = Handle::try_current() {
            let queue = Arc::clone(&self.queue);
            runtime.spawn(async move {
                if let Err(error) = queue.remove().await {
                    tracing::warn!(%error, queue = queue.name, "queue of this instance is left over");
                }
            });
        }
    }
}

impl fmt::Debug for StorageQueueEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StorageQueueEvents").field("name", &self.queue.name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIGNED: &str = "https://contoso.queue.core.windows.net/shop?sv=2026-04-06&sig=canary";

    #[test]
    fn a_url_that_is_no_queue_over_https_is_refused_without_being_repeated() {
        let long = format!("https://contoso.queue.core.windows.net/{}?sig=canary", "a".repeat(64));
        for url in [
            "canary",
            "http://contoso.queue.core.windows.net/shop?sig=canary",
            "http://127.0.0.1:10001/devstoreaccount1/shop?sig=canary",
            "https://canary@contoso.queue.core.windows.net/shop?sig=canary",
            "https://contoso.queue.core.windows.net/shop?sig=canary#canary",
            "https://contoso.queue.core.windows.net/?sig=canary",
            "https://contoso.queue.core.windows.net/Canary?sig=canary",
            "https://contoso.queue.core.windows.net/-shop?sig=canary",
            "https://contoso.queue.core.windows.net/a--b?sig=canary",
            "https://contoso.queue.core.windows.net/a/b/shop?sig=canary",
            "https://contoso.queue.core.windows.net/shop%2fcanary?sig=canary",
            "https://contoso.queue.core.windows.net/shop",
            &long,
        ] {
            let builder = StorageQueue::builder(url);
            assert!(!format!("{builder:?}").contains("canary"));
            let error = builder.build().unwrap_err();
            assert!(!format!("{error} {error:?}").contains("canary"), "{error:?}");
        }
        let queue = StorageQueue::builder(SIGNED).build().unwrap();
        assert!(!format!("{queue:?} {:?}", queue.events()).contains("canary"));
        assert_eq!(queue.name(), "shop");
    }

    #[test]
    fn a_queue_of_ones_own_has_a_name_of_its_own() {
        let named = || StorageQueue::builder(SIGNED).per_instance().build().unwrap().name().to_owned();
        let (a, b) = (named(), named());
        assert_ne!(a, b);
        assert!(a.starts_with("shop-") && a.len() == 21 && is_queue_name(&a), "{a}");
    }

    #[test]
    fn a_pause_that_cannot_work_is_refused() {
        for (seconds, works) in [(0, false), (1, true), (3_600, true), (3_601, false)] {
            let built = StorageQueue::builder(SIGNED).longest_pause(Duration::from_secs(seconds)).build();
            assert_eq!(built.is_ok(), works, "{seconds}");
        }
    }
}
