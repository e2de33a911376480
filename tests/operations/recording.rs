//! A transport to an emulator that records requests and responses, so that another client can be given the same
//! responses.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use azure_core::http::headers::Headers;
use azure_core::http::{AsyncRawResponse, StatusCode};
use bytes::Bytes;
use futures::TryStreamExt;
use futures::future::ready;
use keyvault::SecretClient;
use keyvault_emulator::{Emulator, EmulatorBuilder};
use keyvault_test_support::credential::FakeCredential;
use keyvault_test_support::emulator::send;
use keyvault_test_support::transport::{FakeTransport, SentRequest};
use tokio::time::Instant;

/// A request that carried a token.
#[derive(Clone, Debug)]
pub(super) struct ApiRequest {
    /// The method and the path with its query.
    pub(super) line: String,
    queries: Vec<(String, String)>,
    pub(super) content_type: Option<String>,
    pub(super) body: String,
}

impl From<&SentRequest> for ApiRequest {
    fn from(sent: &SentRequest) -> Self {
        let query = sent.url.query().map(|query| format!("?{query}")).unwrap_or_default();
        let mut queries: Vec<_> = sent.url.query_pairs().into_owned().collect();
        queries.sort();
        Self {
            line: format!("{} {}{query}", sent.method.as_str(), sent.url.path()),
            queries,
            content_type: sent.header("content-type").map(str::to_owned),
            body: String::from_utf8(sent.body.to_vec()).unwrap(),
        }
    }
}

/// Compares queries by their decoded, sorted pairs: a client that follows a link may encode the query anew.
impl PartialEq for ApiRequest {
    fn eq(&self, other: &Self) -> bool {
        let path = |request: &Self| request.line.split('?').next().map(str::to_owned);
        (path(self), &self.queries, &self.content_type, &self.body)
            == (path(other), &other.queries, &other.content_type, &other.body)
    }
}

/// A transport in this process: to an emulator, or to the responses of another recording.
pub(super) struct Recording {
    pub(super) transport: Arc<FakeTransport>,
    responses: Arc<Mutex<Vec<RecordedResponse>>>,
}

#[derive(Clone)]
struct RecordedResponse {
    status: StatusCode,
    headers: Headers,
    body: Bytes,
}

impl RecordedResponse {
    fn to_raw(&self) -> AsyncRawResponse {
        AsyncRawResponse::from_bytes(self.status, self.headers.clone(), self.body.clone())
    }
}

impl Recording {
    /// Creates a transport to `emulator`.
    pub(super) fn of(emulator: &Arc<Emulator>) -> Self {
        let (emulator, responses) = (Arc::clone(emulator), Arc::<Mutex<Vec<RecordedResponse>>>::default());
        let log = Arc::clone(&responses);
        let transport = FakeTransport::new(move |request| {
            let (emulator, log) = (Arc::clone(&emulator), Arc::clone(&log));
            async move {
                let response = send(emulator, request).await?;
                let (status, headers, body) = response.deconstruct();
                let chunks: Vec<Bytes> = body.try_collect().await?;
                let response = RecordedResponse { status, headers, body: Bytes::from(chunks.concat()) };
                let raw = response.to_raw();
                if status != StatusCode::Unauthorized {
                    log.lock().unwrap().push(response);
                }
                Ok(raw)
            }
        });
        Self { transport, responses }
    }

    /// Creates a transport that plays the responses of `other` since the last replay, without those of status 401.
    pub(super) fn replay(other: &Self) -> Self {
        let responses = VecDeque::from(std::mem::take(&mut *other.responses.lock().unwrap()));
        let responses = Mutex::new(responses);
        let transport = FakeTransport::new(move |_| {
            let response = responses.lock().unwrap().pop_front().expect("the other client sent fewer requests");
            ready(Ok(response.to_raw()))
        });
        Self { transport, responses: Arc::default() }
    }

    /// Returns the requests with a token since the last call.
    pub(super) fn take_requests(&self) -> Vec<ApiRequest> {
        let sent = self.transport.take_sent();
        sent.iter().filter(|sent| sent.header("authorization").is_some()).map(ApiRequest::from).collect()
    }
}

/// An emulator whose clock is tokio's, and a client of its vault `contoso`: for a paused clock.
pub(super) async fn scene(emulator: EmulatorBuilder) -> (Arc<Emulator>, SecretClient) {
    let (begun, epoch) = (Instant::now(), SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000));
    let emulator = Arc::new(emulator.clock(move || epoch + begun.elapsed()).start().await.unwrap());
    let transport = keyvault_test_support::emulator::transport_to(&emulator);
    let client = transport.client(&FakeCredential::fixed(emulator.token())).build().unwrap();
    (emulator, client)
}
