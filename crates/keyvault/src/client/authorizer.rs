//! The token that a client shows to its vault.

use std::fmt;
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

/// Gets tokens for one scope, one at a time, for any number of requests.
///
/// Everybody who needs a token while one is being fetched waits for that one and shares it, or its failure. A token is
/// replaced by the next, never taken away: a request can always show what it was given, whatever others are told.
pub(super) struct Authorizer {
    credential: Arc<dyn TokenCredential>,
    scope: ArcSwap<String>,
    held: ArcSwapOption<Token>,
    last_fetch: Mutex<Option<Fetch>>,
    /// How many fetches failed; who waited through one shares its error instead of trying again.
    failures: AtomicU64,
}

/// When the last fetch ended, and how.
struct Fetch {
    ended: Instant,
    error: Option<Error>,
}

/// Which token is asked for.
#[derive(Clone, Copy)]
enum Wish {
    Any,
    /// Not the one that the vault refused, should the credential keep it.
    Another,
}

impl Wish {
    fn options(self) -> Option<TokenRequestOptions<'static>> {
        match self {
            Self::Any => None,
            Self::Another => {
                let mut options = TokenRequestOptions::default();
                options.method_options.context.insert(AnotherToken);
                Some(options)
            }
        }
    }
}

/// Asks a credential for another token than the one that a vault refused, and not for one from its cache.
///
/// It travels in the context of the request's options, where a credential that does not know it does not see it.
#[derive(Debug)]
pub(crate) struct AnotherToken;

/// A token, and what it was asked for.
pub(super) struct Token {
    token: AccessToken,
    scope: Arc<String>,
}

impl Token {
    pub(super) fn secret(&self) -> &str {
        self.token.token.secret()
    }

    fn lives_for(&self, time: Duration) -> bool {
        OffsetDateTime::now_utc() + time < self.token.expires_on
    }
}

impl Authorizer {
    pub(super) fn new(credential: Arc<dyn TokenCredential>, scope: String) -> Self {
        Self {
            credential,
            scope: ArcSwap::from_pointee(scope),
            held: ArcSwapOption::empty(),
            last_fetch: Mutex::new(None),
            failures: AtomicU64::new(0),
        }
    }

    /// Copies what is not bound to a vault.
    pub(super) fn for_scope(&self, scope: String) -> Self {
        Self::new(Arc::clone(&self.credential), scope)
    }

    /// Gives the token, fetching it first if there is none or it is about to expire.
    pub(super) async fn token(&self) -> Result<Arc<Token>> {
        let scope = self.scope.load_full();
        match self.held.load_full().filter(|held| held.scope == scope) {
            Some(held) if held.lives_for(RENEW_BEFORE_EXPIRY) => Ok(held),
            Some(held) if held.lives_for(Duration::ZERO) => Ok(self.renewed(held).await),
            held => self.fetch(held.as_ref(), Wish::Any).await,
        }
    }

    /// Gives the next token while `held` still lives. One caller fetches it, now and then and without much patience; the
    /// others go on with what there is, and so do all through an outage of whoever issues tokens.
    async fn renewed(&self, held: Arc<Token>) -> Arc<Token> {
        let Ok(mut last) = self.last_fetch.try_lock() else { return held };
        // Somebody may have been done with it just before the lock was free.
        let held = self.held.load_full().filter(|newer| newer.scope == held.scope).unwrap_or(held);
        if last.as_ref().is_some_and(|last| last.ended.elapsed() < PAUSE_BETWEEN_RENEWALS) {
            return held;
        }
        self.fetch_alone(&mut last, LONGEST_RENEWAL, Wish::Any).await.unwrap_or(held)
    }

    /// Gives another token than `refused`, for `scope` if the vault named one; none if the credential has no other.
    pub(super) async fn replace(&self, refused: &Arc<Token>, scope: Option<String>) -> Result<Option<Arc<Token>>> {
        if let Some(scope) = scope
            && **self.scope.load() != scope
        {
            self.scope.store(Arc::new(scope));
        }
        let token = self.fetch(Some(refused), Wish::Another).await?;
        let other = token.secret() != refused.secret();
        Ok(other.then_some(token))
    }

    /// Fetches a token unless somebody else has done so since `old` was held.
    async fn fetch(&self, old: Option<&Arc<Token>>, wish: Wish) -> Result<Arc<Token>> {
        let failures_before = self.failures.load(Ordering::Acquire);
        let mut last = self.last_fetch.lock().await;
        let is_old = |held: &Arc<Token>| old.is_some_and(|old| Arc::ptr_eq(old, held));
        if let Some(held) = self.held.load_full()
            && held.scope == self.scope.load_full()
            && !is_old(&held)
        {
            return Ok(held);
        }
        if let Some(Fetch { error: Some(error), .. }) = &*last
            && self.failures.load(Ordering::Acquire) > failures_before
        {
            return Err(error.clone());
        }
        self.fetch_alone(&mut last, LONGEST_FETCH, wish).await
    }

    /// The scope is read here, by whoever has the turn: it may have changed while others waited for theirs.
    async fn fetch_alone(&self, last: &mut Option<Fetch>, limit: Duration, wish: Wish) -> Result<Arc<Token>> {
        let scope = self.scope.load_full();
        let late = |_| {
            Err(Error::new(ErrorKind::Unavailable, "credential gave no token in time")
                .with_status(ReferenceStatus::FetchTimedOut))
        };
        let asked = async {
            let token = self.credential.get_token(&[&scope], wish.options()).await;
            token.map_err(|error| credential_error(&error))
        };
        // The credential's own patience may know no end, and its failure is shared only once it has one.
        let result = timeout(limit, asked).await.unwrap_or_else(late);
        *last = Some(Fetch { ended: Instant::now(), error: result.as_ref().err().cloned() });
        match result {
            Ok(token) => {
                let token = Arc::new(Token { token, scope });
                self.held.store(Some(Arc::clone(&token)));
                Ok(token)
            }
            Err(error) => {
                self.failures.fetch_add(1, Ordering::Release);
                Err(error)
            }
        }
    }
}

/// As early as the Azure SDKs do.
const RENEW_BEFORE_EXPIRY: Duration = Duration::from_secs(5 * 60);

/// How long a token that still lives is used without a try at the next.
const PAUSE_BETWEEN_RENEWALS: Duration = Duration::from_secs(10);

/// How long a request waits for the next token while it has one that lives.
const LONGEST_RENEWAL: Duration = Duration::from_secs(5);

/// Longer than a command-line tool or a cold metadata service takes.
const LONGEST_FETCH: Duration = Duration::from_secs(20);

/// Says what a credential's failure means, in our words: its own may quote what a token endpoint answered.
///
/// An error of this crate comes from a credential of this crate, and is passed on.
pub(crate) fn credential_error(error: &azure_core::Error) -> Error {
    let mut transient = false;
    let mut entra_code = None;
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(ours) = error.downcast_ref::<Error>() {
            return ours.clone();
        }
        if let Some(error) = error.downcast_ref::<azure_core::Error>() {
            transient |= is_transient(error.kind());
        }
        entra_code = entra_code.or_else(|| find_entra_code(&error.to_string()));
        cause = error.source();
    }
    let error = if transient {
        Error::new(ErrorKind::Unavailable, "no token could be had for now")
    } else {
        Error::new(ErrorKind::Denied, "credential gives no token")
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

/// Finds the [code](https://learn.microsoft.com/entra/identity-platform/reference-error-codes) that people search for:
/// `AADSTS` and digits.
fn find_entra_code(text: &str) -> Option<String> {
    let code = &text[text.find("AADSTS")?..];
    let digits = code["AADSTS".len()..].bytes().take(10).take_while(u8::is_ascii_digit).count();
    (digits > 0).then(|| code[.."AADSTS".len() + digits].to_owned())
}

impl fmt::Debug for Authorizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authorizer").field("scope", &**self.scope.load()).finish_non_exhaustive()
    }
}
