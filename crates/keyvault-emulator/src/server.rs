//! The listeners: HTTP/1.1 and HTTP/2, over TLS or plain, in front of one service.

use std::convert::Infallible;
use std::future;
use std::sync::Arc;
use std::time::Duration;

use http::header::HOST;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Request, Response, Uri};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::body::Body;
use crate::engine::Engine;
use crate::error::WireError;
use crate::service::{JSON, respond};
use crate::wire::{Cut, Wire};

/// Serves a listener until the task is aborted; its connections end with it.
pub(crate) async fn serve(listener: TcpListener, tls: Option<TlsAcceptor>, engine: Arc<Engine>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((tcp, _)) => {
                    connections.spawn(connection(tcp, tls.clone(), Arc::clone(&engine)));
                }
                // Out of file descriptors, mostly: others will be given back.
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
            // What became of a connection, a panic included, is no concern of the others.
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection(tcp: TcpStream, tls: Option<TlsAcceptor>, engine: Arc<Engine>) {
    let _ = tcp.set_nodelay(true);
    let cut = Arc::new(Cut::default());
    let wire = Wire::new(tcp, Arc::clone(&cut));
    match tls {
        None => http(wire, Scheme::HTTP, cut, engine).await,
        Some(acceptor) => {
            if let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(wire)).await {
                http(stream, Scheme::HTTPS, cut, engine).await;
            }
        }
    }
}

async fn http<S>(stream: S, scheme: Scheme, cut: Arc<Cut>, engine: Arc<Engine>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(|request| {
        let (scheme, cut, engine) = (scheme.clone(), Arc::clone(&cut), Arc::clone(&engine));
        async move { Ok::<_, Infallible>(answer(request, scheme, &cut, &engine).await) }
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new());
    builder.http2().timer(TokioTimer::new());
    tokio::select! {
        // The client went away, or broke the protocol; either ends this connection and nothing else.
        _ = builder.serve_connection(TokioIo::new(stream), service) => {}
        () = cut.given() => {}
    }
}

async fn answer(request: Request<Incoming>, scheme: Scheme, cut: &Cut, engine: &Engine) -> Response<Body> {
    let (mut head, body) = request.into_parts();
    head.uri = absolute(head.uri, scheme, head.headers.get(HOST).and_then(|host| host.to_str().ok()));
    let longest = if head.uri.path().ends_with("/restore") { LONGEST_BACKUP } else { LONGEST_BODY };
    let body = match Limited::new(body, longest).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) => {
            let (status, code) =
                if error.is::<LengthLimitError>() { (413, "RequestEntityTooLarge") } else { (400, "BadParameter") };
            let error = WireError::new(status, code, "The request body cannot be read or is too long.");
            return respond(status, JSON, error.body()).map(Body::whole);
        }
    };
    match engine.exchange(Request::from_parts(head, body)).await {
        Ok(response) => response,
        Err(_) => {
            cut.give();
            // The connection is dropped with this future in it.
            future::pending().await
        }
    }
}

/// Writes scheme and host into a URI: HTTP/1.1 has them elsewhere, or nowhere.
fn absolute(uri: Uri, scheme: Scheme, host: Option<&str>) -> Uri {
    let mut parts = uri.clone().into_parts();
    let host = host.and_then(|host| host.parse::<Authority>().ok());
    let Some(authority) = parts.authority.take().or(host) else {
        return uri;
    };
    parts.scheme = Some(scheme);
    parts.authority = Some(authority);
    parts.path_and_query.get_or_insert(PathAndQuery::from_static("/"));
    Uri::from_parts(parts).unwrap_or(uri)
}

/// Bytes of a request's body: a value of the longest kind, every character escaped, with room to spare.
const LONGEST_BODY: usize = 1024 * 1024;
/// Bytes of a backup: 500 versions, the most there can be in one.
const LONGEST_BACKUP: usize = 32 * 1024 * 1024;
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);
