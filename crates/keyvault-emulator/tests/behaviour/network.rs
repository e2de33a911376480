//! Real connections: protocols, certificates, and clients that violate the protocol.

use std::net::{Ipv4Addr, SocketAddr};

use http::Version;
use keyvault_emulator::Emulator;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::{client, client_builder, request};

#[tokio::test]
async fn https_serves_both_versions_of_http() {
    let emulator = Emulator::start().await.unwrap();
    emulator.set("a", "hunter2");
    for (builder, version) in
        [(client_builder(&emulator), Version::HTTP_2), (client_builder(&emulator).http1_only(), Version::HTTP_11)]
    {
        let response = request(&emulator, &builder.build().unwrap(), "/secrets/a").send().await.unwrap();
        assert_eq!(response.version(), version);
        let text = response.text().await.unwrap();
        let start = format!(r#"{{"value":"hunter2","id":"{}/secrets/a/"#, emulator.vault_url());
        assert!(text.starts_with(&start), "{text}");
    }
}

#[tokio::test]
async fn plain_http_serves_the_same_vault_under_its_own_scheme() {
    let emulator = Emulator::start().await.unwrap();
    emulator.set("a", "hunter2");
    let url = format!("{}/secrets/a?api-version=7.4", emulator.http_url());
    let text = client(&emulator).get(url).bearer_auth(emulator.token()).send().await.unwrap().text().await.unwrap();
    assert!(text.contains(&format!(r#""id":"{}/secrets/a/"#, emulator.http_url())), "{text}");
}

#[tokio::test]
async fn the_certificate_covers_every_host_name_of_the_emulator() {
    let emulator = Emulator::start().await.unwrap();
    let port = emulator.vault_url().rsplit_once(':').unwrap().1.to_owned();
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port.parse().unwrap()));
    for (host, value) in [
        ("localhost", "default"),
        ("contoso.vault.azure.net", "contoso"),
        ("contoso.vault.azure.cn", "contoso"),
        ("fabrikam.localhost", "fabrikam"),
        ("keyvault.test", "default"),
    ] {
        emulator.set("a", "default");
        emulator.vault("contoso").set("a", "contoso");
        emulator.vault("fabrikam").set("a", "fabrikam");
        let client = client_builder(&emulator).resolve(host, address).build().unwrap();
        let url = format!("https://{host}:{port}/secrets/a?api-version=7.4");
        let response = client.get(url).bearer_auth(emulator.token()).send().await;
        let text = response.unwrap_or_else(|error| panic!("{host}: {error:?}")).text().await.unwrap();
        assert!(text.starts_with(&format!(r#"{{"value":"{value}""#)), "{host}: {text}");
    }
}

#[tokio::test]
async fn a_client_that_does_not_trust_the_authority_cannot_connect() {
    let emulator = Emulator::start().await.unwrap();
    let other = Emulator::start().await.unwrap();
    assert!(request(&emulator, &client(&other), "/secrets").send().await.is_err());
}

#[tokio::test]
async fn the_authority_can_be_written_to_a_file() {
    let emulator = Emulator::start().await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ca.pem");
    emulator.write_ca(&path).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text, emulator.ca_pem());
    assert!(text.starts_with("-----BEGIN CERTIFICATE-----"));
    emulator.write_ca(&path).unwrap();
}

#[tokio::test]
async fn a_start_writes_the_authority_to_a_file_or_fails() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ca.pem");
    let emulator = Emulator::builder().ca_file(&path).start().await.unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), emulator.ca_pem());
    let missing = directory.path().join("missing/ca.pem");
    assert!(Emulator::builder().ca_file(missing).start().await.unwrap_err().to_string().contains("ca.pem"));
}

#[cfg(unix)]
#[tokio::test]
async fn the_authority_is_not_written_through_a_planted_link() {
    let emulator = Emulator::start().await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let [target, link] = ["target", "ca.pem"].map(|name| directory.path().join(name));
    std::fs::write(&target, "foreign").unwrap();
    std::os::unix::fs::symlink(&target, &link).unwrap();
    let error = emulator.write_ca(&link).unwrap_err().to_string();
    assert!(error.contains("ca.pem: it is a symbolic link"), "{error}");
    assert_eq!(std::fs::read_to_string(&target).unwrap(), "foreign");
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 2);
}

#[tokio::test]
async fn a_client_that_violates_the_protocol_does_not_affect_others() {
    let emulator = Emulator::start().await.unwrap();
    let https = emulator.vault_url().strip_prefix("https://").unwrap().to_owned();
    let http = emulator.http_url().strip_prefix("http://").unwrap().to_owned();
    let mut open = Vec::new();
    for address in [&https, &http] {
        for bytes in
            [&b""[..], b"invalid\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", b"\x16\x03\x01\xff\xff", b"GET /"]
        {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(bytes).await.unwrap();
            open.push(stream);
        }
    }
    assert_eq!(request(&emulator, &client(&emulator), "/secrets").send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_request_body_that_is_too_long_is_rejected() {
    let emulator = Emulator::start().await.unwrap();
    let url = format!("{}/secrets/a?api-version=7.4", emulator.vault_url());
    let body = format!(r#"{{"value":"{}"}}"#, "a".repeat(2 * 1024 * 1024));
    let response = client(&emulator).put(url).bearer_auth(emulator.token()).body(body).send().await.unwrap();
    assert_eq!(response.status(), 413);
}

#[tokio::test]
async fn a_stopped_emulator_closes_its_ports_and_cuts_its_connections() {
    let emulator = Emulator::start().await.unwrap();
    let address = emulator.http_url().strip_prefix("http://").unwrap().to_owned();
    let mut stream = TcpStream::connect(&address).await.unwrap();
    emulator.stop().await;
    assert_eq!(stream.read(&mut [0; 1]).await.unwrap_or(0), 0);
    assert!(TcpStream::connect(&address).await.is_err());
}

#[tokio::test]
async fn a_dropped_emulator_cuts_its_connections() {
    let emulator = Emulator::start().await.unwrap();
    let address = emulator.http_url().strip_prefix("http://").unwrap().to_owned();
    let mut stream = TcpStream::connect(&address).await.unwrap();
    drop(emulator);
    assert_eq!(stream.read(&mut [0; 1]).await.unwrap_or(0), 0);
}

#[tokio::test]
async fn a_port_in_use_is_an_error() {
    let emulator = Emulator::start().await.unwrap();
    let address: SocketAddr = emulator.vault_url().strip_prefix("https://").unwrap().parse().unwrap();
    let error = Emulator::builder().listen(address).start().await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
}

#[tokio::test]
async fn a_given_port_is_used() {
    let first = Emulator::start().await.unwrap();
    let address: SocketAddr = first.http_url().strip_prefix("http://").unwrap().parse().unwrap();
    first.stop().await;
    let second = Emulator::builder().listen_http(address).start().await.unwrap();
    assert_eq!(second.http_url(), format!("http://{address}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_concurrent_requests_all_succeed() {
    let emulator = Emulator::start().await.unwrap();
    let client = client(&emulator);
    let set = |n: usize| {
        let url = format!("{}/secrets/s{}?api-version=7.4", emulator.vault_url(), n % 20);
        client.put(url).bearer_auth(emulator.token()).body(format!(r#"{{"value":"{n}"}}"#)).send()
    };
    let responses = futures::future::join_all((0..400).map(set)).await;
    assert!(responses.iter().all(|response| response.as_ref().is_ok_and(|response| response.status() == 200)));
    assert_eq!((emulator.requests().set, emulator.requests().total), (400, 400));
}
