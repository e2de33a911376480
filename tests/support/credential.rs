//! A credential that a test looks into.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_core::time::OffsetDateTime;
use futures::FutureExt;
use futures::future::{self, BoxFuture};
use keyvault_emulator::Emulator;

/// A credential that does what it is told to and remembers the scopes it was asked for.
pub(crate) struct FakeCredential {
    issue: Issue,
    scopes: Mutex<Vec<String>>,
}

/// Gives the token for a scope.
type Issue = Box<dyn Fn(&str) -> BoxFuture<'static, azure_core::Result<AccessToken>> + Send + Sync>;

impl FakeCredential {
    /// Hands out whatever `issue` comes to.
    pub(crate) fn new<F>(issue: impl Fn(&str) -> F + Send + Sync + 'static) -> Arc<Self>
    where
        F: Future<Output = azure_core::Result<AccessToken>> + Send + 'static,
    {
        Arc::new(Self { issue: Box::new(move |scope| issue(scope).boxed()), scopes: Mutex::default() })
    }

    /// Hands out the same token each time.
    pub(crate) fn fixed(token: impl Into<String>) -> Arc<Self> {
        let token = token.into();
        Self::new(move |_| turn(Ok(good_for(HOUR, token.clone()))))
    }

    /// Hands out another token of the emulator each time, as after the old one was revoked.
    pub(crate) fn fresh(emulator: &Arc<Emulator>) -> Arc<Self> {
        let emulator = Arc::clone(emulator);
        Self::new(move |_| turn(Ok(good_for(HOUR, emulator.token()))))
    }

    /// Fails, a second after it was asked.
    pub(crate) fn failing(error: impl Fn() -> azure_core::Error + Send + Sync + 'static) -> Arc<Self> {
        Self::new(move |_| {
            let error = error();
            async {
                tokio::time::sleep(Duration::from_secs(1)).await;
                Err(error)
            }
        })
    }

    /// Never answers.
    pub(crate) fn hanging() -> Arc<Self> {
        Self::new(|_| future::pending())
    }

    /// Tells the scope of every request for a token, in order.
    pub(crate) fn scopes(&self) -> Vec<String> {
        self.scopes.lock().unwrap().clone()
    }

    /// Tells how often a token was asked for.
    pub(crate) fn asked(&self) -> usize {
        self.scopes.lock().unwrap().len()
    }
}

/// Makes a token that expires after `time`.
pub(crate) fn good_for(time: Duration, token: String) -> AccessToken {
    AccessToken::new(token, OffsetDateTime::now_utc() + time)
}

/// How long the tokens of Entra are good, or longer.
pub(crate) const HOUR: Duration = Duration::from_secs(3_600);

/// Gives everybody else a turn first, as a credential that asks the network does: a herd has the time to form.
async fn turn<T>(value: T) -> T {
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

/// Shows what was asked, and no token.
impl fmt::Debug for FakeCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeCredential").field("scopes", &self.scopes()).finish_non_exhaustive()
    }
}
