//! The endpoints of a store, and which of them to ask.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use keyvault::{Error, ErrorKind, Result};
use tokio::time::Instant;

use crate::client::AppConfigurationClient;

/// The endpoints of a store, in the order of preference.
#[derive(Debug)]
pub(super) struct Replicas(Vec<Replica>);

#[derive(Debug)]
struct Replica {
    client: AppConfigurationClient,
    rest: Mutex<Rest>,
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
        Self(clients.into_iter().map(|client| Replica { client, rest: Mutex::default() }).collect())
    }

    /// Returns the client of the preferred endpoint.
    pub(super) fn primary(&self) -> &AppConfigurationClient {
        &self.0[0].client
    }

    /// Returns the client of each endpoint.
    pub(super) fn clients(&self) -> impl Iterator<Item = &AppConfigurationClient> {
        self.0.iter().map(|replica| &replica.client)
    }

    /// Calls `read` for one endpoint after the other until it succeeds: those that do not rest first. An endpoint that
    /// failed rests. A failure that another endpoint would repeat ends the read.
    ///
    /// # Errors
    ///
    /// The first transient error, or the first error.
    pub(super) async fn first<'r, T, F>(&'r self, read: impl Fn(&'r AppConfigurationClient) -> F) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        let now = Instant::now();
        let (resting, ready): (Vec<_>, Vec<_>) = self.0.iter().partition(|replica| replica.is_resting(now));
        let mut failures = Vec::new();
        for replica in ready.into_iter().chain(resting) {
            match read(&replica.client).await {
                Ok(found) => {
                    replica.end_rest();
                    return Ok(found);
                }
                Err(error) if self.0.len() > 1 && may_succeed_elsewhere(&error) => {
                    tracing::warn!(endpoint = replica.client.endpoint().origin(), %error, "endpoint failed and rests");
                    replica.begin_rest(Instant::now());
                    failures.push(error);
                }
                Err(error) => return Err(error),
            }
        }
        let first = failures.iter().position(Error::is_transient).unwrap_or_default();
        Err(failures.swap_remove(first))
    }
}

/// Returns whether another endpoint may answer: it was this one that failed, throttled or denied.
fn may_succeed_elsewhere(error: &Error) -> bool {
    error.is_transient() || error.kind() == ErrorKind::Denied
}

impl Replica {
    fn is_resting(&self, now: Instant) -> bool {
        self.rest.lock().unwrap_or_else(PoisonError::into_inner).until.is_some_and(|until| now < until)
    }

    fn begin_rest(&self, now: Instant) {
        let mut rest = self.rest.lock().unwrap_or_else(PoisonError::into_inner);
        let pause = FIRST_REST.saturating_mul(1 << rest.failures.min(8)).min(LONGEST_REST);
        *rest = Rest { failures: rest.failures + 1, until: Some(now + pause) };
    }

    fn end_rest(&self) {
        *self.rest.lock().unwrap_or_else(PoisonError::into_inner) = Rest::default();
    }
}
