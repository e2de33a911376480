//! A credential that a test inspects.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_core::time::OffsetDateTime;
use futures::FutureExt;
use futures::future::{self, BoxFuture};
use keyvault_emulator::Emulator;

/// A credential that records the requested scopes and issues the tokens that a test chooses.
pub struct FakeCredential {
    issue: Issue,
    scopes: Mutex<Vec<String>>,
}

type Issue = Box<dyn Fn(&str) -> BoxFuture<'static, azure_core::Result<AccessToken>> + Send + Sync>;

impl FakeCredential {
    /// Issues the result of `issue`, which receives the requested scope.
    pub fn new<F>(issue: impl Fn(&str) -> F + Send + Sync + 'static) -> Arc<Self>
    where
        F: Future<Output = azure_core::Result<AccessToken>> + Send + 'static,
    {
        Arc::new(Self { issue: Box::new(move |scope| issue(scope).boxed()), scopes: Mutex::default() })
    }

    /// Issues the same token each time.
    pub fn fixed(token: impl Into<String>) -> Arc<Self> {
        let token = token.into();
        Self::new(move |_| yielding(Ok(valid_for(HOUR, token.clone()))))
    }

    /// Issues a new token of the emulator each time, as after a revocation.
    pub fn fresh(emulator: &Arc<Emulator>) -> Arc<Self> {
        let emulator = Arc::clone(emulator);
        Self::new(move |_| yielding(Ok(valid_for(HOUR, emulator.token()))))
    }

    /// Fails one second after each request.
    pub fn failing(error: impl Fn() -> azure_core::Error + Send + Sync + 'static) -> Arc<Self> {
        Self::new(move |_| {
            let error = error();
            async {
                tokio::time::sleep(Duration::from_secs(1)).await;
                Err(error)
            }
        })
    }

    /// Never completes.
    pub fn hanging() -> Arc<Self> {
        Self::new(|_| future::pending())
    }

    /// Returns the scope of every request for a token, in order.
    pub fn scopes(&self) -> Vec<String> {
        self.scopes.lock().unwrap().clone()
    }

    /// Returns how many tokens were requested.
    pub fn requests(&self) -> usize {
        self.scopes.lock().unwrap().len()
    }
}

/// Creates a token that expires after `time`.
pub fn valid_for(time: Duration, token: impl Into<String>) -> AccessToken {
    AccessToken::new(token.into(), OffsetDateTime::now_utc() + time)
}

/// One hour. Tokens of Microsoft Entra are valid at least this long.
pub const HOUR: Duration = Duration::from_secs(3_600);

/// Yields once before it returns `value`, as a credential on the network does, so that concurrent callers can queue up.
async fn yielding<T>(value: T) -> T {
    tokio::task::yield_now().await;
    value
}

#[async_trait::async_trait]
impl TokenCredential for FakeCredential {
    async fn get_token(&self, scopes: &[&str], _: Option<TokenRequestOptions<'_>>) -> azure_core::Result<AccessToken> {
        let scope = scopes.join(" ");
        self.scopes.lock().unwrap().push(scope.clone());
        (self.issue)(&scope).await
    }
}

/// Shows the requested scopes and no token.
impl fmt::Debug for FakeCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeCredential").field("scopes", &self.scopes()).finish_non_exhaustive()
    }
}
