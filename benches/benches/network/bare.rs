//! A bare client of hyper, which sends the requests and does nothing else: the bound of any client.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use futures::future::join_all;
use futures::stream::{FuturesUnordered, StreamExt};
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper_util::rt::{TokioExecutor, TokioIo};
use keyvault_benches::{Rounds, name};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{Task, print, read_command, ready};

pub(super) async fn run(task: &Task) {
    let started = Instant::now();
    let client = Client::new(task);
    match task.mode.as_str() {
        "one" => {
            let mut rounds = Rounds::default();
            client.get(&secret(0)).await;
            for _ in 0..5 {
                let started = Instant::now();
                client.get(&secret(0)).await;
                rounds.push(started.elapsed().as_secs_f64() * 1e3);
            }
            print((rounds.median(), 1));
        }
        "list" => {
            let loaded = client.load(task.count).await;
            print((started.elapsed().as_secs_f64() * 1e3, loaded));
        }
        "refresh" => {
            ready();
            while read_command().is_some() {
                let started = Instant::now();
                client.pages().await;
                print((started.elapsed().as_secs_f64() * 1e3, task.count));
            }
        }
        "event" => {
            client.get(&secret(0)).await;
            ready();
            while let Some(version) = read_command() {
                let path = format!("/secrets/{version}?api-version=2025-07-01");
                let started = Instant::now();
                client.get(&path).await;
                print((started.elapsed().as_secs_f64() * 1e3, 1));
            }
        }
        _ => {
            let loaded = join_all((0..task.count).map(|n| client.get_owned(n))).await.len();
            print((started.elapsed().as_secs_f64() * 1e3, loaded));
        }
    }
}

fn secret(n: usize) -> String {
    format!("/secrets/{}?api-version=2025-07-01", name(n))
}

struct Client {
    host: String,
    tls: TlsConnector,
    connections: Connections,
}

enum Connections {
    /// One HTTP/2 connection for all requests.
    Shared(tokio::sync::OnceCell<hyper::client::conn::http2::SendRequest<Empty<Bytes>>>),
    /// Idle HTTP/1.1 connections, and the limit of all connections.
    Idle(Mutex<Vec<hyper::client::conn::http1::SendRequest<Empty<Bytes>>>>, tokio::sync::Semaphore),
}

impl Client {
    fn new(task: &Task) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(task.authority.as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let mut tls = builder.with_root_certificates(roots).with_no_client_auth();
        tls.alpn_protocols = vec![if task.http1 { b"http/1.1".to_vec() } else { b"h2".to_vec() }];
        let connections = match task.http1 {
            true => Connections::Idle(Mutex::default(), tokio::sync::Semaphore::new(64)),
            false => Connections::Shared(tokio::sync::OnceCell::new()),
        };
        Self { host: task.url["https://".len()..].to_owned(), tls: TlsConnector::from(Arc::new(tls)), connections }
    }

    async fn connect(&self) -> TokioIo<TlsStream<TcpStream>> {
        let tcp = TcpStream::connect(&self.host).await.unwrap();
        tcp.set_nodelay(true).unwrap();
        let name = ServerName::try_from(self.host.split(':').next().unwrap().to_owned()).unwrap();
        TokioIo::new(self.tls.connect(name, tcp).await.unwrap())
    }

    async fn get_owned(&self, n: usize) -> Bytes {
        self.get(&secret(n)).await
    }

    async fn get(&self, path: &str) -> Bytes {
        let request = |uri: String| {
            let request =
                Request::get(uri).header("authorization", "Bearer any-token-will-do").header("host", &self.host);
            request.body(Empty::new()).unwrap()
        };
        match &self.connections {
            Connections::Shared(sender) => {
                let sender = sender.get_or_init(|| async {
                    let (sender, connection) =
                        hyper::client::conn::http2::handshake(TokioExecutor::new(), self.connect().await)
                            .await
                            .unwrap();
                    tokio::spawn(connection);
                    sender
                });
                let mut sender = sender.await.clone();
                let response = sender.send_request(request(format!("https://{}{path}", self.host))).await.unwrap();
                response.into_body().collect().await.unwrap().to_bytes()
            }
            Connections::Idle(idle, limit) => {
                let _permit = limit.acquire().await.unwrap();
                let sender = idle.lock().await.pop();
                let mut sender = match sender {
                    Some(sender) => sender,
                    None => {
                        let (sender, connection) =
                            hyper::client::conn::http1::handshake(self.connect().await).await.unwrap();
                        tokio::spawn(connection);
                        sender
                    }
                };
                sender.ready().await.unwrap();
                let response = sender.send_request(request(path.to_owned())).await.unwrap();
                let body = response.into_body().collect().await.unwrap().to_bytes();
                idle.lock().await.push(sender);
                body
            }
        }
    }

    /// Lists the vault, and gets the secrets of each page while the list continues.
    async fn load(&self, count: usize) -> usize {
        let mut gets = FuturesUnordered::new();
        let mut loaded = 0;
        let mut next = Some("/secrets?api-version=2025-07-01".to_owned());
        while let Some(path) = next.take() {
            let page = self.get(&path);
            tokio::pin!(page);
            let page = loop {
                tokio::select! {
                    page = &mut page => break page,
                    Some(_) = gets.next() => {}
                }
            };
            next = next_page(&page);
            let listed = (loaded + 25).min(count);
            gets.extend((loaded..listed).map(|n| self.get_owned(n)));
            loaded = listed;
        }
        while gets.next().await.is_some() {}
        loaded
    }

    /// Lists the vault.
    async fn pages(&self) {
        let mut next = Some("/secrets?api-version=2025-07-01".to_owned());
        while let Some(path) = next {
            next = next_page(&self.get(&path).await);
        }
    }
}

fn next_page(page: &Bytes) -> Option<String> {
    let text = std::str::from_utf8(page).unwrap();
    let link = &text[text.find("\"nextLink\":\"")? + "\"nextLink\":\"".len()..];
    let link = &link[..link.find('"')?];
    Some(link[link["https://".len()..].find('/')? + "https://".len()..].to_owned())
}
