//! A vault behind a transport in this process, and a credential for it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_core::error::ErrorKind;
use azure_core::http::headers::{AUTHORIZATION, Headers};
use azure_core::http::{AsyncRawResponse, ClientOptions, HttpClient, Request, Transport};
use azure_core::time::OffsetDateTime;
use keyvault_model::client::SecretClient;
use shuttle::future::yield_now;

/// The answer of the vault to a request.
pub(crate) enum Answer {
    Secret,
    Unauthorized,
    Throttled,
    BrokenConnection,
}

/// A transport that counts requests, and yields while one is in flight.
pub(crate) struct FakeTransport {
    answer: fn(SentRequest<'_>) -> Answer,
    requests: AtomicUsize,
    in_flight: AtomicUsize,
    most_in_flight: AtomicUsize,
}

/// A request that reached the vault.
pub(crate) struct SentRequest<'r> {
    /// 0 for the first request.
    pub(crate) number: usize,
    pub(crate) token: &'r str,
}

impl FakeTransport {
    pub(crate) fn new(answer: fn(SentRequest<'_>) -> Answer) -> Arc<Self> {
        let zero = AtomicUsize::default;
        Arc::new(Self { answer, requests: zero(), in_flight: zero(), most_in_flight: zero() })
    }

    /// Returns a client that reaches the vault with tokens of `credential`.
    pub(crate) fn client(self: &Arc<Self>, credential: &Arc<CountingCredential>) -> SecretClient {
        let transport = Transport::new(Arc::clone(self) as Arc<dyn HttpClient>);
        SecretClient::builder("https://contoso.vault.azure.net")
            .credential(Arc::clone(credential) as Arc<dyn TokenCredential>)
            .client_options(ClientOptions { transport: Some(transport), ..ClientOptions::default() })
            .build()
            .unwrap()
    }

    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    pub(crate) fn most_in_flight(&self) -> usize {
        self.most_in_flight.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl HttpClient for FakeTransport {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let number = self.requests.fetch_add(1, Ordering::SeqCst);
        let in_flight = InFlight::enter(&self.in_flight);
        self.most_in_flight.fetch_max(in_flight.count, Ordering::SeqCst);
        yield_now().await;
        let token = request.headers().get_optional_str(&AUTHORIZATION).unwrap().trim_start_matches("Bearer ");
        let mut headers = Headers::new();
        let (status, body) = match (self.answer)(SentRequest { number, token }) {
            Answer::Secret => (200, SECRET),
            Answer::Unauthorized => (401, ""),
            Answer::Throttled => {
                headers.insert("retry-after", "0");
                (429, "")
            }
            Answer::BrokenConnection => return Err(azure_core::Error::with_message(ErrorKind::Io, "broken")),
        };
        Ok(AsyncRawResponse::from_bytes(status.into(), headers, body))
    }
}

impl fmt::Debug for FakeTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeTransport").finish_non_exhaustive()
    }
}

/// Counts one request in flight, until dropped.
pub(crate) struct InFlight<'c> {
    counter: &'c AtomicUsize,
    /// The number of requests in flight, including this one.
    pub(crate) count: usize,
}

impl<'c> InFlight<'c> {
    pub(crate) fn enter(counter: &'c AtomicUsize) -> Self {
        Self { counter, count: counter.fetch_add(1, Ordering::SeqCst) + 1 }
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.counter.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A credential whose tokens are `1`, `2`, `3` and so on.
#[derive(Debug, Default)]
pub(crate) struct CountingCredential(AtomicUsize);

impl CountingCredential {
    pub(crate) fn tokens(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl TokenCredential for CountingCredential {
    async fn get_token(&self, _: &[&str], _: Option<TokenRequestOptions<'_>>) -> azure_core::Result<AccessToken> {
        yield_now().await;
        let number = self.0.fetch_add(1, Ordering::SeqCst) + 1;
        yield_now().await;
        Ok(AccessToken::new(number.to_string(), OffsetDateTime::now_utc() + HOUR))
    }
}

const HOUR: Duration = Duration::from_secs(3_600);

const SECRET: &str =
    r#"{"value":"v","id":"https://contoso.vault.azure.net/secrets/a/01","attributes":{"enabled":true}}"#;
