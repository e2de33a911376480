//! A client of `reqwest` without features works beside a client of a vault.
//!
//! `cargo test -p keyvault-neighbour` compiles only what such a program compiles.

use keyvault::{SecretClient, default_credential};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

#[tokio::test]
async fn a_client_without_tls_works_beside_that_of_a_vault() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let (mut connection, _) = listener.accept().await.unwrap();
        _ = connection.read(&mut [0; 1024]).await.unwrap();
        connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello").await.unwrap();
    });
    let credential = default_credential().unwrap();
    let vault = SecretClient::builder("https://contoso.vault.azure.net").credential(credential).build().unwrap();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    assert_eq!(client.get(url).send().await.unwrap().text().await.unwrap(), "hello");
    // With a feature for TLS but without a provider, this would panic.
    drop(reqwest::Client::new());
    server.await.unwrap();
    drop(vault);
}
