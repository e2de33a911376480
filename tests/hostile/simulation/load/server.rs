//! What the service logs in to.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use super::BOUND;

/// A server with two valid keys. `Clone` shares it.
#[derive(Clone)]
pub(super) struct Server(Arc<Mutex<State>>);

struct State {
    /// The number of the newest key. The one before is valid, too.
    newest: u64,
    /// When the newest was put into the vault.
    since: Instant,
    /// When the vault was well again last; none while it is not.
    well_since: Option<Instant>,
    tally: Served,
}

/// What became of requests.
#[derive(Clone, Copy, Default)]
pub(super) struct Served {
    pub(super) served: u64,
    pub(super) refused: u64,
    /// The longest that a key was used after it was replaced, with the vault well.
    pub(super) stalest: Duration,
}

impl Server {
    pub(super) fn open() -> Self {
        let now = Instant::now();
        let state = State { newest: 1, since: now, well_since: Some(now), tally: Served::default() };
        Self(Arc::new(Mutex::new(state)))
    }

    /// Replaces the older key, and tells the new one.
    pub(super) fn rotate(&self) -> u64 {
        let mut state = self.0.lock().unwrap();
        (state.newest, state.since) = (state.newest + 1, Instant::now());
        state.newest
    }

    pub(super) fn newest(&self) -> u64 {
        self.0.lock().unwrap().newest
    }

    /// Learns whether whoever asks the vault is answered.
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
