//! The token that a client shows to its vault.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use azure_core::credentials::{AccessToken, TokenCredential};
use azure_core::time::OffsetDateTime;
use tokio::sync::Mutex;

use crate::error::{Error, ErrorKind, Result};
use crate::status::ReferenceStatus;

/// Gets tokens for one scope, one at a time, for any number of requests.
///
/// Everybody who needs a token while one is being fetched waits for that one and shares it, or its failure. A token is
/// replaced by the next, never taken away: a request can always show what it was given, whatever others are told.
pub(super) struct Authorizer {
    credential: Arc<dyn TokenCredential>,
    scope: ArcSwap<String>,
    held: ArcSwapOption<Token>,
    fetching: Mutex<Option<Error>>,
    /// How many fetches failed; who waited through one shares its error instead of trying again.
    failed: AtomicU64,
}

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
            fetching: Mutex::new(None),
            failed: AtomicU64::new(0),
        }
    }

    /// Copies what is not bound to a vault.
    pub(super) fn for_scope(&self, scope: String) -> Self {
        Self::new(Arc::clone(&self.credential), scope)
    }

    /// Gives the token, fetching it first if there is none or it is about to expire.
    pub(super) async fn token(&self) -> Result<Arc<Token>> {
        let scope = self.scope.load_full();
        let held = self.held.load_full().filter(|held| held.scope == scope);
        match held {
            Some(held) if held.lives_for(REFRESH_BEFORE_EXPIRY) => Ok(held),
            // One that still lives bridges an outage of whoever issues them.
            Some(held) if held.lives_for(Duration::ZERO) => Ok(self.fetch(scope, Some(&held)).await.unwrap_or(held)),
            _ => self.fetch(scope, held.as_ref()).await,
        }
    }

    /// Gives another token than `refused`, for `scope` if the vault named one; none if the credential has no other.
    pub(super) async fn replace(&self, refused: &Arc<Token>, scope: Option<String>) -> Result<Option<Arc<Token>>> {
        if let Some(scope) = scope
            && **self.scope.load() != scope
        {
            self.scope.store(Arc::new(scope));
        }
        let token = self.fetch(self.scope.load_full(), Some(refused)).await?;
        let other = token.secret() != refused.secret();
        Ok(other.then_some(token))
    }

    /// Fetches a token unless somebody else has done so since `old` was held.
    async fn fetch(&self, scope: Arc<String>, old: Option<&Arc<Token>>) -> Result<Arc<Token>> {
        let failed_before = self.failed.load(Ordering::Acquire);
        let mut last_failure = self.fetching.lock().await;
        let is_old = |held: &Arc<Token>| old.is_some_and(|old| Arc::ptr_eq(old, held));
        if let Some(held) = self.held.load_full()
            && held.scope == scope
            && !is_old(&held)
        {
            return Ok(held);
        }
        if let Some(failure) = &*last_failure
            && self.failed.load(Ordering::Acquire) > failed_before
        {
            return Err(failure.clone());
        }
        match self.credential.get_token(&[&scope], None).await {
            Ok(token) => {
                let token = Arc::new(Token { token, scope });
                self.held.store(Some(Arc::clone(&token)));
                *last_failure = None;
                Ok(token)
            }
            Err(error) => {
                let error = credential_error(&error);
                *last_failure = Some(error.clone());
                self.failed.fetch_add(1, Ordering::Release);
                Err(error)
            }
        }
    }
}

/// As early as the Azure SDKs do.
const REFRESH_BEFORE_EXPIRY: Duration = Duration::from_secs(5 * 60);

/// Says what a credential's failure means, in our words: its own may quote what a token endpoint answered.
fn credential_error(error: &azure_core::Error) -> Error {
    let mut transient = false;
    let mut entra_code = None;
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
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
