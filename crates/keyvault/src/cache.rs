//! Secrets that were fetched already, or are being fetched.

use std::fmt;
use std::future::Future;
use std::hash::BuildHasher;
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use tokio::time::Instant;

use crate::error::Result;
use crate::flights::Flights;
use crate::ids::Fixed;
use crate::secret::{Secret, SecretId};

/// A bounded cache with one flight per secret: whoever asks while a fetch is under way waits for that one.
///
/// An entry has no time to live. Whoever asks says how old an answer may be, for a refresh wants what a start does not.
pub(crate) struct SecretCache {
    shelf: Mutex<Shelf>,
    flights: Flights<SecretId, Fetched>,
    /// Counts moments: a clock may stand still between two things that happen one after the other.
    moments: AtomicU64,
    began: Instant,
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
pub(crate) struct Moment(NonZeroU64);

/// When a fetch began: what changed later it may not have seen.
#[derive(Clone, Copy)]
struct Start {
    /// Nanoseconds in the life of the cache.
    time: u64,
    moment: Moment,
}

/// What a fetch came to. A failure is shared by those who waited for it, and never served to anybody who comes after.
#[derive(Clone)]
struct Fetched {
    start: Start,
    result: Result<Arc<Secret>>,
}

/// Secrets, each under the id by which it was asked for. That is its own but for the version, so it is not kept again.
struct Shelf {
    secrets: HashTable<Held>,
    hasher: Fixed,
    capacity: usize,
    /// Where to look next for a secret to make room.
    hand: usize,
}

enum Held {
    /// The latest version when it was asked for.
    Latest(Arc<Secret>, Start),
    /// A version that was asked for by its name.
    Version(Arc<Secret>, u64),
}

impl SecretCache {
    pub(crate) fn new(capacity: usize) -> Self {
        let shelf = Shelf { secrets: HashTable::new(), hasher: Fixed::default(), capacity, hand: 0 };
        Self { shelf: Mutex::new(shelf), flights: Flights::new(), moments: AtomicU64::new(1), began: Instant::now() }
    }

    /// Gives the present moment.
    pub(crate) fn now(&self) -> Moment {
        let moment = NonZeroU64::new(self.moments.fetch_add(1, Ordering::Relaxed));
        Moment(moment.unwrap_or(NonZeroU64::MAX))
    }

    /// Gives the secret if it is here, however old.
    pub(crate) fn peek(&self, id: &SecretId) -> Option<Arc<Secret>> {
        self.shelf().find(id).map(|held| Arc::clone(held.secret()))
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
            if let Some(fetched) = self.held(id, freshness) {
                return fetched.result;
            }
            let flight = || async {
                // Another flight may have landed since.
                if let Some(fetched) = self.held(id, freshness) {
                    return fetched;
                }
                let start = Start { time: self.time(Instant::now()), moment: self.now() };
                let fetched = Fetched { start, result: fetch().await.map(Arc::new) };
                if let Ok(secret) = &fetched.result {
                    self.shelf().put(id, secret, start);
                }
                fetched
            };
            let fetched = self.flights.join(id, flight).await;
            // A flight that was joined may have begun too early.
            if self.is_fresh(fetched.start, freshness) {
                return fetched.result;
            }
        }
    }

    /// Gives what is here, if it is fresh enough.
    fn held(&self, id: &SecretId, freshness: Freshness) -> Option<Fetched> {
        let shelf = self.shelf();
        let (secret, start) = match shelf.find(id)? {
            Held::Latest(secret, start) => (secret, *start),
            // As fresh as if it had been fetched now.
            Held::Version(secret, _) => (secret, Start { time: u64::MAX, moment: Moment(NonZeroU64::MAX) }),
        };
        self.is_fresh(start, freshness).then(|| Fetched { start, result: Ok(Arc::clone(secret)) })
    }

    fn is_fresh(&self, start: Start, freshness: Freshness) -> bool {
        match freshness {
            Freshness::Any => true,
            Freshness::Since(time) => start.time >= self.time(time),
            Freshness::After(moment) => start.moment > moment,
        }
    }

    /// Tells a time in the life of the cache; what was before is its beginning.
    fn time(&self, time: Instant) -> u64 {
        u64::try_from(time.saturating_duration_since(self.began).as_nanos()).unwrap_or(u64::MAX)
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        // Every change is one step, so a panic elsewhere leaves none half done.
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn secret(&self) -> &Arc<Secret> {
        match self {
            Held::Latest(secret, _) | Held::Version(secret, _) => secret,
        }
    }

    fn time(&self) -> u64 {
        match self {
            Held::Latest(_, start) => start.time,
            Held::Version(_, time) => *time,
        }
    }

    fn is_asked_for_as(&self, id: &SecretId) -> bool {
        let own = self.secret().id();
        let is_same = match self {
            Held::Latest(..) => id.version().is_none(),
            Held::Version(..) => id.version() == own.version(),
        };
        is_same && own.name() == id.name() && own.vault() == id.vault()
    }
}

impl Shelf {
    fn find(&self, id: &SecretId) -> Option<&Held> {
        self.secrets.find(self.hash(id), |held| held.is_asked_for_as(id))
    }

    /// All versions of a secret have one hash.
    fn hash(&self, id: &SecretId) -> u64 {
        self.hasher.hash_one(id)
    }

    /// Puts a secret in its place, and takes another out if there is no room. A store that answers with another secret than
    /// the one asked for is not believed here.
    fn put(&mut self, id: &SecretId, secret: &Arc<Secret>, start: Start) {
        let held = match id.version() {
            None => Held::Latest(Arc::clone(secret), start),
            Some(_) => Held::Version(Arc::clone(secret), start.time),
        };
        if !held.is_asked_for_as(id) {
            return;
        }
        let hash = self.hash(id);
        let Self { secrets, hasher, .. } = self;
        let rehash = |held: &Held| hasher.hash_one(held.secret().id());
        match secrets.entry(hash, |held| held.is_asked_for_as(id), rehash) {
            Entry::Occupied(mut place) => *place.get_mut() = held,
            Entry::Vacant(place) => _ = place.insert(held),
        }
        if self.secrets.len() > self.capacity {
            self.make_room();
        }
    }

    /// Takes one secret out: of the next few the one that was fetched longest ago.
    fn make_room(&mut self) {
        let buckets = self.secrets.num_buckets();
        let turn = (0..buckets).map(|step| (self.hand + step) % buckets);
        let next = turn.filter_map(|bucket| Some((bucket, self.secrets.get_bucket(bucket)?.time())));
        let next: Vec<(usize, u64)> = next.take(LOOKED_AT).collect();
        let Some((oldest, _)) = next.iter().min_by_key(|(_, time)| time) else { return };
        self.hand = next.last().map_or(0, |(last, _)| last + 1);
        if let Ok(place) = self.secrets.get_bucket_entry(*oldest) {
            place.remove();
        }
    }
}

/// Enough that what goes is most likely among the oldest tenth.
const LOOKED_AT: usize = 16;

impl fmt::Debug for SecretCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretCache").field("secrets", &self.shelf().secrets.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::{Duration, SystemTime};

    use futures::future::join_all;

    use super::*;
    use crate::error::{Error, ErrorKind};
    use crate::properties::SecretProperties;

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
        assert_eq!(vault.fetches(), 2);
        let given_up =
            tokio::time::timeout(Duration::from_millis(500), vault.get(Freshness::After(vault.cache.now()), true));
        assert!(given_up.await.is_err());
        assert_eq!(vault.cache.flights.count(), 0, "a flight without passengers is forgotten");
    }

    fn secret(path: &str) -> Arc<Secret> {
        let id = SecretId::parse(&format!("https://contoso.vault.azure.net/secrets/{path}")).unwrap();
        Arc::new(Secret::new(SecretProperties::new(id), "v", SystemTime::now()))
    }

    fn start(time: u64) -> Start {
        Start { time, moment: Moment(NonZeroU64::MIN) }
    }

    #[test]
    fn the_latest_and_a_version_by_its_name_are_two_things() {
        let cache = SecretCache::new(10);
        let (old, new) = (secret("a/01"), secret("a/02"));
        let latest = old.id().latest();
        cache.shelf().put(old.id(), &old, start(1));
        assert!(cache.peek(&latest).is_none() && cache.peek(new.id()).is_none());
        cache.shelf().put(&latest, &new, start(2));
        assert!(cache.peek(new.id()).is_none(), "who asks for a version by its name is told of that one's end");
        assert_eq!(cache.peek(old.id()).unwrap().id(), old.id());
        assert_eq!(cache.peek(&latest).unwrap().id(), new.id());
        let later = Freshness::After(cache.now());
        assert!(cache.held(old.id(), later).is_some(), "a version does not change");
        assert!(cache.held(&latest, later).is_none());
    }

    #[test]
    fn another_secret_than_the_one_asked_for_is_not_kept() {
        let cache = SecretCache::new(10);
        for (asked, answer) in [("a", "b/01"), ("a/01", "a/02"), ("a/01", "a")] {
            cache.shelf().put(secret(asked).id(), &secret(answer), start(1));
        }
        assert_eq!(cache.shelf().secrets.len(), 0);
    }

    #[test]
    fn there_is_a_bound_and_what_is_old_goes_first() {
        let cache = SecretCache::new(100);
        for time in 0..1_000 {
            let secret = secret(&format!("s{time}/01"));
            cache.shelf().put(&secret.id().latest(), &secret, start(time));
            assert!(cache.shelf().secrets.len() <= 100);
        }
        let shelf = cache.shelf();
        assert_eq!(shelf.secrets.len(), 100);
        let young = shelf.secrets.iter().filter(|held| held.time() >= 700).count();
        assert!(young >= 90, "{young}");
        drop(shelf);
        let nothing = SecretCache::new(0);
        nothing.shelf().put(&secret("a").id().latest(), &secret("a"), start(1));
        assert_eq!(nothing.shelf().secrets.len(), 0);
    }

    #[test]
    fn an_entry_is_no_larger_than_it_must_be() {
        assert_eq!(size_of::<Held>(), 24);
    }
}
