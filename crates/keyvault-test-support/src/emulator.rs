//! Clients and transports that reach an emulator.

use std::sync::Arc;

use azure_core::credentials::TokenCredential;
use azure_core::error::ErrorKind;
use azure_core::http::headers::Headers;
use azure_core::http::{AsyncRawResponse, ClientOptions, Transport};
use futures::TryStreamExt;
use keyvault::SecretClient;
use keyvault::client::SecretClientBuilder;
use keyvault_emulator::Emulator;

use crate::transport::{FakeTransport, SentRequest};

/// Returns the builder of a client that reaches `emulator` over TLS on a socket.
pub fn client_of(emulator: &Emulator, credential: &Arc<impl TokenCredential + 'static>) -> SecretClientBuilder {
    let credential = Arc::clone(credential) as Arc<dyn TokenCredential>;
    SecretClient::builder(emulator.vault_url()).credential(credential).certificate_authority(emulator.ca_pem())
}

/// Creates a transport without a socket to `emulator`, whatever host the URL names.
pub fn transport_to(emulator: &Arc<Emulator>) -> Arc<FakeTransport> {
    let emulator = Arc::clone(emulator);
    FakeTransport::new(move |request| send(Arc::clone(&emulator), request))
}

/// Sends a request to the emulator without a socket. As on a socket, the body may break off or hang.
///
/// Yields before and after, so that other tasks run meanwhile.
///
/// # Errors
///
/// Fails if the emulator drops the connection.
pub async fn send(emulator: Arc<Emulator>, sent: SentRequest) -> azure_core::Result<AsyncRawResponse> {
    let mut request = http::Request::builder().method(sent.method.as_str()).uri(sent.url.as_str());
    for (name, value) in &sent.headers {
        request = request.header(name, value);
    }
    let request = request.body(sent.body).unwrap();
    tokio::task::yield_now().await;
    let response = emulator.exchange(request).await;
    tokio::task::yield_now().await;
    let response = reqwest::Response::from(response?.map(reqwest::Body::wrap));
    let mut headers = Headers::new();
    for (name, value) in response.headers() {
        headers.insert(name.as_str().to_owned(), value.to_str().unwrap().to_owned());
    }
    let status = response.status().as_u16().into();
    let body = response.bytes_stream().map_err(|error| azure_core::Error::new(ErrorKind::Io, error));
    Ok(AsyncRawResponse::new(status, headers, Box::pin(body)))
}

/// Returns the options of an official client that reaches `emulator` over TLS on a socket.
pub fn tls_options(emulator: &Emulator) -> ClientOptions {
    trusting(emulator.ca_pem())
}

/// Returns the options of an official client that trusts one certificate authority, given as PEM.
pub fn trusting(authority: &str) -> ClientOptions {
    let authority = reqwest::Certificate::from_pem(authority.as_bytes()).unwrap();
    let client = reqwest::Client::builder().tls_certs_only([authority]).build().unwrap();
    ClientOptions { transport: Some(Transport::new(Arc::new(client))), ..ClientOptions::default() }
}
