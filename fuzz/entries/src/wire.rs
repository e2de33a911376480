//! A vault that answers with whatever it is given.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_core::http::headers::Headers;
use azure_core::http::{AsyncRawResponse, ClientOptions, HttpClient, Request, Transport};
use azure_core::time::OffsetDateTime;
use keyvault::SecretClient;

/// What one request is answered with.
#[derive(Clone, Default)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

/// A transport that gives its answers in turn, the last one again and again, and remembers where it was sent.
pub(crate) struct Wire {
    answers: Mutex<Vec<Answer>>,
    origins: Mutex<Vec<String>>,
}

impl Wire {
    pub(crate) fn new(answers: impl IntoIterator<Item = Answer>) -> Arc<Self> {
        let answers: Vec<Answer> = answers.into_iter().collect();
        Arc::new(Self { answers: Mutex::new(answers.into_iter().rev().collect()), origins: Mutex::default() })
    }

    /// Makes a client that asks this transport.
    pub(crate) fn client(self: &Arc<Self>) -> SecretClient {
        let transport = Transport::new(Arc::clone(self) as Arc<dyn HttpClient>);
        SecretClient::builder(VAULT)
            .credential(Arc::new(Fixed))
            .client_options(ClientOptions { transport: Some(transport), ..ClientOptions::default() })
            .timeout(TIMEOUT)
            .build()
            .unwrap()
    }

    /// Panics if a request went anywhere but to the vault, or more went there than one call may make.
    pub(crate) fn assert_only_the_vault_was_asked(&self, most: usize) {
        let origins = self.origins.lock().unwrap();
        assert!(origins.iter().all(|origin| origin == VAULT), "a token went to {origins:?}");
        assert!(origins.len() <= most, "{} requests", origins.len());
    }
}

pub(crate) const VAULT: &str = "https://contoso.vault.azure.net";
pub(crate) const TIMEOUT: Duration = Duration::from_secs(30);

#[async_trait]
impl HttpClient for Wire {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        self.origins.lock().unwrap().push(request.url().origin().ascii_serialization());
        let answer = {
            let mut answers = self.answers.lock().unwrap();
            let next = answers.pop().unwrap_or_default();
            if answers.is_empty() {
                answers.push(next.clone());
            }
            next
        };
        let mut headers = Headers::new();
        for (name, value) in answer.headers {
            headers.insert(name, value);
        }
        Ok(AsyncRawResponse::from_bytes(answer.status.into(), headers, answer.body))
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wire")
    }
}

#[derive(Debug)]
struct Fixed;

#[async_trait]
impl TokenCredential for Fixed {
    async fn get_token(&self, _: &[&str], _: Option<TokenRequestOptions<'_>>) -> azure_core::Result<AccessToken> {
        Ok(AccessToken::new("a token of a test", OffsetDateTime::now_utc() + Duration::from_secs(3_600)))
    }
}
