//! The service: fixed settings, and the state behind one lock.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::WWW_AUTHENTICATE;
use http::{HeaderValue, Response};
use tokio::sync::Notify;

use super::in_flight::InFlight;
use super::request_log::RequestLog;
use crate::clock::Clock;
use crate::faults::{DenialList, FaultList, Throttler};
use crate::identity::{AppRegistration, TokenIssuer, TokenRegistry, VAULT_AUDIENCE, challenge};
use crate::operations::MAX_PAGE;
use crate::protocol::ErrorResponse;
use crate::vaults::{OnExisting, RecoveryPolicy, Seed, SeedError, VaultMap};

/// The service.
pub(crate) struct Service {
    pub(crate) registration: AppRegistration,
    /// The URL of the token authority that the challenge names.
    pub(crate) authority: String,
    pub(crate) policy: RecoveryPolicy,
    pub(crate) clock: Clock,
    /// Wakes the task that saves changes.
    pub(crate) changed: Notify,
    pub(crate) in_flight: InFlight,
    state: Mutex<State>,
}

/// The state that requests and tests change.
pub(crate) struct State {
    pub(crate) vaults: VaultMap,
    pub(crate) tokens: TokenRegistry,
    pub(crate) faults: FaultList,
    pub(crate) denials: DenialList,
    pub(crate) throttler: Throttler,
    pub(crate) log: RequestLog,
    pub(crate) latency: Duration,
    /// The resource that the challenge names.
    pub(crate) resource: String,
    pub(crate) page_size: usize,
    /// The number of changes to vaults.
    pub(crate) changes: u64,
}

impl Default for State {
    fn default() -> Self {
        Self {
            vaults: VaultMap::default(),
            tokens: TokenRegistry::default(),
            faults: FaultList::default(),
            denials: DenialList::default(),
            throttler: Throttler::default(),
            log: RequestLog::default(),
            latency: Duration::ZERO,
            resource: VAULT_AUDIENCE.to_owned(),
            page_size: MAX_PAGE,
            changes: 0,
        }
    }
}

impl Service {
    /// Creates a service whose tokens come from `authority`.
    pub(crate) fn new(
        authority: String,
        registration: AppRegistration,
        policy: RecoveryPolicy,
        clock: Clock,
        state: State,
    ) -> Self {
        Self {
            registration,
            authority,
            policy,
            clock,
            changed: Notify::new(),
            in_flight: InFlight::default(),
            state: Mutex::new(state),
        }
    }

    /// Returns the time since 1970.
    pub(crate) fn now(&self) -> Duration {
        self.clock.now()
    }

    /// Locks the state. A poisoned lock is used as it is, because a panic elsewhere must not stop the server.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a change to a vault and wakes the task that saves it.
    pub(crate) fn record_change(&self, state: &mut State) {
        state.changes += 1;
        self.changed.notify_one();
    }

    /// Resets counters, log and the maximum number of requests in flight.
    pub(crate) fn reset_requests(&self) {
        self.state().log = RequestLog::default();
        self.in_flight.reset();
    }

    /// Loads a seed into the vaults. Returns the number of secrets that were set.
    pub(crate) fn load(&self, seed: &Seed, existing: OnExisting) -> Result<usize, SeedError> {
        let mut state = self.state();
        let result = seed.load(&mut state.vaults, self.now(), existing);
        self.record_change(&mut state);
        result
    }

    /// Returns the issuer of tokens.
    pub(crate) fn token_issuer<'a>(&'a self, state: &'a mut State) -> TokenIssuer<'a> {
        TokenIssuer { registration: &self.registration, tokens: &mut state.tokens, now: self.now() }
    }

    /// Returns the response for an error. A 401 contains the challenge.
    pub(super) fn error_response(&self, state: &State, error: &ErrorResponse) -> Response<Bytes> {
        let mut response = error.to_response();
        if error.status == 401 {
            let challenge = challenge(&self.authority, &self.registration.tenant_id, &state.resource);
            if let Ok(challenge) = HeaderValue::try_from(challenge) {
                response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
            }
        }
        response
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").field("authority", &self.authority).finish_non_exhaustive()
    }
}
