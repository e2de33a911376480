//! The token of a client: fetched once for all requests, renewed, replaced.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_core::time::OffsetDateTime;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use crate::error::{Error, ErrorKind, Result};
use crate::report::ReferenceStatus;

/// Fetches tokens for one scope, one at a time, for any number of requests.
///
/// A request that needs a token while one is being fetched waits for that one and shares it, or its error. A new token
/// replaces the old one, which is never removed: a request can always use the token it was given.
pub(super) struct Authorizer {
    pub(super) credential: Arc<dyn TokenCredential>,
    scope: ArcSwap<String>,
    cached: ArcSwapOption<AccessToken>,
    last_fetch: Mutex<Option<LastFetch>>,
    /// The number of failed fetches. A request that waited for a fetch that failed shares its error.
    failures: AtomicU64,
}

/// When the last fetch ended, and its error.
struct LastFetch {
    ended: Instant,
    error: Option<Error>,
}

/// Asks a credential for a new token instead of the one in its cache, which the vault rejected.
///
/// It is passed in the context of the request options, where a credential that does not know it ignores it.
#[derive(Debug)]
pub(crate) struct BypassTokenCache;

impl Authorizer {
    pub(super) fn new(credential: Arc<dyn TokenCredential>, scope: String) -> Self {
        Self {
            credential,
            scope: ArcSwap::from_pointee(scope),
            cached: ArcSwapOption::empty(),
            last_fetch: Mutex::new(None),
            failures: AtomicU64::new(0),
        }
    }

    /// Returns the token, and first fetches one if it is missing or about to expire.
    pub(super) async fn token(&self) -> Result<Arc<AccessToken>> {
        match self.cached.load_full() {
            Some(cached) if is_valid_for(&cached, RENEW_BEFORE_EXPIRY) => Ok(cached),
            Some(cached) if is_valid_for(&cached, Duration::ZERO) => Ok(self.renew(cached).await),
            cached => self.fetch(cached.as_ref(), false).await,
        }
    }

    /// Returns the next token, or `cached` until there is one. One request at a time tries to fetch it, with a pause
    /// between two tries and a short limit; the others use `cached`. So requests continue while tokens cannot be
    /// fetched.
    async fn renew(&self, cached: Arc<AccessToken>) -> Arc<AccessToken> {
        let Ok(mut last) = self.last_fetch.try_lock() else { return cached };
        // Another request may have renewed it just before this one took the lock.
        let cached = self.cached.load_full().unwrap_or(cached);
        if last.as_ref().is_some_and(|last| last.ended.elapsed() < PAUSE_BETWEEN_RENEWALS) {
            return cached;
        }
        self.fetch_locked(&mut last, LONGEST_RENEWAL, false).await.unwrap_or(cached)
    }

    /// Returns another token than `rejected`, for `scope` if the vault named one. `None` if the credential has no
    /// other.
    pub(super) async fn replace(
        &self,
        rejected: &Arc<AccessToken>,
        scope: Option<String>,
    ) -> Result<Option<Arc<AccessToken>>> {
        if let Some(scope) = scope {
            self.scope.store(Arc::new(scope));
        }
        let token = self.fetch(Some(rejected), true).await?;
        Ok(Some(token).filter(|token| token.token.secret() != rejected.token.secret()))
    }

    /// Fetches a token, unless another request has replaced `old` in the meantime.
    async fn fetch(&self, old: Option<&Arc<AccessToken>>, bypass_cache: bool) -> Result<Arc<AccessToken>> {
        let failures_before = self.failures.load(Ordering::Acquire);
        let mut last = self.last_fetch.lock().await;
        if let Some(cached) = self.cached.load_full()
            && old.is_none_or(|old| !Arc::ptr_eq(old, &cached))
        {
            return Ok(cached);
        }
        if let Some(LastFetch { error: Some(error), .. }) = &*last
            && self.failures.load(Ordering::Acquire) > failures_before
        {
            return Err(error.clone());
        }
        self.fetch_locked(&mut last, LONGEST_FETCH, bypass_cache).await
    }

    /// Fetches a token while holding the lock. Reads the scope only now, because it can change while a request waits.
    async fn fetch_locked(
        &self,
        last: &mut Option<LastFetch>,
        limit: Duration,
        bypass_cache: bool,
    ) -> Result<Arc<AccessToken>> {
        let scope = self.scope.load_full();
        let mut options = TokenRequestOptions::default();
        if bypass_cache {
            options.method_options.context.insert(BypassTokenCache);
        }
        // A credential may have no time limit of its own, and its error is shared only once it has failed.
        let result = match timeout(limit, self.credential.get_token(&[&scope], Some(options))).await {
            Ok(Ok(token)) => Ok(Arc::new(token)),
            Ok(Err(error)) => Err(credential_error(&error)),
            Err(_) => Err(Error::new(ErrorKind::Unavailable, "credential did not return a token in time")
                .with_status(ReferenceStatus::FetchTimedOut)),
        };
        *last = Some(LastFetch { ended: Instant::now(), error: result.as_ref().err().cloned() });
        match &result {
            Ok(token) => self.cached.store(Some(Arc::clone(token))),
            Err(_) => _ = self.failures.fetch_add(1, Ordering::Release),
        }
        result
    }
}

fn is_valid_for(token: &AccessToken, time: Duration) -> bool {
    OffsetDateTime::now_utc() + time < token.expires_on
}

/// Translates the error of a credential into our words: its own may quote what a token endpoint answered.
///
/// Passes an error of this crate through.
pub(crate) fn credential_error(error: &azure_core::Error) -> Error {
    let mut is_transient_error = false;
    let mut entra_code = None;
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(ours) = error.downcast_ref::<Error>() {
            return ours.clone();
        }
        if let Some(error) = error.downcast_ref::<azure_core::Error>() {
            is_transient_error |= is_transient(error.kind());
        }
        entra_code = entra_code.or_else(|| find_entra_code(&error.to_string()));
        cause = error.source();
    }
    let error = if is_transient_error {
        Error::new(ErrorKind::Unavailable, "token cannot be fetched for now")
    } else {
        Error::new(ErrorKind::Denied, "credential returned no token")
    };
    let error = error.with_status(ReferenceStatus::MsiNotEnabled);
    match entra_code {
        Some(code) => error.caused_by(format!("Microsoft Entra answered {code}")),
        None => error,
    }
}

fn is_transient(kind: &azure_core::error::ErrorKind) -> bool {
    use azure_core::error::ErrorKind as Kind;
    match kind {
        Kind::Connection | Kind::Io => true,
        Kind::HttpResponse { status, .. } => matches!(u16::from(*status), 408 | 429 | 500..=599),
        _ => false,
    }
}

/// Finds the [error code of Entra](https://learn.microsoft.com/entra/identity-platform/reference-error-codes), which
/// people search for: `AADSTS` and digits.
fn find_entra_code(text: &str) -> Option<String> {
    let code = &text[text.find("AADSTS")?..];
    let digits = code["AADSTS".len()..].bytes().take(10).take_while(u8::is_ascii_digit).count();
    (digits > 0).then(|| code[.."AADSTS".len() + digits].to_owned())
}

/// The same as in the Azure SDKs.
const RENEW_BEFORE_EXPIRY: Duration = Duration::from_secs(5 * 60);

/// The time between two tries to renew a token that is still valid.
const PAUSE_BETWEEN_RENEWALS: Duration = Duration::from_secs(10);

/// The time that a request with a valid token waits for the next one.
const LONGEST_RENEWAL: Duration = Duration::from_secs(5);

/// Longer than a command-line tool or a cold metadata service takes.
const LONGEST_FETCH: Duration = Duration::from_secs(20);
