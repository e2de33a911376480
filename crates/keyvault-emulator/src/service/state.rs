//! The service: fixed settings, and the state behind one lock.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::WWW_AUTHENTICATE;
use http::{HeaderValue, Response};
use tokio::sync::Notify;

use super::data::Data;
use super::data_states::{DataStates, PendingSave};
use super::in_flight::InFlight;
use super::next_issuance::NextIssuance;
use super::request_log::RequestLog;
use crate::app_configuration::MAX_STORE_PAGE;
use crate::certificates::CertificateAuthority;
use crate::clock::Clock;
use crate::faults::{DenialList, FaultList, Throttler};
use crate::identity::{AppRegistration, TokenIssuer, TokenRegistry, VAULT_AUDIENCE, challenge};
use crate::operations::MAX_PAGE;
use crate::protocol::ErrorResponse;
use crate::seeds::{Loaded, OnExisting, Seed, SeedError};
use crate::vaults::RecoveryPolicy;

/// The service.
pub(crate) struct Service {
    pub(crate) registration: AppRegistration,
    /// The URL of the token authority that the challenge names.
    pub(crate) authority: String,
    pub(crate) policy: RecoveryPolicy,
    pub(crate) clock: Clock,
    /// Signs the certificates whose policy names it.
    pub(crate) certificate_authority: Arc<CertificateAuthority>,
    /// Wakes the task that saves changes.
    pub(crate) changed: Notify,
    pub(crate) in_flight: InFlight,
    /// Held while certificates are issued, so that two requests do not issue the same version.
    pub(super) issuing: Mutex<()>,
    state: Mutex<State>,
}

/// The state that requests and tests change.
pub(crate) struct State {
    pub(crate) data: DataStates,
    pub(crate) tokens: TokenRegistry,
    pub(crate) faults: FaultList,
    pub(crate) denials: DenialList,
    pub(crate) throttler: Throttler,
    /// The name of the default App Configuration store. Empty without a name.
    pub(crate) store_name: String,
    /// The limits of each App Configuration store.
    pub(crate) store_throttler: Throttler,
    pub(crate) log: RequestLog,
    pub(crate) latency: Duration,
    /// `None` before the first search.
    pub(crate) next_issuance: Option<NextIssuance>,
    /// The resource that the challenge names.
    pub(crate) resource: String,
    pub(crate) page_size: usize,
    /// The maximum number of items in a page of an App Configuration store.
    pub(crate) store_page_size: usize,
    /// The time until a read of an App Configuration store without a sync token sees a change.
    pub(crate) store_read_delay: Duration,
}

impl Default for State {
    fn default() -> Self {
        Self {
            data: DataStates::default(),
            tokens: TokenRegistry::default(),
            faults: FaultList::default(),
            denials: DenialList::default(),
            throttler: Throttler::default(),
            store_name: String::new(),
            store_throttler: Throttler::default(),
            log: RequestLog::default(),
            latency: Duration::ZERO,
            next_issuance: None,
            resource: VAULT_AUDIENCE.to_owned(),
            page_size: MAX_PAGE,
            store_page_size: MAX_STORE_PAGE,
            store_read_delay: Duration::ZERO,
        }
    }
}

impl State {
    /// Returns the lower-case name under which a store is kept: none for the default store.
    pub(crate) fn store_id(&self, name: &str) -> String {
        if self.store_name.eq_ignore_ascii_case(name) { String::new() } else { name.to_ascii_lowercase() }
    }
}

impl Service {
    /// Creates a service whose tokens come from `authority`.
    pub(crate) fn new(
        authority: String,
        registration: AppRegistration,
        policy: RecoveryPolicy,
        clock: Clock,
        certificate_authority: Arc<CertificateAuthority>,
        state: State,
    ) -> Self {
        Self {
            registration,
            authority,
            policy,
            clock,
            certificate_authority,
            changed: Notify::new(),
            in_flight: InFlight::default(),
            issuing: Mutex::default(),
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
        change: impl FnOnce(&mut Data) -> Result<T, E>,
    ) -> Result<(T, Option<PendingSave>), E> {
        let changed = state.data.change(change)?;
        self.changed.notify_one();
        Ok(changed)
    }

    /// Makes a change for a test, visible at once, and wakes the task that saves it.
    pub(crate) fn change_now<T>(&self, change: impl Fn(&mut Data) -> T) -> T {
        let result = self.state().data.change_now(change);
        self.changed.notify_one();
        result
    }

    /// Resets counters, log and the maximum number of requests in flight.
    pub(crate) fn reset_requests(&self) {
        self.state().log = RequestLog::default();
        self.in_flight.reset();
    }

    /// Loads a seed for a test.
    pub(crate) fn load(&self, seed: &Seed, existing: OnExisting) -> Result<Loaded, SeedError> {
        let (seed, now) = (seed.with_versions(), self.now());
        self.change_now(|data| self.load_into(data, &seed, now, existing))
    }

    /// Loads a seed into some data.
    pub(crate) fn load_into(
        &self,
        data: &mut Data,
        seed: &Seed,
        now: Duration,
        existing: OnExisting,
    ) -> Result<Loaded, SeedError> {
        // The authority and the default vault have the same URL.
        seed.load(&mut data.vaults, &mut data.stores, &self.authority, now, existing)
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

#[cfg(test)]
impl Service {
    /// Creates a service with a frozen clock.
    pub(crate) fn for_test(state: State) -> Self {
        let authority = Arc::new(CertificateAuthority::new().expect("the system has random bytes"));
        let clock = Clock::new(Arc::new(std::time::SystemTime::now));
        clock.freeze();
        let (url, registration) = ("https://localhost".to_owned(), AppRegistration::random());
        Self::new(url, registration, RecoveryPolicy::default(), clock, authority, state)
    }
}
