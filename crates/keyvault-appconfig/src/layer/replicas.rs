//! The endpoints of a store, and which of them to ask.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use keyvault::{Error, ErrorKind, Result, Vault};
use tokio::time::Instant;

#[cfg(feature = "discovery")]
use super::discovery::Discovery;
use crate::client::AppConfigurationClient;
use crate::endpoint::Endpoint;

/// The endpoints of a store, in the order of preference.
#[derive(Debug)]
pub(super) struct Replicas {
    /// Those that the program named, the store itself first.
    named: Vec<Arc<Replica>>,
    #[cfg(feature = "discovery")]
    discovery: Option<Discovery>,
}

/// One endpoint of a store.
#[derive(Debug)]
pub(super) struct Replica {
    pub(super) client: AppConfigurationClient,
    rest: Mutex<Rest>,
    /// The sync token of the last event, for the next read.
    announced: Mutex<Option<String>>,
}

/// The pause of an endpoint that failed.
#[derive(Clone, Copy, Debug, Default)]
struct Rest {
    failures: u32,
    until: Option<Instant>,
}

/// As in the official providers: 30 seconds after the first failure, twice as long after each further one.
const FIRST_REST: Duration = Duration::from_secs(30);
const LONGEST_REST: Duration = Duration::from_secs(600);

impl Replicas {
    pub(super) fn new(clients: Vec<AppConfigurationClient>) -> Self {
        Self {
            named: clients.into_iter().map(|client| Arc::new(Replica::new(client))).collect(),
            #[cfg(feature = "discovery")]
            discovery: None,
        }
    }

    #[cfg(feature = "discovery")]
    pub(super) fn with_discovery(self, discovery: Option<Discovery>) -> Self {
        Self { discovery, ..self }
    }

    /// Returns the client of the preferred endpoint.
    pub(super) fn primary(&self) -> &AppConfigurationClient {
        &self.named[0].client
    }

    /// Returns the endpoints: those that the program named, then those that were found.
    pub(super) fn endpoints(&self) -> Vec<Endpoint> {
        self.known().iter().map(|replica| replica.client.endpoint().clone()).collect()
    }

    /// Keeps the sync token of an event for the next read of an endpoint. Returns whether the endpoint is one of these.
    pub(super) fn announce(&self, endpoint: &Vault, token: Option<&str>) -> bool {
        let known = self.known();
        let Some(replica) = known.iter().find(|replica| replica.client.endpoint().as_vault() == endpoint) else {
            return false;
        };
        if let Some(token) = token {
            *lock(&replica.announced) = Some(token.to_owned());
        }
        true
    }

    /// Calls `read` for one endpoint after the other until it succeeds: those that the program named first, then those
    /// that are found, then those that rest. An endpoint that failed rests. A failure that another endpoint would
    /// repeat ends the read.
    ///
    /// # Errors
    ///
    /// The first transient error, or the first error.
    pub(super) async fn first<T, F>(&self, read: impl Fn(AppConfigurationClient) -> F + Send + Sync) -> Result<T>
    where
        T: Send,
        F: Future<Output = Result<T>> + Send,
    {
        let now = Instant::now();
        let is_resting = |replica: &Arc<Replica>| replica.is_resting(now);
        let mut failures = Vec::new();
        let (mut resting, ready): (Vec<_>, Vec<_>) = self.named.iter().cloned().partition(is_resting);
        if let Some(found) = self.first_of(&ready, &read, &mut failures).await? {
            return Ok(found);
        }
        // Only now: nothing is looked up while an endpoint that the program named answers.
        let (resting_too, mut others): (Vec<_>, Vec<_>) = self.discovered().await.into_iter().partition(is_resting);
        resting.extend(resting_too);
        others.append(&mut resting);
        if let Some(found) = self.first_of(&others, &read, &mut failures).await? {
            return Ok(found);
        }
        let first = failures.iter().position(Error::is_transient).unwrap_or_default();
        Err(failures.swap_remove(first))
    }

    /// Calls `read` for one endpoint after the other until it succeeds. Returns `None` if none does.
    async fn first_of<T, F>(
        &self,
        replicas: &[Arc<Replica>],
        read: &(impl Fn(AppConfigurationClient) -> F + Sync),
        failures: &mut Vec<Error>,
    ) -> Result<Option<T>>
    where
        T: Send,
        F: Future<Output = Result<T>> + Send,
    {
        for replica in replicas {
            match read(replica.client_of_read()).await {
                Ok(found) => {
                    replica.end_rest();
                    return Ok(Some(found));
                }
                Err(error) if self.has_others() && may_succeed_elsewhere(&error) => {
                    let endpoint = replica.client.endpoint().origin();
                    tracing::warn!(endpoint, %error, "endpoint failed and rests");
                    replica.begin_rest(Instant::now());
                    failures.push(error);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    fn known(&self) -> Vec<Arc<Replica>> {
        let known = self.named.iter().cloned();
        #[cfg(feature = "discovery")]
        let known = known.chain(self.discovery.iter().flat_map(Discovery::found));
        known.collect()
    }

    /// Returns whether another endpoint may answer if one does not.
    fn has_others(&self) -> bool {
        #[cfg(feature = "discovery")]
        if self.discovery.is_some() {
            return true;
        }
        self.named.len() > 1
    }

    /// Returns the replicas that the program did not name, and looks them up if that is due.
    async fn discovered(&self) -> Vec<Arc<Replica>> {
        #[cfg(feature = "discovery")]
        if let Some(discovery) = &self.discovery {
            return discovery.find(&self.named).await;
        }
        Vec::new()
    }
}

/// Returns whether another endpoint may answer: it was this one that failed, throttled or denied.
fn may_succeed_elsewhere(error: &Error) -> bool {
    error.is_transient() || error.kind() == ErrorKind::Denied
}

impl Replica {
    pub(super) fn new(client: AppConfigurationClient) -> Self {
        Self { client, rest: Mutex::default(), announced: Mutex::default() }
    }

    /// Returns the client for one read. It sends the sync token of the last event, which no later read sends.
    fn client_of_read(&self) -> AppConfigurationClient {
        match lock(&self.announced).take() {
            Some(token) => self.client.with_sync_token(&token),
            None => self.client.clone(),
        }
    }

    fn is_resting(&self, now: Instant) -> bool {
        lock(&self.rest).until.is_some_and(|until| now < until)
    }

    fn begin_rest(&self, now: Instant) {
        let mut rest = lock(&self.rest);
        let pause = FIRST_REST.saturating_mul(1 << rest.failures.min(8)).min(LONGEST_REST);
        *rest = Rest { failures: rest.failures + 1, until: Some(now + pause) };
    }

    fn end_rest(&self) {
        *lock(&self.rest) = Rest::default();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
