//! The settings of a [`StorageQueue`].

use std::fmt;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use azure_core::credentials::TokenCredential;
use azure_core::http::ClientOptions;
use url::Url;

use super::azure_queue::AzureQueue;
use super::queue::{SharedQueue, StorageQueue};
use crate::error::{Error, Result};
use crate::secret::Vault;

impl StorageQueue {
    /// Creates a builder of a queue.
    ///
    /// The URL is `https://<account>.queue.core.windows.net/<queue>`. Its query may be a shared access signature (SAS).
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
}

/// A builder of a [`StorageQueue`].
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
    /// Sets the credential, for a URL without a shared access signature. Its tokens go only to the queue's origin.
    ///
    /// The identity needs the role *Storage Queue Data Message Processor*, or *Storage Queue Data Contributor* to
    /// create and remove a queue of its own.
    pub fn credential(mut self, credential: Arc<dyn TokenCredential>) -> Self {
        self.credential = Some(credential);
        self
    }

    /// Accepts the events of `vault`. Call it once for each vault. Default: every vault.
    ///
    /// The settings ask only the vaults that the program allows in any case.
    pub fn vault(mut self, vault: Vault) -> Self {
        self.vaults.push(vault);
        self
    }

    /// Sets the longest pause between two requests while no message arrives, with a jitter of ±10 %. An event waits at
    /// most as long as the pause.
    ///
    /// Default: 10 seconds, which costs 8,640 requests a day. At least 1 second, at most 1 hour.
    pub fn longest_pause(mut self, pause: Duration) -> Self {
        self.longest_pause = pause;
        self
    }

    /// Creates a queue for this instance alone: its name is the name in the URL, a hyphen and 16 random hexadecimal
    /// digits.
    ///
    /// The stream creates the queue when it is first polled, and removes it when it is dropped. No event arrives until
    /// a subscription of Event Grid delivers to the queue: see [the module](crate::push#a-fleet) for the steps and the
    /// limits.
    pub fn per_instance(mut self) -> Self {
        self.is_own = true;
        self
    }

    /// Trusts the certificate authorities in `pem` in addition to those of the platform, such as that of an emulator or
    /// a proxy.
    ///
    /// This has no effect on a transport set by [`client_options`](StorageQueueBuilder::client_options).
    pub fn certificate_authority(mut self, pem: impl Into<String>) -> Self {
        self.certificate_authorities.push(pem.into());
        self
    }

    /// Sets the options of the Azure SDK's pipeline. The builder replaces the retry options.
    ///
    /// A transport of your own must not follow redirects, and should limit the size of a response.
    pub fn client_options(mut self, options: ClientOptions) -> Self {
        self.options = options;
        self
    }

    /// Builds the queue, without I/O.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) if the URL is not the https URL of a queue, if there are both a
    /// credential and a signature or neither, or if the longest pause is out of range. The message does not repeat the
    /// URL.
    pub fn build(self) -> Result<StorageQueue> {
        let mut url = Url::parse(&self.url).map_err(|_| Error::invalid("queue URL is invalid"))?;
        let name = self.checked_name(&mut url)?;
        match (&self.credential, url.query()) {
            (Some(_), Some(_)) => return Err(Error::invalid("queue has both a credential and a signature")),
            (None, None) => return Err(Error::invalid("queue has neither a credential nor a signature")),
            _ => {}
        }
        if !(Duration::from_secs(1)..=Duration::from_secs(3_600)).contains(&self.longest_pause) {
            return Err(Error::invalid("longest pause of a queue is not between 1 second and 1 hour"));
        }
        let messages = AzureQueue::new(url, self.credential, self.options, &self.certificate_authorities)?;
        let shared = SharedQueue {
            name,
            messages: Box::new(messages),
            vaults: self.vaults,
            longest_pause: self.longest_pause,
            is_own: self.is_own,
            is_removed: AtomicBool::default(),
            health: Mutex::default(),
        };
        Ok(StorageQueue { shared: Arc::new(shared) })
    }

    /// Checks the URL and returns the name of the queue. For a queue of this instance, puts its name into the URL.
    fn checked_name(&self, url: &mut Url) -> Result<String> {
        if url.scheme() != "https" {
            return Err(Error::invalid("queue URL is not https"));
        }
        if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
            return Err(Error::invalid("queue URL has user information or a fragment"));
        }
        let path = url.path().trim_matches('/').to_owned();
        // The URL of an emulator has the account in its path.
        let (account, queue) = path.rsplit_once('/').map_or(("", path.as_str()), |(account, queue)| (account, queue));
        let name = if self.is_own { format!("{queue}-{:016x}", fastrand::u64(..)) } else { queue.to_owned() };
        if !is_queue_name(&name) || !account.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Err(Error::invalid("queue URL does not end with a valid queue name"));
        }
        url.set_path(&if account.is_empty() { name.clone() } else { format!("{account}/{name}") });
        Ok(name)
    }
}

impl fmt::Debug for StorageQueueBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The URL may contain a signature.
        f.debug_struct("StorageQueueBuilder").field("longest_pause", &self.longest_pause).finish_non_exhaustive()
    }
}

/// Returns whether `name` is [a valid queue
/// name](https://learn.microsoft.com/rest/api/storageservices/naming-queues-and-metadata#queue-names).
fn is_queue_name(name: &str) -> bool {
    (3..=63).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !name.starts_with('-')
        && !name.ends_with('-')
        && !name.contains("--")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIGNED: &str = "https://contoso.queue.core.windows.net/shop?sv=2026-04-06&sig=canary";

    #[test]
    fn an_invalid_queue_url_is_refused_and_never_repeated() {
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
    fn each_queue_of_an_instance_has_a_random_name() {
        let named = || StorageQueue::builder(SIGNED).per_instance().build().unwrap().name().to_owned();
        let (a, b) = (named(), named());
        assert_ne!(a, b);
        assert!(a.starts_with("shop-") && a.len() == 21 && is_queue_name(&a), "{a}");
    }

    #[test]
    fn a_pause_out_of_range_is_refused() {
        for (seconds, works) in [(0, false), (1, true), (3_600, true), (3_601, false)] {
            let built = StorageQueue::builder(SIGNED).longest_pause(Duration::from_secs(seconds)).build();
            assert_eq!(built.is_ok(), works, "{seconds}");
        }
    }
}
