//! Nothing is decompressed: no request asks for a compressed body, and one that arrives unasked is an error.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use futures::TryStreamExt;
use keyvault::{ErrorKind, SecretClient};
use keyvault_appconfig::{AppConfigurationClient, NO_LABEL, Selector};
use keyvault_test_support::credential::FakeCredential;
use rcgen::{CertificateParams, KeyPair};
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// A server over TLS that answers one request with a compressed page. An emulator shows no headers of its requests.
struct CompressingServer {
    origin: String,
    certificate: String,
    head: Receiver<String>,
}

impl CompressingServer {
    fn start() -> Self {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap().self_signed(&key).unwrap();
        let private_key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        let config = config.with_single_cert(vec![certificate.der().clone()], private_key).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let origin = format!("https://{}", listener.local_addr().unwrap());
        let (sender, head) = channel();
        thread::spawn(move || {
            let (tcp, _) = listener.accept().unwrap();
            sender.send(answer(tcp, config)).unwrap();
        });
        Self { origin, certificate: certificate.pem(), head }
    }

    /// Asserts that the request asked for no compressed body.
    fn assert_compression_was_not_asked_for(&self) {
        let head = self.head.recv_timeout(Duration::from_secs(60)).expect("a request arrives").to_lowercase();
        assert!(head.starts_with("get /") && head.contains("\r\naccept: "), "{head}");
        assert!(!head.contains("accept-encoding"), "{head}");
    }
}

/// Reads the head of a request, answers it, and returns the head.
fn answer(tcp: TcpStream, config: ServerConfig) -> String {
    let mut stream = StreamOwned::new(ServerConnection::new(Arc::new(config)).unwrap(), tcp);
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.extend(byte);
    }
    let headers = "content-type: application/json\r\ncontent-encoding: gzip";
    write!(stream, "HTTP/1.1 200 OK\r\n{headers}\r\ncontent-length: {}\r\n\r\n", PAGE.len()).unwrap();
    stream.write_all(PAGE).unwrap();
    stream.flush().unwrap();
    String::from_utf8(head).unwrap()
}

/// An empty page of a vault and of a store, compressed with gzip: `{"value":[],"items":[]}`.
const PAGE: &[u8] = b"\x1f\x8b\x08\0\0\0\0\0\x02\x03\xab\x56\x2a\x4b\xcc\x29\x4d\x55\xb2\x8a\x8e\xd5\x51\xca\x2c\x49\
                      \xcd\x2d\x06\x31\x6b\x01\x81\xa9\xb6\xd5\x17\0\0\0";

#[tokio::test]
async fn a_vault_is_asked_for_no_compressed_body_and_one_is_an_error() {
    let server = CompressingServer::start();
    let client = SecretClient::builder(&server.origin).credential(FakeCredential::fixed("token"));
    let client = client.certificate_authority(&server.certificate).build().unwrap();
    let error = client.list().try_collect::<Vec<_>>().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
    assert!(error.to_string().contains("response is not a vault's answer"), "{error}");
    server.assert_compression_was_not_asked_for();
}

#[tokio::test]
async fn a_store_is_asked_for_no_compressed_body_and_one_is_an_error() {
    let server = CompressingServer::start();
    let client = AppConfigurationClient::builder(&server.origin).credential(FakeCredential::fixed("token"));
    let client = client.certificate_authority(&server.certificate).build().unwrap();
    let error = client.list(&Selector::new("*", NO_LABEL)).try_collect::<Vec<_>>().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
    assert!(error.to_string().contains("response is not a store's answer"), "{error}");
    server.assert_compression_was_not_asked_for();
}
