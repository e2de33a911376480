//! The endpoints of a store, and which of them to ask.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use keyvault::{Error, ErrorKind, Result, Vault};
use tokio::time::{Instant, timeout_at};

#[cfg(feature = "discovery")]
use super::discovery::Discovery;
use crate::client::AppConfigurationClient;
use crate::endpoint::Endpoint;
use crate::sync_token::NewestTokens;

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
    announced: Mutex<Announced>,
}

/// The sync tokens of events, which reads send until one of them succeeds.
#[derive(Debug, Default)]
struct Announced {
    tokens: NewestTokens,
    /// How many reads have sent them since the last event.
    reads: u32,
}

/// Anyone may have sent an event: a store that refuses its token must not stay unread. A part of a store lags behind
/// for some seconds, which so many failed reads take.
const MAX_READS: u32 = 5;

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

    /// Keeps the sync token of an event for the next reads of an endpoint. Returns whether the endpoint is one of
    /// these.
    pub(super) fn announce(&self, endpoint: &Vault, token: Option<&str>) -> bool {
        let known = self.known();
        let Some(replica) = known.iter().find(|replica| replica.client.endpoint().as_vault() == endpoint) else {
            return false;
        };
        if let Some(token) = token {
            let mut announced = lock(&replica.announced);
            announced.tokens.add(token);
            announced.reads = 0;
        }
        true
    }

    /// Forgets the sync tokens of events that a client has sent, because its read succeeded. One that came during the
    /// read stays.
    pub(super) fn forget_announced(&self, reader: &AppConfigurationClient) {
        let known = self.known();
        if let Some(replica) = known.iter().find(|replica| replica.client.endpoint() == reader.endpoint()) {
            lock(&replica.announced).tokens.remove(reader.announced());
        }
    }

    /// Calls `read` for one endpoint after the other until it succeeds: those that the program named first, then those
    /// that are found, then those that rest. Each has an equal share of the time that is left until the deadline. An
    /// endpoint that failed rests. A failure of the store that another endpoint would repeat ends the read.
    ///
    /// # Errors
    ///
    /// The first transient error, or the first error.
    pub(super) async fn first<T, F>(
        &self,
        deadline: Instant,
        read: impl Fn(AppConfigurationClient) -> F + Send + Sync,
    ) -> Result<T>
    where
        T: Send,
        F: Future<Output = Result<T>> + Send,
    {
        let now = Instant::now();
        let is_resting = |replica: &Arc<Replica>| replica.is_resting(now);
        let mut failures = Vec::new();
        let (mut resting, mut ready): (VecDeque<_>, VecDeque<_>) = self.named.iter().cloned().partition(is_resting);
        let mut others = self.number_of_others();
        loop {
            // Only now: nothing is looked up while an endpoint that the program named answers.
            if ready.is_empty() && others > 0 {
                let (resting_too, found): (Vec<_>, Vec<_>) = self.discovered().await.into_iter().partition(is_resting);
                ready.extend(found);
                resting.extend(resting_too);
                others = 0;
            }
            let Some(replica) = ready.pop_front().or_else(|| resting.pop_front()) else { break };
            let share = share_of(deadline, 1 + ready.len() + resting.len() + others);
            let attempt = self.has_others().then(|| Attempt::begin(&replica));
            let result = timeout_at(share, read(replica.client_of_read())).await.unwrap_or_else(|_| Err(too_late()));
            attempt.into_iter().for_each(Attempt::end);
            let error = match result {
                Ok(found) => {
                    replica.end_rest();
                    return Ok(found);
                }
                Err(error) => error,
            };
            let rests = self.has_others() && may_succeed_elsewhere(&error);
            if rests {
                replica.begin_rest(&error);
            }
            failures.push(error);
            // A replica lags behind the store, so it may miss what the store has.
            if !rests && Arc::ptr_eq(&replica, &self.named[0]) {
                break;
            }
        }
        let first = failures.iter().position(Error::is_transient).unwrap_or_default();
        Err(failures.swap_remove(first))
    }

    fn known(&self) -> Vec<Arc<Replica>> {
        let known = self.named.iter().cloned();
        #[cfg(feature = "discovery")]
        let known = known.chain(self.discovery.iter().flat_map(Discovery::found));
        known.collect()
    }

    /// Returns whether another endpoint may answer if one does not.
    fn has_others(&self) -> bool {
        self.named.len() > 1 || self.number_of_others() > 0
    }

    /// Returns how many endpoints the program did not name: at least one if they are looked up.
    fn number_of_others(&self) -> usize {
        #[cfg(feature = "discovery")]
        if let Some(discovery) = &self.discovery {
            return discovery.found().len().max(1);
        }
        0
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

/// Returns when the next one of some endpoints must have answered.
fn share_of(deadline: Instant, endpoints: usize) -> Instant {
    let now = Instant::now();
    now + deadline.saturating_duration_since(now) / u32::try_from(endpoints).unwrap_or(u32::MAX)
}

/// Returns the error of a store, or of one of its endpoints, that takes too long.
pub(super) fn too_late() -> Error {
    Error::new(ErrorKind::Unavailable, "store did not answer within the deadline")
        .with_help("raise AppConfigurationBuilder::timeout, which all endpoints share")
}

/// Returns whether another endpoint may answer: it was this one that failed, throttled or denied.
fn may_succeed_elsewhere(error: &Error) -> bool {
    error.is_transient() || error.kind() == ErrorKind::Denied
}

impl Replica {
    pub(super) fn new(client: AppConfigurationClient) -> Self {
        Self { client, rest: Mutex::default(), announced: Mutex::default() }
    }

    /// Returns the client for one read. It sends the sync tokens of the events since the last read that succeeded.
    fn client_of_read(&self) -> AppConfigurationClient {
        let mut announced = lock(&self.announced);
        if announced.reads == MAX_READS {
            *announced = Announced::default();
        }
        announced.reads += 1;
        self.client.with_announced(announced.tokens.clone())
    }

    fn is_resting(&self, now: Instant) -> bool {
        lock(&self.rest).until.is_some_and(|until| now < until)
    }

    fn begin_rest(&self, error: &Error) {
        tracing::warn!(endpoint = self.client.endpoint().origin(), %error, "endpoint failed and rests");
        let mut rest = lock(&self.rest);
        let pause = FIRST_REST.saturating_mul(1 << rest.failures.min(8)).min(LONGEST_REST);
        *rest = Rest { failures: rest.failures + 1, until: Some(Instant::now() + pause) };
    }

    fn end_rest(&self) {
        *lock(&self.rest) = Rest::default();
    }
}

/// A read through one endpoint, while there are others.
///
/// The endpoint also rests if the caller gives up before it answers, because the deadline of a refresh may be earlier
/// than that of the layer: the next read must ask another one.
struct Attempt<'r> {
    replica: &'r Replica,
    began: Instant,
    has_ended: bool,
}

impl<'r> Attempt<'r> {
    fn begin(replica: &'r Replica) -> Self {
        Self { replica, began: Instant::now(), has_ended: false }
    }

    fn end(mut self) {
        self.has_ended = true;
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if !self.has_ended && self.began.elapsed() >= SHORTEST_VAIN_ATTEMPT {
            self.replica.begin_rest(&too_late());
        }
    }
}

/// A caller that gives up earlier says nothing about the endpoint.
const SHORTEST_VAIN_ATTEMPT: Duration = Duration::from_secs(5);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
