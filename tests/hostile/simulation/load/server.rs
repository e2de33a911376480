//! The server that accepts the current key.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use super::BOUND;

/// A server with two valid keys. `Clone` shares it.
#[derive(Clone)]
pub(super) struct Server(Arc<Mutex<State>>);

struct State {
    /// The number of the newest key. The previous one is valid too.
    newest: u64,
    /// The time at which the newest key entered the vault.
    since: Instant,
    /// The time of the last recovery of the vault. `None` during a fault.
    well_since: Option<Instant>,
    tally: Served,
}

/// The outcomes of the requests.
#[derive(Clone, Copy, Default)]
pub(super) struct Served {
    pub(super) served: u64,
    pub(super) refused: u64,
    /// The longest use of a replaced key while the vault was available.
    pub(super) stalest: Duration,
}

impl Server {
    pub(super) fn open() -> Self {
        let now = Instant::now();
        let state = State { newest: 1, since: now, well_since: Some(now), tally: Served::default() };
        Self(Arc::new(Mutex::new(state)))
    }

    /// Replaces the older key, and returns the new one.
    pub(super) fn rotate(&self) -> u64 {
        let mut state = self.0.lock().unwrap();
        (state.newest, state.since) = (state.newest + 1, Instant::now());
        state.newest
    }

    pub(super) fn newest(&self) -> u64 {
        self.0.lock().unwrap().newest
    }

    /// Records whether the vault is available.
    pub(super) fn vault_is_well(&self, is_well: bool) {
        self.0.lock().unwrap().well_since = is_well.then(Instant::now);
    }

    /// Serves a request with a key, or refuses it.
    pub(super) fn serve(&self, key: &str) {
        let mut state = self.0.lock().unwrap();
        let key: u64 = key.parse().unwrap();
        if key + 1 < state.newest {
            state.tally.refused += 1;
            return;
        }
        state.tally.served += 1;
        if key < state.newest
            && let Some(well_since) = state.well_since
        {
            let stale = state.since.max(well_since).elapsed();
            assert!(stale <= BOUND, "key {key} was replaced, and is read {stale:?} later");
            state.tally.stalest = state.tally.stalest.max(stale);
        }
    }

    pub(super) fn tally(&self) -> Served {
        self.0.lock().unwrap().tally
    }
}

impl fmt::Display for Served {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { served, refused, stalest } = self;
        write!(f, "{served} requests served, {refused} refused, the stalest key {stalest:?} old")
    }
}
