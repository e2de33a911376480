//! A layer around the connector of the pool that reports each new connection.

use std::error::Error as StdError;
use std::task::{Context, Poll};

use futures::FutureExt;
use futures::future::BoxFuture;
use hyper_util::client::legacy::connect::Connection;
use tower_layer::Layer;
use tower_service::Service;

/// The protocol of a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Protocol {
    /// One request at a time.
    Http1,
    /// Many concurrent requests.
    Http2,
}

/// Calls `F` with the protocol of each connection that opens.
#[derive(Clone)]
pub(super) struct OnConnect<F>(pub(super) F);

impl<S, F: Clone> Layer<S> for OnConnect<F> {
    type Service = ReportingConnector<S, F>;

    fn layer(&self, connector: S) -> Self::Service {
        ReportingConnector { connector, on_connect: self.0.clone() }
    }
}

/// A connector that reports each connection it opens.
#[derive(Clone)]
pub(super) struct ReportingConnector<S, F> {
    connector: S,
    on_connect: F,
}

impl<S, F, R> Service<R> for ReportingConnector<S, F>
where
    S: Service<R, Error = BoxError>,
    S::Response: Connection,
    S::Future: Send + 'static,
    F: Fn(Protocol) + Clone + Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<S::Response, BoxError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.connector.poll_ready(context)
    }

    fn call(&mut self, target: R) -> Self::Future {
        let (connecting, on_connect) = (self.connector.call(target), self.on_connect.clone());
        async move {
            let connection = connecting.await?;
            let is_http2 = connection.connected().is_negotiated_h2();
            on_connect(if is_http2 { Protocol::Http2 } else { Protocol::Http1 });
            Ok(connection)
        }
        .boxed()
    }
}

type BoxError = Box<dyn StdError + Send + Sync>;
