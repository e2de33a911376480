//! Fetched secrets, and the fetches under way.

use std::collections::HashMap;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use tokio::sync::OnceCell;
use tokio::time::Instant;

use super::freshness::{FetchStart, Freshness};
use crate::error::Result;
use crate::secret::{Secret, SecretId};

/// A bounded cache that fetches each secret once for all concurrent callers.
///
/// `moka` holds the secrets and evicts the least recently used. Entries have no time to live: each caller states how
/// old an answer may be.
///
/// Concurrent callers share a [`OnceCell`], not `moka`'s own initialization. That one panics in a waiting caller after
/// 200 others, one after another, dropped their futures, as callers with a timeout do while a vault hangs. It also
/// keeps the answer in memory that is freed late.
pub(super) struct SecretCache {
    secrets: Cache<SecretId, Arc<CacheSlot>>,
    fetches: Mutex<HashMap<SecretId, Weak<SharedFetch>>>,
    /// A logical clock. The clock of the system may show the same time at two consecutive events.
    clock: AtomicU64,
}

/// A fetch under way: one caller runs it, the others wait. If that caller is dropped, the next one takes over.
type SharedFetch = OnceCell<Fetched>;

/// The result of a fetch. Its callers share a failure, which is never cached.
struct Fetched {
    start: FetchStart,
    result: Result<Arc<Secret>>,
}

/// A cached secret, which is removed as soon as the cache replaces or evicts it.
struct CacheSlot(Mutex<Option<(Arc<Secret>, FetchStart)>>);

impl SecretCache {
    pub(super) fn new(capacity: usize) -> Self {
        let secrets = Cache::builder()
            .max_capacity(capacity as u64)
            // The default policy may refuse a new secret to keep one that is read more often.
            .eviction_policy(EvictionPolicy::lru())
            // `moka` frees a removed entry only after every thread in the process that uses `crossbeam-epoch` has moved
            // on, which may take arbitrarily long. The secret must be wiped earlier, so it leaves its slot at once.
            .eviction_listener(|_, slot: Arc<CacheSlot>, _| *slot.lock() = None)
            .build();
        Self { secrets, fetches: Mutex::default(), clock: AtomicU64::new(0) }
    }

    /// Advances the logical clock and returns its time.
    pub(super) fn now(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::Relaxed)
    }

    /// Returns the cached secret, of any age.
    pub(super) fn peek(&self, id: &SecretId) -> Option<Arc<Secret>> {
        Some(self.fresh(id, Freshness::Any)?.0)
    }

    /// Returns the cached secret if it is fresh enough, or else fetches it. A version never changes, so it is always
    /// fresh.
    pub(super) async fn get<F: Future<Output = Result<Secret>> + Send>(
        &self,
        id: &SecretId,
        freshness: Freshness,
        fetch: impl Fn() -> F + Send + Sync,
    ) -> Result<Arc<Secret>> {
        let freshness = if id.version().is_some() { Freshness::Any } else { freshness };
        loop {
            if let Some((secret, _)) = self.fresh(id, freshness) {
                return Ok(secret);
            }
            let run = || async {
                // Another fetch may have ended since the look above.
                if let Some((secret, start)) = self.fresh(id, freshness) {
                    return Fetched { start, result: Ok(secret) };
                }
                let start = FetchStart { time: Instant::now(), logical_time: self.now() };
                let result = fetch().await.map(Arc::new);
                if let Ok(secret) = &result {
                    self.insert(id, secret, start);
                }
                Fetched { start, result }
            };
            // Dropped last, when this caller has left the fetch.
            let _registration = Registration { cache: self, id };
            let shared = self.join(id);
            let fetched = shared.get_or_init(run).await;
            // The joined fetch may have begun too early.
            if fetched.start.is_fresh(freshness) {
                return fetched.result.clone();
            }
        }
    }

    /// Returns the cached secret if it is fresh enough.
    fn fresh(&self, id: &SecretId, freshness: Freshness) -> Option<(Arc<Secret>, FetchStart)> {
        self.secrets.get(id)?.lock().clone().filter(|(_, start)| start.is_fresh(freshness))
    }

    /// Caches a secret, unless the store answered with another one than was requested.
    fn insert(&self, id: &SecretId, secret: &Arc<Secret>, start: FetchStart) {
        let answer = secret.id();
        // The key shares the text of its name with the secret.
        let key = if id.version().is_some() { answer.clone() } else { answer.latest() };
        if key == *id {
            self.secrets.insert(key, Arc::new(CacheSlot(Mutex::new(Some((Arc::clone(secret), start))))));
            // Evicts now instead of at a later call.
            self.secrets.run_pending_tasks();
        }
    }

    /// Joins the fetch of a secret that is under way, or registers a new one.
    fn join(&self, id: &SecretId) -> Arc<SharedFetch> {
        let mut fetches = self.fetches();
        let under_way = fetches.get(id).and_then(Weak::upgrade).filter(|fetch| !fetch.initialized());
        under_way.unwrap_or_else(|| {
            let fetch = Arc::default();
            fetches.insert(id.clone(), Arc::downgrade(&fetch));
            fetch
        })
    }

    fn fetches(&self) -> MutexGuard<'_, HashMap<SecretId, Weak<SharedFetch>>> {
        // Every change is one step, so a panic elsewhere leaves none half done.
        self.fetches.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CacheSlot {
    fn lock(&self) -> MutexGuard<'_, Option<(Arc<Secret>, FetchStart)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Removes a fetch from the map when its last caller has left.
struct Registration<'c> {
    cache: &'c SecretCache,
    id: &'c SecretId,
}

impl Drop for Registration<'_> {
    fn drop(&mut self) {
        let mut fetches = self.cache.fetches();
        if fetches.get(self.id).is_some_and(|fetch| fetch.strong_count() == 0) {
            fetches.remove(self.id);
            // Returns the memory of a burst.
            if fetches.is_empty() {
                fetches.shrink_to_fit();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::atomic::{AtomicBool, AtomicU32};
    use std::time::{Duration, SystemTime};

    use futures::future::join_all;
    use futures::poll;
    use tokio::time::{sleep, timeout};

    use super::*;
    use crate::error::{Error, ErrorKind};
    use crate::secret::SecretProperties;

    /// A vault that takes a second for each answer.
    struct Vault {
        cache: SecretCache,
        fetches: AtomicU32,
        is_down: AtomicBool,
    }

    impl Vault {
        fn with_capacity(capacity: usize) -> Self {
            Self { cache: SecretCache::new(capacity), fetches: AtomicU32::new(0), is_down: AtomicBool::new(false) }
        }

        fn new() -> Self {
            Self::with_capacity(10)
        }

        async fn get(&self, freshness: Freshness) -> Result<Arc<Secret>> {
            self.get_by_id(&id("a"), freshness).await
        }

        async fn get_by_id(&self, id: &SecretId, freshness: Freshness) -> Result<Arc<Secret>> {
            self.cache
                .get(id, freshness, || async {
                    self.fetches.fetch_add(1, Ordering::Relaxed);
                    sleep(SECOND).await;
                    if self.is_down.load(Ordering::Relaxed) {
                        return Err(Error::new(ErrorKind::Unavailable, "down"));
                    }
                    Ok(Secret::new(SecretProperties::new(id.clone()), "v", SystemTime::now()))
                })
                .await
        }

        fn is_down(&self, is_down: bool) {
            self.is_down.store(is_down, Ordering::Relaxed);
        }

        fn fetches(&self) -> u32 {
            self.fetches.load(Ordering::Relaxed)
        }
    }

    const SECOND: Duration = Duration::from_secs(1);

    fn id(path: &str) -> SecretId {
        SecretId::parse(&format!("https://contoso.vault.azure.net/secrets/{path}")).unwrap()
    }

    fn secret(path: &str) -> Arc<Secret> {
        Arc::new(Secret::new(SecretProperties::new(id(path)), "v", SystemTime::now()))
    }

    fn insert(cache: &SecretCache, requested: &str, answer: &Arc<Secret>) {
        cache.insert(&id(requested), answer, FetchStart { time: Instant::now(), logical_time: cache.now() });
    }

    #[tokio::test(start_paused = true)]
    async fn concurrent_callers_share_one_fetch_or_its_failure() {
        for capacity in [0, 10] {
            let vault = Vault::with_capacity(capacity);
            vault.is_down(true);
            let down = join_all((0..100).map(|_| vault.get(Freshness::Any))).await;
            assert!(down.iter().all(Result::is_err));
            assert_eq!(vault.fetches(), 1, "capacity {capacity}");
            vault.is_down(false);
            let up = join_all((0..100).map(|_| vault.get(Freshness::Any))).await;
            assert!(up.iter().all(Result::is_ok), "a failure is not cached");
            assert_eq!(vault.fetches(), 2, "capacity {capacity}");
            assert!(vault.cache.fetches().is_empty());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_fetch_keeps_the_cached_secret() {
        let vault = Vault::new();
        vault.get(Freshness::Any).await.unwrap();
        vault.is_down(true);
        vault.get(Freshness::After(vault.cache.now())).await.unwrap_err();
        assert!(vault.cache.peek(&id("a")).is_some());
        vault.get(Freshness::Any).await.unwrap();
        assert_eq!(vault.fetches(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_is_not_shared_with_a_later_caller() {
        let vault = Vault::new();
        vault.is_down(true);
        let mut running = pin!(vault.get(Freshness::Any));
        let mut waiting = pin!(vault.get(Freshness::Any));
        assert!(poll!(running.as_mut()).is_pending() && poll!(waiting.as_mut()).is_pending());
        running.await.unwrap_err();
        vault.is_down(false);
        vault.get(Freshness::Any).await.unwrap();
        waiting.await.unwrap_err();
        assert_eq!(vault.fetches(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_fetch_that_began_too_early_is_repeated() {
        let vault = Vault::new();
        let late = async {
            sleep(SECOND / 2).await;
            vault.get(Freshness::After(vault.cache.now())).await
        };
        let (early, late) = tokio::join!(vault.get(Freshness::Any), late);
        assert!(early.is_ok() && late.is_ok());
        assert_eq!(vault.fetches(), 2);
        vault.get(Freshness::Any).await.unwrap();
        assert_eq!(vault.fetches(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn freshness_decides_whether_a_cached_secret_is_fetched_again() {
        let vault = Vault::new();
        let (before, time) = (vault.cache.now(), Instant::now());
        vault.get(Freshness::Any).await.unwrap();
        for (freshness, is_fetched) in [
            (Freshness::Any, false),
            (Freshness::Since(time), false),
            (Freshness::After(before), false),
            (Freshness::After(vault.cache.now()), true),
            (Freshness::Since(time + 2 * SECOND), true),
        ] {
            let fetches = vault.fetches();
            vault.get(freshness).await.unwrap();
            assert_eq!(vault.fetches() - fetches, u32::from(is_fetched), "{freshness:?}");
        }
        let fetches = vault.fetches();
        vault.get_by_id(&id("a/01"), Freshness::Any).await.unwrap();
        vault.get_by_id(&id("a/01"), Freshness::After(vault.cache.now())).await.unwrap();
        assert_eq!(vault.fetches() - fetches, 1, "a version does not change");
    }

    #[tokio::test(start_paused = true)]
    async fn a_waiting_caller_takes_over_a_dropped_fetch() {
        let vault = Vault::new();
        let dropped = timeout(SECOND / 2, vault.get(Freshness::Any));
        let (dropped, taken_over) = tokio::join!(dropped, vault.get(Freshness::Any));
        assert!(dropped.is_err() && taken_over.is_ok());
        assert_eq!(vault.fetches(), 2);
        let dropped = timeout(SECOND / 2, vault.get(Freshness::After(vault.cache.now())));
        assert!(dropped.await.is_err());
        assert!(vault.cache.fetches().is_empty(), "a fetch without callers is forgotten");
    }

    #[tokio::test(start_paused = true)]
    async fn any_number_of_dropped_fetches_does_not_disturb_a_waiting_caller() {
        let vault = Vault::new();
        let impatient = (0..500).map(|_| timeout(SECOND / 2, vault.get(Freshness::Any)));
        let impatient = join_all(impatient.enumerate().map(async |(n, get)| {
            sleep(Duration::from_millis(n as u64)).await;
            get.await
        }));
        let patient = async {
            sleep(SECOND / 4).await;
            vault.get(Freshness::Any).await
        };
        let (impatient, patient) = tokio::join!(impatient, patient);
        assert!(impatient.iter().take(250).all(Result::is_err));
        patient.unwrap();
    }

    #[test]
    fn the_latest_and_a_named_version_are_separate_entries() {
        let cache = SecretCache::new(10);
        let (old, new) = (secret("a/01"), secret("a/02"));
        insert(&cache, "a/01", &old);
        assert!(cache.peek(&id("a")).is_none() && cache.peek(&id("a/02")).is_none());
        insert(&cache, "a", &new);
        assert!(cache.peek(&id("a/02")).is_none(), "a request for a named version reports that version's removal");
        assert_eq!(cache.peek(&id("a/01")).unwrap().id(), old.id());
        assert_eq!(cache.peek(&id("a")).unwrap().id(), new.id());
    }

    #[test]
    fn another_secret_than_the_requested_one_is_not_cached() {
        let cache = SecretCache::new(10);
        for (requested, answer) in [("a", "b/01"), ("a/01", "a/02"), ("a/01", "a")] {
            insert(&cache, requested, &secret(answer));
            assert!(cache.peek(&id(requested)).is_none(), "{requested}, {answer}");
        }
        assert_eq!(cache.secrets.entry_count(), 0);
    }

    #[test]
    fn the_least_recently_used_secret_is_evicted_first() {
        for capacity in [0, 1, 100] {
            let cache = SecretCache::new(capacity);
            for n in 0..1_000 {
                insert(&cache, &format!("s{n}"), &secret(&format!("s{n}/01")));
                assert!(cache.secrets.iter().count() <= capacity, "{n} of {capacity}");
            }
            for n in 0..1_000 {
                assert_eq!(cache.peek(&id(&format!("s{n}"))).is_some(), n + capacity >= 1_000, "{n} of {capacity}");
            }
        }
    }

    #[test]
    fn a_removed_secret_is_dropped_at_once() {
        // While this is held, `moka` frees none of its entries.
        let _pinned = crossbeam_epoch::pin();
        let cache = SecretCache::new(1);
        let insert = |name: &str| {
            let secret = secret(name);
            insert(&cache, name, &secret);
            Arc::downgrade(&secret)
        };
        let (replaced, evicted, last) = (insert("a"), insert("a"), insert("b"));
        assert!(replaced.upgrade().is_none() && evicted.upgrade().is_none() && last.upgrade().is_some());
        drop(cache);
        assert!(last.upgrade().is_none());
    }
}
