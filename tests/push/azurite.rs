//! Azurite, the emulator of Azure Storage by Microsoft (npm): one process per test.

use std::fs;
use std::io;
use std::net::TcpListener;
use std::process::Stdio;
use std::time::Duration;

use azure_storage_queue::models::QueueMessage;
use azure_storage_queue::{QueueClient, QueueClientOptions};
use keyvault_test_support::emulator::trusting;
use rcgen::{CertificateParams, KeyPair};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;
use url::Url;

/// A queue service on loopback over TLS. Drop stops it.
pub(super) struct Azurite {
    _process: Child,
    port: u16,
    _directory: TempDir,
    certificate: String,
}

impl Azurite {
    /// Starts the service. Returns `None` and prints a line if Azurite is not installed. Panics in CI in this case.
    pub(super) async fn start() -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let certificate = write_certificate(directory.path());
        // The port is free now and used at once. A race with another process would fail the start.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let process = Command::new("azurite-queue")
            .args(["--queuePort", &port.to_string(), "--cert", "cert.pem", "--key", "key.pem", "--oauth", "basic"])
            .args(["--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry", "--silent"])
            .current_dir(directory.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn();
        let mut process = match process {
            Ok(process) => process,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                assert!(std::env::var_os("CI").is_none(), "azurite-queue is not installed: npm install -g azurite");
                eprintln!("SKIPPED: azurite-queue is not installed (npm install -g azurite)");
                return None;
            }
            Err(error) => panic!("azurite-queue does not start: {error}"),
        };
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let listening = async {
            while let Some(line) = lines.next_line().await.unwrap() {
                if line.contains("successfully listen") {
                    return true;
                }
            }
            false
        };
        assert!(timeout(Duration::from_secs(60), listening).await.unwrap(), "azurite-queue ended at once");
        Some(Self { _process: process, port, _directory: directory, certificate })
    }

    /// Returns the certificate that a client must trust.
    pub(super) fn certificate(&self) -> &str {
        &self.certificate
    }

    /// Returns the URL of a queue without a signature.
    pub(super) fn url(&self, queue: &str) -> String {
        format!("https://127.0.0.1:{}/{ACCOUNT}/{queue}", self.port)
    }

    /// Returns the URL of a queue with a [signature for the
    /// account](https://learn.microsoft.com/rest/api/storageservices/create-account-sas).
    pub(super) fn signed_url(&self, queue: &str) -> String {
        let (permissions, services, types, expiry, protocol) =
            ("rwdlacup", "q", "sco", "2099-01-01T00:00:00Z", "https");
        let text = format!("{ACCOUNT}\n{permissions}\n{services}\n{types}\n\n{expiry}\n\n{protocol}\n{VERSION}\n\n");
        let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &azure_core::base64::decode(KEY).unwrap());
        let signature = azure_core::base64::encode(aws_lc_rs::hmac::sign(&key, text.as_bytes()));
        let mut url = Url::parse(&self.url(queue)).unwrap();
        url.query_pairs_mut()
            .extend_pairs([("sv", VERSION), ("ss", services), ("srt", types), ("sp", permissions)])
            .extend_pairs([("se", expiry), ("spr", protocol), ("sig", &signature)]);
        url.into()
    }

    /// Returns the official client, which enqueues messages like Event Grid.
    pub(super) fn client(&self, queue: &str) -> QueueClient {
        let client_options = trusting(&self.certificate);
        let options = QueueClientOptions { client_options, ..QueueClientOptions::default() };
        QueueClient::new(self.signed_url(queue).parse().unwrap(), None, Some(options)).unwrap()
    }
}

/// Enqueues a message unchanged.
pub(super) async fn send(queue: &QueueClient, text: &str) {
    let message = QueueMessage { message_text: Some(text.to_owned()) };
    queue.send_message(message.try_into().unwrap(), None).await.unwrap();
}

/// Returns the number of messages, including hidden ones.
pub(super) async fn length(queue: &QueueClient) -> i64 {
    use azure_storage_queue::models::QueueClientGetPropertiesResultHeaders;

    let properties = queue.get_properties(None).await.unwrap();
    properties.approximate_messages_count().unwrap().unwrap()
}

/// Writes a self-signed certificate for loopback, and its key.
fn write_certificate(directory: &std::path::Path) -> String {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap().self_signed(&key).unwrap().pem();
    fs::write(directory.join("cert.pem"), &certificate).unwrap();
    fs::write(directory.join("key.pem"), key.serialize_pem()).unwrap();
    certificate
}

/// The [account and key](https://learn.microsoft.com/azure/storage/common/storage-use-azurite#well-known-storage-account-and-key)
/// of every Azurite there is.
const ACCOUNT: &str = "devstoreaccount1";
const KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
const VERSION: &str = "2021-10-04";
