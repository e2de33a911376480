//! One fetch for all who ask for the same thing at the same time.

use std::collections::HashMap;
use std::future::Future;
use std::hash::Hash;
use std::sync::{Arc, Mutex as StdMutex, MutexGuard, PoisonError};

use tokio::sync::Mutex;

/// The fetches that are under way, by what is fetched.
///
/// One of those who ask does the fetch, and the others wait for it. Should that one be dropped, another takes over.
pub(crate) struct Flights<K: Eq + Hash, T> {
    under_way: StdMutex<HashMap<K, Arc<Flight<T>>>>,
}

/// What a fetch came to. Whoever has the lock while it is empty does the fetch.
type Flight<T> = Mutex<Option<T>>;

impl<K: Clone + Eq + Hash + Send + Sync, T: Clone + Send> Flights<K, T> {
    /// Gives what the fetch of `key` that is under way comes to, or does `fetch`.
    pub(crate) async fn join<F>(&self, key: &K, fetch: impl FnOnce() -> F + Send) -> T
    where
        F: Future<Output = T> + Send,
    {
        let seat = self.board(key);
        let mut landed = seat.flight.lock().await;
        if let Some(outcome) = &*landed {
            return outcome.clone();
        }
        let outcome = fetch().await;
        *landed = Some(outcome.clone());
        // Whoever comes from now on may want what was not there when this began.
        leave(&mut self.under_way(), key, &seat.flight);
        outcome
    }

    fn board<'f>(&'f self, key: &'f K) -> Seat<'f, K, T> {
        let flight = Arc::clone(self.under_way().entry(key.clone()).or_default());
        Seat { flights: self, key, flight }
    }
}

impl<K: Eq + Hash, T> Flights<K, T> {
    pub(crate) fn new() -> Self {
        Self { under_way: StdMutex::default() }
    }

    #[cfg(test)]
    pub(crate) fn count(&self) -> usize {
        self.under_way().len()
    }

    fn under_way(&self) -> MutexGuard<'_, HashMap<K, Arc<Flight<T>>>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in a flight, which ends with the last one, however that comes to pass.
struct Seat<'f, K: Eq + Hash, T> {
    flights: &'f Flights<K, T>,
    key: &'f K,
    flight: Arc<Flight<T>>,
}

impl<K: Eq + Hash, T> Drop for Seat<'_, K, T> {
    fn drop(&mut self) {
        // Nobody boards while the map is locked. One place is the map's, and one this.
        let mut under_way = self.flights.under_way();
        if Arc::strong_count(&self.flight) == 2 {
            leave(&mut under_way, self.key, &self.flight);
        }
    }
}

fn leave<K: Eq + Hash, T>(under_way: &mut HashMap<K, Arc<Flight<T>>>, key: &K, flight: &Arc<Flight<T>>) {
    if under_way.get(key).is_some_and(|other| Arc::ptr_eq(other, flight)) {
        under_way.remove(key);
        // After a burst the room for it is given back.
        if under_way.is_empty() {
            under_way.shrink_to_fit();
        }
    }
}
