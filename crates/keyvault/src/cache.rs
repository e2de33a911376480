//! Secrets that were fetched already, or are being fetched.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use moka::future::Cache;
use tokio::time::Instant;

use crate::error::Result;
use crate::secret::{Secret, SecretId};

/// A bounded cache with one flight per secret: whoever asks while a fetch is under way waits for that one.
///
/// An entry has no time to live. Whoever asks says how old an answer may be, for a refresh wants what a start does not.
pub(crate) struct SecretCache {
    entries: Cache<SecretId, Fetched>,
    /// Counts moments: a clock may stand still between two things that happen one after the other.
    moments: AtomicU64,
}

/// How old an answer may be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Freshness {
    /// Any age: a version does not change.
    Any,
    /// From a fetch that began at this time or later.
    Since(Instant),
    /// From a fetch that began after this moment.
    After(Moment),
}

/// A moment in the life of a cache: after everything that it began earlier, before everything that it begins later.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Moment(u64);

/// What a fetch came to, and when it began: what changed later it may not have seen.
///
/// A failure stands here only so that all who waited share it; it is never served to anybody who comes after.
#[derive(Clone)]
struct Fetched {
    begun: Instant,
    moment: Moment,
    result: Result<Arc<Secret>>,
}

impl Fetched {
    fn is_fresh(&self, freshness: Freshness) -> bool {
        match freshness {
            Freshness::Any => true,
            Freshness::Since(time) => self.begun >= time,
            Freshness::After(moment) => self.moment > moment,
        }
    }

    fn serves(&self, freshness: Freshness) -> bool {
        self.result.is_ok() && self.is_fresh(freshness)
    }
}

impl SecretCache {
    pub(crate) fn new(capacity: u64) -> Self {
        Self { entries: Cache::new(capacity), moments: AtomicU64::new(0) }
    }

    /// Gives the present moment.
    pub(crate) fn now(&self) -> Moment {
        Moment(self.moments.fetch_add(1, Ordering::Relaxed))
    }

    /// Gives the secret if it is here, however old.
    pub(crate) async fn peek(&self, id: &SecretId) -> Option<Arc<Secret>> {
        self.entries.get(id).await?.result.ok()
    }

    /// Gives the secret, fetched anew unless what is here is fresh enough.
    pub(crate) async fn get<F>(
        &self,
        id: &SecretId,
        freshness: Freshness,
        fetch: impl Fn() -> F + Send + Sync,
    ) -> Result<Arc<Secret>>
    where
        F: Future<Output = Result<Secret>> + Send,
    {
        loop {
            let flight = async {
                let (begun, moment) = (Instant::now(), self.now());
                let result = fetch().await.map(Arc::new);
                Fetched { begun, moment, result }
            };
            let entry = self.entries.entry_by_ref(id);
            let fetched = entry.or_insert_with_if(flight, |held| !held.serves(freshness)).await.into_value();
            // A flight that was joined may have begun too early.
            if fetched.is_fresh(freshness) {
                return fetched.result;
            }
        }
    }
}

impl fmt::Debug for SecretCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretCache").field("entries", &self.entries.entry_count()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::{Duration, SystemTime};

    use futures::future::join_all;

    use super::*;
    use crate::error::{Error, ErrorKind};
    use crate::secret::SecretProperties;

    struct Vault {
        cache: SecretCache,
        fetches: AtomicU32,
    }

    impl Vault {
        fn new() -> Self {
            Self { cache: SecretCache::new(10), fetches: AtomicU32::new(0) }
        }

        async fn get(&self, freshness: Freshness, good: bool) -> Result<Arc<Secret>> {
            let id = SecretId::parse("https://contoso.vault.azure.net/secrets/a").unwrap();
            self.cache
                .get(&id, freshness, || async {
                    self.fetches.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    if good {
                        Ok(Secret::new(SecretProperties::new(id.clone()), "v", SystemTime::now()))
                    } else {
                        Err(Error::new(ErrorKind::Unavailable, "down"))
                    }
                })
                .await
        }

        fn fetches(&self) -> u32 {
            self.fetches.load(Ordering::Relaxed)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_ask_together_share_one_fetch_or_its_failure() {
        let vault = Vault::new();
        let down = join_all((0..100).map(|_| vault.get(Freshness::Any, false))).await;
        assert!(down.iter().all(Result::is_err));
        assert_eq!(vault.fetches(), 1);
        let up = join_all((0..100).map(|_| vault.get(Freshness::Any, true))).await;
        assert!(up.iter().all(Result::is_ok), "a failure is no value");
        assert_eq!(vault.fetches(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_flight_that_began_too_early_is_not_enough() {
        let vault = Vault::new();
        let late = async {
            tokio::time::sleep(Duration::from_millis(500)).await;
            vault.get(Freshness::After(vault.cache.now()), true).await
        };
        let (early, late) = tokio::join!(vault.get(Freshness::Any, true), late);
        assert!(early.is_ok() && late.is_ok());
        assert_eq!(vault.fetches(), 2);
        assert!(vault.get(Freshness::Any, true).await.is_ok());
        assert_eq!(vault.fetches(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_fetch_that_was_given_up_is_taken_over() {
        let vault = Vault::new();
        let given_up = tokio::time::timeout(Duration::from_millis(500), vault.get(Freshness::Any, true));
        let (given_up, taken_over) = tokio::join!(given_up, vault.get(Freshness::Any, true));
        assert!(given_up.is_err() && taken_over.is_ok());
    }
}
