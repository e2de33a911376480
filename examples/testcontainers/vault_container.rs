//! Starts the emulator in a container, as an integration test does, and reads a secret from it.
//!
//! Needs Docker and the image `keyvault-emulator`, which `packaging/image.sh` makes. A test in Rust can do without
//! both: `keyvault_emulator::Emulator::start()` is the same vault in the process of the test.
//!
//! Not for a test that runs in a container itself: the emulator has no certificate for the address of Docker's bridge.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_core::time::OffsetDateTime;
use keyvault::SecretClient;
use testcontainers::core::{IntoContainerPort, WaitFor};
use testcontainers::runners::AsyncRunner;
use testcontainers::{ContainerAsync, GenericImage, ImageExt};

/// A vault in a container. Dropping it removes the container.
struct VaultContainer {
    client: SecretClient,
    _container: ContainerAsync<GenericImage>,
}

impl VaultContainer {
    /// Starts the container and waits until its health check succeeds.
    async fn start() -> Result<Self, Box<dyn Error>> {
        let container = GenericImage::new("keyvault-emulator", "0.1.0")
            .with_exposed_port(HTTPS.tcp())
            .with_exposed_port(HTTP.tcp())
            .with_wait_for(WaitFor::healthcheck())
            .with_cmd(["emulator", "--accept-any-token"])
            .start()
            .await?;
        let host = container.get_host().await?;
        let https = container.get_host_port_ipv4(HTTPS.tcp()).await?;
        let http = container.get_host_port_ipv4(HTTP.tcp()).await?;
        // Each emulator has a certificate authority of its own.
        let authority = reqwest::get(format!("http://{host}:{http}/_emulator/ca")).await?.text().await?;
        let client = SecretClient::builder(format!("https://{host}:{https}"))
            .credential(Arc::new(AnyToken))
            .certificate_authority(authority)
            .build()?;
        Ok(Self { client, _container: container })
    }
}

/// The emulator accepts any token with `--accept-any-token`.
#[derive(Debug)]
struct AnyToken;

#[async_trait::async_trait]
impl TokenCredential for AnyToken {
    async fn get_token(&self, _: &[&str], _: Option<TokenRequestOptions<'_>>) -> azure_core::Result<AccessToken> {
        Ok(AccessToken::new("any".to_owned(), OffsetDateTime::now_utc() + Duration::from_secs(3_600)))
    }
}

/// The ports of the image.
const HTTPS: u16 = 8443;
const HTTP: u16 = 8080;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let vault = VaultContainer::start().await?;
    vault.client.set("db-password", "hunter2").await?;
    assert_eq!(vault.client.get("db-password").await?.expose_secret(), "hunter2");
    println!("read from the vault in the container");
    Ok(())
}
