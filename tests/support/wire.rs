//! A transport in this process, which writes down what is sent over it.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use azure_core::error::ErrorKind;
use azure_core::http::headers::Headers;
use azure_core::http::{AsyncRawResponse, ClientOptions, HttpClient, Method, Request, Transport};
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{FutureExt, TryStreamExt};
use keyvault_emulator::Emulator;
use url::Url;

/// A transport without a socket: good under a paused clock, and reached by every host name there is.
pub(crate) struct Wire {
    answer: Box<dyn Fn(Sent) -> BoxFuture<'static, azure_core::Result<AsyncRawResponse>> + Send + Sync>,
    sent: Mutex<Vec<Sent>>,
}

/// One request as it went out.
#[derive(Clone)]
pub(crate) struct Sent {
    pub(crate) method: Method,
    pub(crate) url: Url,
    headers: Vec<(String, String)>,
}

impl Sent {
    fn new(request: &Request) -> Self {
        let headers = request.headers().iter();
        let headers = headers.map(|(name, value)| (name.as_str().to_ascii_lowercase(), value.as_str().to_owned()));
        Self { method: request.method(), url: request.url().clone(), headers: headers.collect() }
    }

    /// Finds a header by its name in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Gives the names of all headers, in lower case and order.
    pub(crate) fn header_names(&self) -> BTreeSet<String> {
        self.headers.iter().map(|(name, _)| name.clone()).collect()
    }

    /// Tells the origin that the request went to.
    pub(crate) fn origin(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    /// Finds a parameter of the query.
    pub(crate) fn query(&self, name: &str) -> Option<String> {
        self.url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }
}

/// An answer that a test makes up.
#[derive(Clone)]
pub(crate) struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: String,
}

impl Answer {
    pub(crate) fn new(status: u16, body: impl Into<String>) -> Self {
        Self { status, headers: Vec::new(), body: body.into() }
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

impl From<Answer> for AsyncRawResponse {
    fn from(answer: Answer) -> Self {
        let mut headers = Headers::new();
        for (name, value) in answer.headers {
            headers.insert(name, value);
        }
        Self::from_bytes(answer.status.into(), headers, answer.body)
    }
}

impl Wire {
    /// Leads to `emulator`, whatever host the URL names.
    pub(crate) fn to(emulator: &Arc<Emulator>) -> Arc<Self> {
        let emulator = Arc::clone(emulator);
        Self::new(move |sent| exchange(Arc::clone(&emulator), sent).boxed())
    }

    /// Leads to `answer`.
    pub(crate) fn scripted(answer: impl Fn(&Sent) -> azure_core::Result<Answer> + Send + Sync + 'static) -> Arc<Self> {
        Self::new(move |sent| {
            let answer = answer(&sent);
            async {
                tokio::task::yield_now().await;
                answer.map(AsyncRawResponse::from)
            }
            .boxed()
        })
    }

    fn new(
        answer: impl Fn(Sent) -> BoxFuture<'static, azure_core::Result<AsyncRawResponse>> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self { answer: Box::new(answer), sent: Mutex::default() })
    }

    /// Gives every request that was sent, in order.
    pub(crate) fn sent(&self) -> Vec<Sent> {
        self.sent.lock().unwrap().clone()
    }

    /// Makes the options of a client that uses this transport.
    pub(crate) fn options(self: &Arc<Self>) -> ClientOptions {
        let transport = Transport::new(Arc::clone(self) as Arc<dyn HttpClient>);
        ClientOptions { transport: Some(transport), ..ClientOptions::default() }
    }
}

/// Asks the emulator as a listener would: the body may break or hang half way.
async fn exchange(emulator: Arc<Emulator>, sent: Sent) -> azure_core::Result<AsyncRawResponse> {
    let mut request = http::Request::builder().method(sent.method.as_str()).uri(sent.url.as_str());
    for (name, value) in &sent.headers {
        request = request.header(name, value);
    }
    let request = request.body(Bytes::new()).unwrap();
    // As on a socket, everybody else has a turn on the way there and on the way back.
    tokio::task::yield_now().await;
    let response = emulator.exchange(request).await;
    tokio::task::yield_now().await;
    let response = response?;
    let response = reqwest::Response::from(response.map(reqwest::Body::wrap));
    let mut headers = Headers::new();
    for (name, value) in response.headers() {
        headers.insert(name.as_str().to_owned(), value.to_str().unwrap().to_owned());
    }
    let status = response.status().as_u16().into();
    let body = response.bytes_stream().map_err(|error| azure_core::Error::new(ErrorKind::Io, error));
    Ok(AsyncRawResponse::new(status, headers, Box::pin(body)))
}

/// Makes the options of a foreign client that shall reach `emulator` over TLS.
pub(crate) fn tls_transport(emulator: &Emulator) -> ClientOptions {
    let authority = reqwest::Certificate::from_pem(emulator.ca_pem().as_bytes()).unwrap();
    let client = reqwest::Client::builder().tls_certs_only([authority]).build().unwrap();
    ClientOptions { transport: Some(Transport::new(Arc::new(client))), ..ClientOptions::default() }
}

#[async_trait]
impl HttpClient for Wire {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let sent = Sent::new(request);
        self.sent.lock().unwrap().push(sent.clone());
        (self.answer)(sent).await
    }
}

/// Shows how much was sent; the requests have tokens in them.
impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").field("sent", &self.sent.lock().unwrap().len()).finish_non_exhaustive()
    }
}

/// Shows where it went, and neither a header nor the query.
impl fmt::Debug for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}{}", self.method.as_str(), self.origin(), self.url.path())
    }
}
