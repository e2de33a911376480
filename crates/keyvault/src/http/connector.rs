//! The connector of the pool: proxy, TLS, time limit, and a report of each new connection.

use std::error::Error as StdError;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use http::Uri;
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::legacy::connect::{Connection, HttpConnector};
use hyper_util::client::proxy::matcher::Matcher;
use rustls::ClientConfig;
use tokio::time::timeout;
use tower_service::Service;

/// The protocol of a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Protocol {
    /// One request at a time.
    Http1,
    /// Many concurrent requests.
    Http2,
}

/// Is called with the protocol of each connection that opens.
pub(super) type OnConnect = Arc<dyn Fn(Protocol) + Send + Sync>;

/// Opens connections and reports each of them.
#[derive(Clone)]
pub(super) struct Connector {
    https: HttpsConnector<ProxyConnector>,
    on_connect: OnConnect,
}

impl Connector {
    /// Creates a connector for TLS only, through the proxy that the environment names.
    pub(super) fn new(tls: ClientConfig, on_connect: OnConnect) -> Self {
        let mut connector = Self::with_proxies(tls, Some(Arc::new(Matcher::from_env())), on_connect);
        connector.https.enforce_https();
        connector
    }

    /// Creates a connector for endpoints of this machine, also without TLS. It uses no proxy.
    #[cfg(feature = "identity")]
    pub(super) fn local(tls: ClientConfig) -> Self {
        Self::with_proxies(tls, None, Arc::new(|_| {}))
    }

    fn with_proxies(tls: ClientConfig, proxies: Option<Arc<Matcher>>, on_connect: OnConnect) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(KEEPALIVE));
        tcp.set_keepalive_interval(Some(KEEPALIVE));
        let mut proxy_tls = tls.clone();
        // A tunnel begins with HTTP/1.1.
        proxy_tls.alpn_protocols.clear();
        let hop = ProxyConnector { tcp, proxies, proxy_tls: Arc::new(proxy_tls) };
        Self { https: HttpsConnector::from((hop, tls)), on_connect }
    }
}

impl Service<Uri> for Connector {
    type Response = MaybeHttpsStream<Hop>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.https.poll_ready(context)
    }

    fn call(&mut self, destination: Uri) -> Self::Future {
        let (connecting, on_connect) = (self.https.call(destination), Arc::clone(&self.on_connect));
        async move {
            let connection = timeout(CONNECT_TIMEOUT, connecting).await.map_err(|_| "no connection in time")??;
            let is_http2 = connection.connected().is_negotiated_h2();
            on_connect(if is_http2 { Protocol::Http2 } else { Protocol::Http1 });
            Ok(connection)
        }
        .boxed()
    }
}

/// Opens the connection below TLS: to the host, or through the proxy for it.
#[derive(Clone)]
struct ProxyConnector {
    tcp: HttpConnector,
    proxies: Option<Arc<Matcher>>,
    /// For a proxy that itself is reached over TLS.
    proxy_tls: Arc<ClientConfig>,
}

/// A connection below the TLS of the host. Its own TLS is that of a proxy.
type Hop = MaybeHttpsStream<<HttpConnector as Service<Uri>>::Response>;

impl Service<Uri> for ProxyConnector {
    type Response = Hop;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Hop, BoxError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.tcp.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, destination: Uri) -> Self::Future {
        let Some(proxy) = self.proxies.as_ref().and_then(|proxies| proxies.intercept(&destination)) else {
            let connecting = self.tcp.call(destination);
            return async move { Ok(MaybeHttpsStream::Http(connecting.await?)) }.boxed();
        };
        let to_proxy = HttpsConnector::from((self.tcp.clone(), Arc::clone(&self.proxy_tls)));
        let mut tunnel = Tunnel::new(proxy.uri().clone(), to_proxy);
        if let Some(authorization) = proxy.basic_auth() {
            tunnel = tunnel.with_auth(authorization.clone());
        }
        async move { Ok(tunnel.call(destination).await?) }.boxed()
    }
}

type BoxError = Box<dyn StdError + Send + Sync>;

/// Long enough for a lost packet or two, short enough for a second attempt within the timeout of an operation.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(8);

/// The silence before TCP looks whether the other side still exists.
const KEEPALIVE: Duration = Duration::from_secs(15);
