//! The rate limit of a vault, shared by every client of the process.
//!
//! `admission` decides when a request may start, as plain data: `quota` bounds how many requests the vault receives in
//! ten seconds, `concurrency` how many are in flight, and a 429 starts a cool-off. This file makes requests wait for
//! it.

mod admission;
mod concurrency;
mod quota;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until, timeout_at};

use self::admission::{Admission, Decision};
use super::retry::RetryReason;
use crate::error::{Error, ErrorKind, Result};
use crate::report::ReferenceStatus;
use crate::secret::Vault;

/// The rate limit of one vault. Waiting requests are admitted in order.
#[derive(Debug)]
pub(super) struct RateLimit {
    admission: Mutex<Admission>,
    /// Held by the request that is next.
    queue: tokio::sync::Mutex<()>,
    /// Wakes the request that is next.
    freed: Notify,
}

/// The right to have one request in flight, until dropped.
#[derive(Debug)]
pub(super) struct Permit {
    rate_limit: Arc<RateLimit>,
    epoch: u64,
}

impl RateLimit {
    /// Returns the rate limit of `vault` in this process. The lowest rate that any client has set applies.
    pub(super) fn of(vault: &Vault, per_second: u32) -> Arc<Self> {
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.retain(|(_, rate_limit)| rate_limit.strong_count() > 0);
        let known = shared.iter().find(|(known, _)| known == vault).and_then(|(_, rate_limit)| rate_limit.upgrade());
        if let Some(rate_limit) = known {
            rate_limit.admission().quota.slow_to(per_second);
            return rate_limit;
        }
        let rate_limit = Self::new(per_second);
        shared.push((vault.clone(), Arc::downgrade(&rate_limit)));
        rate_limit
    }

    /// Creates a rate limit that no other client shares.
    pub(super) fn new(per_second: u32) -> Arc<Self> {
        let admission = Mutex::new(Admission::new(per_second, Instant::now()));
        Arc::new(Self { admission, queue: tokio::sync::Mutex::default(), freed: Notify::new() })
    }

    /// Waits for a permit, until `deadline` at the latest. `noun` is the word for the vault in errors.
    ///
    /// # Errors
    ///
    /// [`Throttled`](ErrorKind::Throttled) at once if the rate limit has no permit before `deadline`;
    /// [`Unavailable`](ErrorKind::Unavailable) at `deadline` if the requests in flight get no response.
    pub(super) async fn acquire(self: &Arc<Self>, deadline: Instant, noun: &str) -> Result<Permit> {
        let Ok(_next) = timeout_at(deadline, self.queue.lock()).await else {
            return Err(self.too_late(noun));
        };
        loop {
            let now = Instant::now();
            let (decision, epoch) = {
                let mut admission = self.admission();
                (admission.admit(now), admission.epoch)
            };
            match decision {
                Decision::Admit => return Ok(Permit { rate_limit: Arc::clone(self), epoch }),
                Decision::WaitUntil(time) if time >= deadline => return Err(exhausted(time - now, noun)),
                Decision::WaitUntil(time) => sleep_until(time).await,
                Decision::WaitForPermit => self.freed.notified().await,
            }
        }
    }

    /// Returns when the current cool-off ends, or when the last one did.
    pub(super) fn cool_off_end(&self) -> Option<Instant> {
        self.admission().cool_off_end
    }

    /// Raises the number of requests in flight to that of HTTP/2, where requests share a connection.
    pub(super) fn allow_http2(&self) {
        self.admission().allow_http2();
        self.freed.notify_one();
    }

    fn too_late(&self, noun: &str) -> Error {
        let now = Instant::now();
        match self.admission().closed_until(now) {
            Some(time) => exhausted(time - now, noun),
            None => {
                let clause = format!("{noun} did not answer earlier requests in time");
                Error::from_clause(ErrorKind::Unavailable, "vault did not answer earlier requests in time", clause)
                    .with_status(ReferenceStatus::FetchTimedOut)
            }
        }
    }

    fn admission(&self) -> MutexGuard<'_, Admission> {
        self.admission.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit {
    /// Records that the vault answered the request.
    pub(super) fn succeeded(self) {
        self.rate_limit.admission().succeeded(self.epoch, Instant::now());
    }

    /// Records that the vault answered the request with a 429, which may ask for a pause.
    pub(super) fn throttled(self, retry_after: Option<Duration>) {
        let reason = retry_after.map_or(RetryReason::Throttled, RetryReason::Asked);
        self.rate_limit.admission().throttled(self.epoch, reason, Instant::now(), fastrand::f64());
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.rate_limit.admission().completed(Instant::now());
        self.rate_limit.freed.notify_one();
    }
}

/// The rate limits of all clients of the process, except those with a transport of their own.
static SHARED: Mutex<Vec<(Vault, Weak<RateLimit>)>> = Mutex::new(Vec::new());

fn exhausted(wait: Duration, noun: &str) -> Error {
    let (kind, clause) =
        (ErrorKind::Throttled { retry_after: Some(wait) }, format!("rate limit of the {noun} is exhausted"));
    Error::from_clause(kind, "rate limit of the vault is exhausted", clause).with_help("ask for less at once")
}
