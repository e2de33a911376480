//! The listeners: HTTP/1.1 and HTTP/2, over TLS or plain, in front of one router.

use std::convert::Infallible;
use std::future;
use std::sync::Arc;
use std::time::Duration;

use http::header::{CONNECTION, HOST};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Request, Response, Uri, Version};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::body::Body;
use super::connection::{Connection, ResetSignal};
use super::router::Router;
use crate::protocol::ErrorResponse;

/// Serves a listener until the task is aborted, which also ends its connections.
pub(crate) async fn serve(listener: TcpListener, tls: Option<TlsAcceptor>, router: Arc<Router>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((tcp, _)) => {
                    connections.spawn(serve_connection(tcp, tls.clone(), Arc::clone(&router)));
                }
                // The usual cause is a lack of file descriptors, which closing connections relieves.
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
            // The result of a connection, even a panic, does not affect the others.
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve_connection(tcp: TcpStream, tls: Option<TlsAcceptor>, router: Arc<Router>) {
    let _ = tcp.set_nodelay(true);
    let reset = Arc::new(ResetSignal::default());
    let connection = Connection::new(tcp, Arc::clone(&reset));
    match tls {
        None => serve_http(connection, Scheme::HTTP, reset, router).await,
        Some(acceptor) => {
            if let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(connection)).await {
                serve_http(stream, Scheme::HTTPS, reset, router).await;
            }
        }
    }
}

async fn serve_http<S>(stream: S, scheme: Scheme, reset: Arc<ResetSignal>, router: Arc<Router>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(|request| {
        let (scheme, reset, router) = (scheme.clone(), Arc::clone(&reset), Arc::clone(&router));
        async move { Ok::<_, Infallible>(respond(request, scheme, &reset, &router).await) }
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new());
    builder.http2().timer(TokioTimer::new());
    tokio::select! {
        // A client that disconnects or violates the protocol ends only this connection.
        _ = builder.serve_connection(TokioIo::new(stream), service) => {}
        () = reset.wait() => {}
    }
}

async fn respond(request: Request<Incoming>, scheme: Scheme, reset: &ResetSignal, router: &Router) -> Response<Body> {
    let (mut head, body) = request.into_parts();
    head.uri = absolute(head.uri, scheme, head.headers.get(HOST).and_then(|host| host.to_str().ok()));
    let limit = if head.uri.path().ends_with("/restore") { MAX_BACKUP } else { MAX_BODY };
    let body = match tokio::time::timeout(BODY_TIMEOUT, Limited::new(body, limit).collect()).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) => {
            let (status, code) =
                if error.is::<LengthLimitError>() { (413, "RequestEntityTooLarge") } else { (400, "BadParameter") };
            return rejected(status, code, "The request body cannot be read or is too long.", head.version);
        }
        Err(_) => return rejected(408, "RequestTimeout", "The request body did not arrive in time.", head.version),
    };
    match router.route(Request::from_parts(head, body)).await {
        Ok(response) => response,
        Err(_) => {
            reset.send();
            // The signal drops the connection, and this future with it.
            future::pending().await
        }
    }
}

/// Returns the response to a request whose body was not read to its end. HTTP/1 cannot continue on the connection.
fn rejected(status: u16, code: &'static str, message: &str, version: Version) -> Response<Body> {
    let mut response = ErrorResponse::new(status, code, message).to_response().map(Body::complete);
    if version < Version::HTTP_2 {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// Returns an absolute URI. An HTTP/1.1 request has its host in a header, and no scheme.
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

/// Bytes of a request's body: more than the longest value with every character escaped.
const MAX_BODY: usize = 1024 * 1024;
/// Bytes of a backup: more than 500 versions with the longest values and tags, with every character escaped.
const MAX_BACKUP: usize = 192 * 1024 * 1024;
/// The time in which a whole body must arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
    use tokio::time::{Instant, timeout};

    use super::*;
    use crate::service::{Service, State};

    #[tokio::test(start_paused = true)]
    async fn a_request_body_that_never_ends_is_answered_408_and_ends_the_connection() {
        let service = Arc::new(Service::for_test(State::default()));
        let router = Arc::new(Router { service, ca_pem: String::new(), data_file: None, observer: None });
        let (mut client, server) = duplex(1024);
        let head =
            "PUT /secrets/a?api-version=7.4 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{\"value\":";
        let asking = async {
            client.write_all(head.as_bytes()).await.unwrap();
            let mut response = String::new();
            client.read_to_string(&mut response).await.unwrap();
            response
        };
        let serving = serve_http(server, Scheme::HTTP, Arc::default(), router);
        let start = Instant::now();
        let exchange = timeout(Duration::from_secs(3_600), async { tokio::join!(serving, asking) });
        let ((), response) = exchange.await.expect("the exchange ends");
        assert!(response.starts_with("HTTP/1.1 408 "), "{response}");
        assert!(response.contains("connection: close") && response.contains("RequestTimeout"), "{response}");
        assert_eq!(start.elapsed(), Duration::from_secs(30));
    }
}
