//! The HTTP clients: TLS only, no redirects, no decompression, no retries.

// It is built on the parts of `hyper`. `reqwest` would have one implementation of TLS for the whole program, and the
// choice of ours would change the clients of other crates.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use azure_core::error::ErrorKind;
use azure_core::http::headers::Headers;
use azure_core::http::{AsyncRawResponse, Body, HttpClient, Request, Transport};
use bytes::Bytes;
use futures::TryStreamExt;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::ClientConfig;

use super::connector::{Connector, OnConnect};
#[cfg(any(feature = "identity", feature = "storage-queue"))]
use super::tls;
#[cfg(any(feature = "identity", feature = "storage-queue"))]
use crate::error::Result;

/// Creates the transport of one vault. It calls `on_connect` for each connection that it opens.
pub(super) fn new(tls: &ClientConfig, on_connect: OnConnect) -> Transport {
    Transport::new(Arc::new(Client::new(Connector::new(tls.clone(), on_connect))))
}

/// Creates an HTTP client for other services of Azure.
#[cfg(feature = "storage-queue")]
pub(crate) fn http_client(certificate_authorities: &[String]) -> Result<impl HttpClient + use<>> {
    let tls = tls::config(certificate_authorities, false)?;
    Ok(Client::new(Connector::new(tls, Arc::new(|_| {}))))
}

/// Creates the transport of credentials.
#[cfg(feature = "identity")]
pub(crate) fn transport_for_tokens() -> Result<Transport> {
    let connector = Connector::new(tls::config_for_tokens()?, Arc::new(|_| {}));
    Ok(Transport::new(Arc::new(Client::new(connector))))
}

/// Creates an HTTP client for endpoints of this machine, also without TLS. A proxy would receive their tokens.
#[cfg(feature = "identity")]
pub(crate) fn local_client() -> Result<impl HttpClient + use<>> {
    Ok(Client::new(Connector::local(tls::config_for_tokens()?)))
}

/// An HTTP client with a pool of connections.
struct Client(legacy::Client<Connector, Full<Bytes>>);

impl Client {
    fn new(connector: Connector) -> Self {
        let client = legacy::Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_max_idle_per_host(64)
            .pool_idle_timeout(POOL_IDLE_TIMEOUT)
            // A connection that stays silent is pinged and closed if it does not respond; the next attempt opens
            // another.
            .http2_keep_alive_interval(PING_INTERVAL)
            .http2_keep_alive_timeout(PING_INTERVAL)
            .build(connector);
        Self(client)
    }
}

#[async_trait]
impl HttpClient for Client {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let Body::Bytes(body) = request.body() else {
            return Err(azure_core::Error::with_message(ErrorKind::Other, "request body is a stream"));
        };
        let mut builder = http::Request::builder().method(request.method().as_str()).uri(request.url().as_str());
        for (name, value) in request.headers().iter() {
            builder = builder.header(name.as_str(), value.as_str());
        }
        let malformed = |error| azure_core::Error::with_error(ErrorKind::Other, error, "request is malformed");
        let request = builder.body(Full::new(body.clone())).map_err(malformed)?;
        let response = self.0.request(request).await.map_err(|error| {
            let kind = if error.is_connect() { ErrorKind::Connection } else { ErrorKind::Io };
            azure_core::Error::with_error(kind, error, "request was not answered")
        })?;
        let mut headers = Headers::new();
        for (name, value) in response.headers() {
            if let Ok(value) = value.to_str() {
                headers.insert(name.as_str().to_owned(), value.to_owned());
            }
        }
        let status = response.status().as_u16().into();
        let broken = |error| azure_core::Error::with_error(ErrorKind::Io, error, "response broke off");
        let body = response.into_body().into_data_stream().map_err(broken);
        Ok(AsyncRawResponse::new(status, headers, Box::pin(body)))
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

/// Azure's load balancers [drop an idle
/// connection](https://learn.microsoft.com/azure/load-balancer/load-balancer-tcp-reset) silently after four minutes.
pub(super) const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(210);

/// The silence before a ping, and the time to wait for its response: together less than the time limit of an attempt.
const PING_INTERVAL: Duration = Duration::from_secs(4);

#[cfg(test)]
mod tests {
    use std::io;
    use std::net::TcpListener;

    use azure_core::http::Method;
    use tokio::time::timeout;

    use super::super::tls;
    use super::*;

    #[tokio::test]
    async fn a_url_without_tls_is_refused_before_a_connection() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("http://{}/secrets/a", listener.local_addr().unwrap()).parse().unwrap();
        let tls = tls::config(&[], false).unwrap();
        let client = Client::new(Connector::new(tls, Arc::new(|_| {})));
        let request = Request::new(url, Method::Get);
        let answer = timeout(Duration::from_secs(5), client.execute_request(&request)).await;
        assert!(answer.expect("it is refused at once").is_err());
        assert_eq!(listener.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }
}
