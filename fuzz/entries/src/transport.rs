//! A transport with fixed responses.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_core::http::headers::Headers;
use azure_core::http::{AsyncRawResponse, ClientOptions, HttpClient, Request, Transport};
use azure_core::time::OffsetDateTime;
use keyvault::SecretClient;
use keyvault_appconfig::AppConfigurationClient;

/// The response to one request.
#[derive(Clone, Default)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

/// A transport that returns its responses in order, repeats the last one, and records the origin of each request.
pub(crate) struct FixedTransport {
    responses: Mutex<Vec<Response>>,
    origins: Mutex<Vec<String>>,
}

impl FixedTransport {
    pub(crate) fn new(responses: impl IntoIterator<Item = Response>) -> Arc<Self> {
        let mut responses: Vec<Response> = responses.into_iter().collect();
        responses.reverse();
        Arc::new(Self { responses: Mutex::new(responses), origins: Mutex::default() })
    }

    /// Creates a client with this transport.
    pub(crate) fn client(self: &Arc<Self>) -> SecretClient {
        let builder = SecretClient::builder(VAULT).credential(Arc::new(FixedToken)).client_options(self.options());
        builder.timeout(TIMEOUT).build().unwrap()
    }

    /// Creates a client of an App Configuration store with this transport.
    pub(crate) fn store(self: &Arc<Self>) -> AppConfigurationClient {
        let builder = AppConfigurationClient::builder(STORE).credential(Arc::new(FixedToken));
        builder.client_options(self.options()).timeout(TIMEOUT).build().unwrap()
    }

    fn options(self: &Arc<Self>) -> ClientOptions {
        let transport = Transport::new(Arc::clone(self) as Arc<dyn HttpClient>);
        ClientOptions { transport: Some(transport), ..ClientOptions::default() }
    }

    /// Does what [`assert_only_the_vault_received`](Self::assert_only_the_vault_received) does, for a store.
    pub(crate) fn assert_only_the_store_received(&self, limit: usize) {
        self.assert_only_received(STORE, limit);
    }

    /// Panics if another origin than the vault received a request, or the vault received more than `limit` requests.
    pub(crate) fn assert_only_the_vault_received(&self, limit: usize) {
        self.assert_only_received(VAULT, limit);
    }

    fn assert_only_received(&self, expected: &str, limit: usize) {
        let origins = self.origins.lock().unwrap();
        assert!(origins.iter().all(|origin| origin == expected), "a token went to {origins:?}");
        assert!(origins.len() <= limit, "{} requests", origins.len());
    }
}

const STORE: &str = "https://contoso.azconfig.io";
pub(crate) const VAULT: &str = "https://contoso.vault.azure.net";
pub(crate) const TIMEOUT: Duration = Duration::from_secs(30);

#[async_trait]
impl HttpClient for FixedTransport {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        self.origins.lock().unwrap().push(request.url().origin().ascii_serialization());
        let response = {
            let mut responses = self.responses.lock().unwrap();
            let next = responses.pop().unwrap_or_default();
            if responses.is_empty() {
                responses.push(next.clone());
            }
            next
        };
        let mut headers = Headers::new();
        for (name, value) in response.headers {
            headers.insert(name, value);
        }
        Ok(AsyncRawResponse::from_bytes(response.status.into(), headers, response.body))
    }
}

impl fmt::Debug for FixedTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FixedTransport").finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct FixedToken;

#[async_trait]
impl TokenCredential for FixedToken {
    async fn get_token(&self, _: &[&str], _: Option<TokenRequestOptions<'_>>) -> azure_core::Result<AccessToken> {
        Ok(AccessToken::new("a token of a test", OffsetDateTime::now_utc() + Duration::from_secs(3_600)))
    }
}
