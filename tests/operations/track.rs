//! A transport that keeps what goes over it, bodies too, and can play the answers again.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use azure_core::credentials::TokenCredential;
use azure_core::error::ErrorKind;
use azure_core::http::headers::Headers;
use azure_core::http::{AsyncRawResponse, Body, ClientOptions, HttpClient, Request, Transport};
use bytes::Bytes;
use futures::TryStreamExt;
use keyvault::{SecretClient, SecretClientBuilder};
use keyvault_emulator::{Emulator, EmulatorBuilder};
use tokio::time::Instant;

use crate::support::{CONTOSO, FakeCredential};

/// A request that carried a token: method, path with query, content type, body.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) line: String,
    queries: Vec<(String, String)>,
    pub(super) content_type: Option<String>,
    pub(super) body: String,
}

/// Queries are compared by what they say: who follows a link may write it anew.
impl PartialEq for Asked {
    fn eq(&self, other: &Self) -> bool {
        let path = |asked: &Self| asked.line.split('?').next().map(str::to_owned);
        let said = |asked: &Self| (path(asked), asked.queries.clone(), asked.content_type.clone(), asked.body.clone());
        said(self) == said(other)
    }
}

/// A transport in this process: to an emulator, or to the answers that another track kept.
pub(super) struct Track {
    source: Source,
    asked: Mutex<Vec<Asked>>,
    answers: Mutex<Vec<Played>>,
}

enum Source {
    Emulator(Arc<Emulator>),
    Answers(Mutex<VecDeque<Played>>),
}

#[derive(Clone)]
struct Played {
    status: u16,
    headers: Headers,
    body: Bytes,
}

impl Track {
    pub(super) fn to(emulator: &Arc<Emulator>) -> Arc<Self> {
        Self::new(Source::Emulator(Arc::clone(emulator)))
    }

    /// Gives the answers that `other` kept, those to requests without a token left out.
    pub(super) fn again(other: &Self) -> Arc<Self> {
        let answers = std::mem::take(&mut *other.answers.lock().unwrap());
        Self::new(Source::Answers(Mutex::new(answers.into())))
    }

    fn new(source: Source) -> Arc<Self> {
        Arc::new(Self { source, asked: Mutex::default(), answers: Mutex::default() })
    }

    /// Takes what was asked so far.
    pub(super) fn take_asked(&self) -> Vec<Asked> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }

    pub(super) fn options(self: &Arc<Self>) -> ClientOptions {
        let transport = Transport::new(Arc::clone(self) as Arc<dyn HttpClient>);
        ClientOptions { transport: Some(transport), ..ClientOptions::default() }
    }

    /// Begins a client of ours whose requests go over this.
    pub(super) fn client(self: &Arc<Self>, credential: &Arc<impl TokenCredential + 'static>) -> SecretClientBuilder {
        let credential = Arc::clone(credential) as Arc<dyn TokenCredential>;
        SecretClient::builder(CONTOSO).credential(credential).client_options(self.options())
    }

    async fn ask(&self, emulator: &Emulator, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let mut sent = http::Request::builder().method(request.method().as_str()).uri(request.url().as_str());
        for (name, value) in request.headers().iter() {
            sent = sent.header(name.as_str(), value.as_str());
        }
        let Body::Bytes(body) = request.body() else { panic!("no client streams a body") };
        // As on a socket, everybody else has a turn on the way there and on the way back.
        tokio::task::yield_now().await;
        let response = emulator.exchange(sent.body(body.clone()).unwrap()).await;
        tokio::task::yield_now().await;
        let response = reqwest::Response::from(response?.map(reqwest::Body::wrap));
        let mut headers = Headers::new();
        for (name, value) in response.headers() {
            headers.insert(name.as_str().to_owned(), value.to_str().unwrap().to_owned());
        }
        let status = response.status().as_u16();
        let body = response.bytes_stream().map_err(|error| azure_core::Error::new(ErrorKind::Io, error));
        let chunks: Vec<Bytes> = body.try_collect().await?;
        let body = Bytes::from(chunks.concat());
        if status != 401 {
            self.answers.lock().unwrap().push(Played { status, headers: headers.clone(), body: body.clone() });
        }
        Ok(AsyncRawResponse::from_bytes(status.into(), headers, body))
    }
}

#[async_trait]
impl HttpClient for Track {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let header = |name| request.headers().iter().find(|(key, _)| key.as_str().eq_ignore_ascii_case(name));
        if header("authorization").is_some() {
            let Body::Bytes(body) = request.body() else { panic!("no client streams a body") };
            let line = format!("{} {}", request.method().as_str(), request.path_and_query());
            let content_type = header("content-type").map(|(_, value)| value.as_str().to_owned());
            let body = String::from_utf8(body.to_vec()).unwrap();
            let query = |(key, value): (_, _)| (String::from(key), String::from(value));
            let mut queries: Vec<_> = request.url().query_pairs().map(query).collect();
            queries.sort();
            self.asked.lock().unwrap().push(Asked { line, queries, content_type, body });
        }
        match &self.source {
            Source::Emulator(emulator) => self.ask(emulator, request).await,
            Source::Answers(answers) => {
                let Played { status, headers, body } = answers.lock().unwrap().pop_front().expect("no more was asked");
                Ok(AsyncRawResponse::from_bytes(status.into(), headers, body))
            }
        }
    }
}

impl fmt::Debug for Track {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Track").field("asked", &self.asked.lock().unwrap().len()).finish_non_exhaustive()
    }
}

/// An emulator whose clock is tokio's, and a client of its vault `contoso`: for a paused clock.
pub(super) async fn scene(emulator: EmulatorBuilder) -> (Arc<Emulator>, SecretClient) {
    let (begun, epoch) = (Instant::now(), SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000));
    let emulator = Arc::new(emulator.clock(move || epoch + begun.elapsed()).start().await.unwrap());
    let client = Track::to(&emulator).client(&FakeCredential::fixed(emulator.token())).build().unwrap();
    (emulator, client)
}
