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
use super::vault_states::{PendingSave, VaultStates};
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
    pub(crate) vaults: VaultStates,
    pub(crate) tokens: TokenRegistry,
    pub(crate) faults: FaultList,
    pub(crate) denials: DenialList,
    pub(crate) throttler: Throttler,
    pub(crate) log: RequestLog,
    pub(crate) latency: Duration,
    /// The resource that the challenge names.
    pub(crate) resource: String,
    pub(crate) page_size: usize,
}

impl Default for State {
    fn default() -> Self {
        Self {
            vaults: VaultStates::default(),
            tokens: TokenRegistry::default(),
            faults: FaultList::default(),
            denials: DenialList::default(),
            throttler: Throttler::default(),
            log: RequestLog::default(),
            latency: Duration::ZERO,
            resource: VAULT_AUDIENCE.to_owned(),
            page_size: MAX_PAGE,
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

    /// Makes a change for a client, and wakes the task that saves it.
    pub(crate) fn change<T, E>(
        &self,
        state: &mut State,
        change: impl FnOnce(&mut VaultMap) -> Result<T, E>,
    ) -> Result<(T, Option<PendingSave>), E> {
        let changed = state.vaults.change(change)?;
        self.changed.notify_one();
        Ok(changed)
    }

    /// Makes a change for a test, visible at once, and wakes the task that saves it.
    pub(crate) fn change_now<T>(&self, change: impl Fn(&mut VaultMap) -> T) -> T {
        let result = self.state().vaults.change_now(change);
        self.changed.notify_one();
        result
    }

    /// Resets counters, log and the maximum number of requests in flight.
    pub(crate) fn reset_requests(&self) {
        self.state().log = RequestLog::default();
        self.in_flight.reset();
    }

    /// Loads a seed into the vaults for a test. Returns the number of secrets that were set.
    pub(crate) fn load(&self, seed: &Seed, existing: OnExisting) -> Result<usize, SeedError> {
        let (seed, now) = (seed.with_versions(), self.now());
        self.change_now(|vaults| seed.load(vaults, now, existing))
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
