//! A transport in this process, which logs the requests.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use azure_core::credentials::TokenCredential;
use azure_core::http::headers::Headers;
use azure_core::http::{AsyncRawResponse, Body, ClientOptions, HttpClient, Method, Request, Transport};
use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use keyvault::SecretClient;
use keyvault::client::SecretClientBuilder;
use url::Url;

use crate::CONTOSO;

/// A transport without a socket. It works under a paused clock, and every host name reaches it.
pub struct FakeTransport {
    respond: Respond,
    log: Option<Mutex<Vec<SentRequest>>>,
}

type Respond = Box<dyn Fn(SentRequest) -> BoxFuture<'static, azure_core::Result<AsyncRawResponse>> + Send + Sync>;

impl FakeTransport {
    /// Creates a transport that answers each request with the result of `respond`, and logs the requests.
    pub fn new<F>(respond: impl Fn(SentRequest) -> F + Send + Sync + 'static) -> Arc<Self>
    where
        F: Future<Output = azure_core::Result<AsyncRawResponse>> + Send + 'static,
    {
        Arc::new(Self { log: Some(Mutex::default()), ..Self::answering(respond) })
    }

    /// Does the same without a log: for a simulation with many requests, or one that may keep no copies.
    pub fn unlogged<F>(respond: impl Fn(SentRequest) -> F + Send + Sync + 'static) -> Arc<Self>
    where
        F: Future<Output = azure_core::Result<AsyncRawResponse>> + Send + 'static,
    {
        Arc::new(Self::answering(respond))
    }

    /// Creates a transport that yields once and then answers with the result of `respond`.
    pub fn scripted(
        respond: impl Fn(&SentRequest) -> azure_core::Result<FakeResponse> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Self::new(move |request| {
            let response = respond(&request);
            async {
                tokio::task::yield_now().await;
                response.map(AsyncRawResponse::from)
            }
        })
    }

    fn answering<F>(respond: impl Fn(SentRequest) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = azure_core::Result<AsyncRawResponse>> + Send + 'static,
    {
        Self { respond: Box::new(move |request| respond(request).boxed()), log: None }
    }

    /// Returns every request so far, in order.
    pub fn sent(&self) -> Vec<SentRequest> {
        self.log.as_ref().map(|log| log.lock().unwrap().clone()).unwrap_or_default()
    }

    /// Returns every request since the last call, in order.
    pub fn take_sent(&self) -> Vec<SentRequest> {
        self.log.as_ref().map(|log| std::mem::take(&mut *log.lock().unwrap())).unwrap_or_default()
    }

    /// Returns the options of a client that uses this transport.
    pub fn options(self: &Arc<Self>) -> ClientOptions {
        let transport = Transport::new(Arc::clone(self) as Arc<dyn HttpClient>);
        ClientOptions { transport: Some(transport), ..ClientOptions::default() }
    }

    /// Returns the builder of a client of the vault [`CONTOSO`] that uses this transport.
    pub fn client(self: &Arc<Self>, credential: &Arc<impl TokenCredential + 'static>) -> SecretClientBuilder {
        let credential = Arc::clone(credential) as Arc<dyn TokenCredential>;
        SecretClient::builder(CONTOSO).credential(credential).client_options(self.options())
    }
}

#[async_trait]
impl HttpClient for FakeTransport {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let sent = SentRequest::from(request);
        if let Some(log) = &self.log {
            log.lock().unwrap().push(sent.clone());
        }
        (self.respond)(sent).await
    }
}

/// Shows the number of requests only: they contain tokens.
impl fmt::Debug for FakeTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sent = self.log.as_ref().map(|log| log.lock().unwrap().len());
        f.debug_struct("FakeTransport").field("sent", &sent).finish_non_exhaustive()
    }
}

/// A request as the client sent it.
#[derive(Clone)]
pub struct SentRequest {
    /// The method.
    pub method: Method,
    /// The whole URL.
    pub url: Url,
    /// The body, empty if there is no body.
    pub body: Bytes,
    pub(crate) headers: Vec<(String, String)>,
}

impl SentRequest {
    /// Returns the value of a header, or `None` if it is missing. `name` is in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Returns the names of all headers in lower case.
    pub fn header_names(&self) -> BTreeSet<String> {
        self.headers.iter().map(|(name, _)| name.clone()).collect()
    }

    /// Returns the origin of the URL.
    pub fn origin(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    /// Returns a query parameter, or `None` if it is missing.
    pub fn query(&self, name: &str) -> Option<String> {
        self.url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }
}

impl From<&Request> for SentRequest {
    fn from(request: &Request) -> Self {
        let headers = request.headers().iter();
        let headers = headers.map(|(name, value)| (name.as_str().to_ascii_lowercase(), value.as_str().to_owned()));
        let Body::Bytes(body) = request.body() else { panic!("no client of a vault streams a body") };
        Self { method: request.method(), url: request.url().clone(), body: body.clone(), headers: headers.collect() }
    }
}

/// Shows the method and the origin only: the rest may contain secrets and tokens.
impl fmt::Debug for SentRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SentRequest")
            .field("method", &self.method)
            .field("origin", &self.origin())
            .finish_non_exhaustive()
    }
}

/// A response that a test makes up.
#[derive(Clone, Debug)]
pub struct FakeResponse {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: String,
}

impl FakeResponse {
    /// Creates a response without headers.
    pub fn new(status: u16, body: impl Into<String>) -> Self {
        Self { status, headers: Vec::new(), body: body.into() }
    }

    /// Adds a header.
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

impl From<FakeResponse> for AsyncRawResponse {
    fn from(response: FakeResponse) -> Self {
        let mut headers = Headers::new();
        for (name, value) in response.headers {
            headers.insert(name, value);
        }
        Self::from_bytes(response.status.into(), headers, response.body)
    }
}
