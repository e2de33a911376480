//! The token of a client: fetched once for all requests, renewed, replaced.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
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
pub struct Authorizer {
    pub(super) credential: Arc<dyn TokenCredential>,
    /// Only the holder of `fetches` changes it.
    cached: ArcSwapOption<AccessToken>,
    fetches: Mutex<Fetches>,
    /// The number of failed fetches, without renewals. A request that waited for a fetch that failed shares its error.
    failures: AtomicU64,
}

/// The state of the one who fetches.
struct Fetches {
    /// The scope of the cached token, or of the first one.
    scope: String,
    last: Option<LastFetch>,
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
    /// Creates an authorizer, which fetches nothing yet.
    pub fn new(credential: Arc<dyn TokenCredential>, scope: String) -> Self {
        Self {
            credential,
            cached: ArcSwapOption::empty(),
            fetches: Mutex::new(Fetches { scope, last: None }),
            failures: AtomicU64::new(0),
        }
    }

    /// Returns the token, and first fetches one if it is missing or about to expire.
    pub(super) async fn token(&self) -> Result<Arc<AccessToken>> {
        match self.cached.load_full() {
            Some(cached) if is_valid_for(&cached, RENEW_BEFORE_EXPIRY) => Ok(cached),
            Some(cached) if is_valid_for(&cached, Duration::ZERO) => Ok(self.renew(cached).await),
            cached => self.fetch(cached.as_ref(), None, false).await,
        }
    }

    /// Returns the next token, or `cached` until there is one. One request at a time tries to fetch it, with a pause
    /// between two tries and a short limit; the others use `cached`. So requests continue while tokens cannot be
    /// fetched.
    async fn renew(&self, cached: Arc<AccessToken>) -> Arc<AccessToken> {
        let Ok(mut fetches) = self.fetches.try_lock() else { return cached };
        // Another request may have renewed it just before this one took the lock.
        let cached = self.cached.load_full().unwrap_or(cached);
        if fetches.last.as_ref().is_some_and(|last| last.ended.elapsed() < PAUSE_BETWEEN_RENEWALS) {
            return cached;
        }
        let scope = fetches.scope.clone();
        self.fetch_locked(&mut fetches, scope, LONGEST_RENEWAL, false).await.unwrap_or(cached)
    }

    /// Returns another token than `rejected`, for `scope` if the vault named one. `None` if the credential has no
    /// other.
    pub(super) async fn replace(
        &self,
        rejected: &Arc<AccessToken>,
        scope: Option<String>,
    ) -> Result<Option<Arc<AccessToken>>> {
        let token = self.fetch(Some(rejected), scope, true).await?;
        Ok(Some(token).filter(|token| token.token.secret() != rejected.token.secret()))
    }

    /// Fetches a token, unless another request has replaced `old` in the meantime by one for `scope`. Without `scope`,
    /// that of the cached token stays.
    async fn fetch(
        &self,
        old: Option<&Arc<AccessToken>>,
        scope: Option<String>,
        bypass_cache: bool,
    ) -> Result<Arc<AccessToken>> {
        let failures_before = self.failures.load(Ordering::Acquire);
        let mut fetches = self.fetches.lock().await;
        // A renewal for the scope before may have ended just now.
        let has_scope = scope.as_ref().is_none_or(|scope| *scope == fetches.scope);
        if let Some(cached) = self.cached.load_full().filter(|_| has_scope)
            && old.is_none_or(|old| !Arc::ptr_eq(old, &cached))
        {
            return Ok(cached);
        }
        if let Some(LastFetch { error: Some(error), .. }) = &fetches.last
            && self.failures.load(Ordering::Acquire) > failures_before
        {
            return Err(error.clone());
        }
        let scope = scope.unwrap_or_else(|| fetches.scope.clone());
        let result = self.fetch_locked(&mut fetches, scope, LONGEST_FETCH, bypass_cache).await;
        if result.is_err() {
            self.failures.fetch_add(1, Ordering::Release);
        }
        result
    }

    /// Fetches a token for `scope` while holding the lock.
    async fn fetch_locked(
        &self,
        fetches: &mut Fetches,
        scope: String,
        limit: Duration,
        bypass_cache: bool,
    ) -> Result<Arc<AccessToken>> {
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
        fetches.last = Some(LastFetch { ended: Instant::now(), error: result.as_ref().err().cloned() });
        if let Ok(token) = &result {
            fetches.scope = scope;
            self.cached.store(Some(Arc::clone(token)));
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
        // The official clients explain this code, too: the tenant knows no such audience.
        Some(code) if code == "AADSTS500011" => {
            error.caused_by(format!("Microsoft Entra answered {code}")).with_help(WRONG_CLOUD_HELP)
        }
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

const WRONG_CLOUD_HELP: &str =
    "the tenant has no such service: check that the URL and the credential belong to the same cloud";

/// The same as in the Azure SDKs.
const RENEW_BEFORE_EXPIRY: Duration = Duration::from_secs(5 * 60);

/// The time between two tries to renew a token that is still valid.
const PAUSE_BETWEEN_RENEWALS: Duration = Duration::from_secs(10);

/// The time that a request with a valid token waits for the next one.
const LONGEST_RENEWAL: Duration = Duration::from_secs(5);

/// Longer than a command-line tool or a cold metadata service takes.
const LONGEST_FETCH: Duration = Duration::from_secs(20);

#[cfg(test)]
mod tests {
    use azure_core::credentials::Secret;
    use tokio::sync::Semaphore;

    use super::*;

    /// A credential whose tokens are named after their scope and number. Each fetch waits for a permit.
    #[derive(Debug)]
    struct Gated {
        permits: Semaphore,
        /// The time for which the first token is valid.
        first_valid: Duration,
        fetches: AtomicU64,
    }

    #[async_trait::async_trait]
    impl TokenCredential for Gated {
        async fn get_token(
            &self,
            scopes: &[&str],
            _: Option<TokenRequestOptions<'_>>,
        ) -> azure_core::Result<AccessToken> {
            let number = self.fetches.fetch_add(1, Ordering::SeqCst);
            let valid = if number == 0 { self.first_valid } else { Duration::from_secs(3_600) };
            self.permits.acquire().await.unwrap().forget();
            Ok(AccessToken::new(Secret::new(format!("{}{number}", scopes[0])), OffsetDateTime::now_utc() + valid))
        }
    }

    #[test]
    fn a_credential_of_another_cloud_is_explained() {
        let failed = |code| {
            let text = format!("{code}: The resource principal named https://a was not found in the tenant");
            credential_error(&azure_core::Error::with_message(azure_core::error::ErrorKind::Credential, text))
        };
        let error = failed("AADSTS500011");
        assert_eq!(error.advice(), Some(WRONG_CLOUD_HELP));
        let report = error.report();
        assert!(report.contains("Microsoft Entra answered AADSTS500011"), "{report}");
        assert!(!report.contains("principal"), "{report}");
        assert_ne!(failed("AADSTS700016").advice(), Some(WRONG_CLOUD_HELP));
    }

    #[tokio::test]
    async fn a_challenge_for_another_scope_wins_over_a_renewal_that_runs() {
        let credential = Arc::new(Gated {
            permits: Semaphore::new(1),
            first_valid: RENEW_BEFORE_EXPIRY / 2,
            fetches: AtomicU64::new(0),
        });
        let authorizer = Authorizer::new(Arc::clone(&credential) as _, "a".to_owned());
        let rejected = authorizer.token().await.unwrap();
        // The pause between renewals is over.
        authorizer.fetches.lock().await.last = None;
        let open = async {
            while credential.fetches.load(Ordering::SeqCst) < 2 {
                tokio::task::yield_now().await;
            }
            credential.permits.add_permits(2);
        };
        let (renewed, replaced, again, ()) = futures::join!(
            authorizer.token(),
            authorizer.replace(&rejected, Some("b".to_owned())),
            authorizer.replace(&rejected, Some("b".to_owned())),
            open
        );
        assert_eq!(renewed.unwrap().token.secret(), "a1");
        assert_eq!(replaced.unwrap().unwrap().token.secret(), "b2");
        assert_eq!(again.unwrap().unwrap().token.secret(), "b2");
        assert_eq!(authorizer.token().await.unwrap().token.secret(), "b2");
    }
}
