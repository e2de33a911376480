//! The vault in a process of its own, and its faults.

use std::fmt;
use std::io;
use std::process::Stdio;
use std::time::Duration;

use crate::Result;
use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_core::error::ErrorKind;
use azure_core::time::OffsetDateTime;
use keyvault_emulator::Emulator;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::task::spawn_blocking;

/// The addresses of the vault and the secrets that give access to it.
#[derive(Clone, Deserialize, Serialize)]
pub struct Access {
    /// The URL of the vault.
    pub url: String,
    /// The certificate authority of the vault, as PEM.
    pub ca_pem: String,
    control: String,
    identity: String,
    identity_header: String,
}

/// Runs the vault until standard input ends, and prints its [`Access`] as the first line.
///
/// # Errors
///
/// The vault cannot listen.
pub async fn serve() -> Result {
    let emulator = Emulator::start().await?;
    let access = Access {
        url: emulator.vault_url().to_owned(),
        ca_pem: emulator.ca_pem().to_owned(),
        control: emulator.control_url(),
        identity: emulator.identity_endpoint(),
        identity_header: emulator.identity_header().to_owned(),
    };
    println!("{}", serde_json::to_string(&access)?);
    spawn_blocking(|| io::copy(&mut io::stdin(), &mut io::sink())).await??;
    Ok(())
}

/// A handle to the vault in the other process.
pub struct RemoteVault {
    /// The access to the vault.
    pub access: Access,
    http: reqwest::Client,
    _process: Child,
}

impl RemoteVault {
    /// Starts this program once more, as the vault, and sets its secrets.
    ///
    /// # Errors
    ///
    /// The vault does not start.
    pub async fn start() -> Result<Self> {
        let mut process = Command::new(std::env::current_exe()?)
            .arg("--vault")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let output = process.stdout.take().ok_or("the vault has no output")?;
        let line = BufReader::new(output).lines().next_line().await?.ok_or("the vault did not start")?;
        // Keeps no idle connection, which would count as one of the service.
        let http = reqwest::Client::builder().pool_max_idle_per_host(0).build()?;
        let vault = Self { access: serde_json::from_str(&line)?, http, _process: process };
        let others: serde_json::Map<String, Value> = (0..40).map(|n| (format!("Other--S{n}"), json!("o"))).collect();
        vault.post("secrets", &Value::Object(others)).await?;
        vault.rotate(0).await?;
        Ok(vault)
    }

    /// Sets a new version of the password and returns it.
    ///
    /// # Errors
    ///
    /// The vault does not answer.
    pub async fn rotate(&self, second: u64) -> Result<String> {
        let version = format!("{second:032x}");
        let value = format!("soaking-password-{second}");
        self.post("secrets", &json!({"password": {"value": value, "version": version}})).await?;
        Ok(version)
    }

    /// Injects the fault of this second into the next requests.
    ///
    /// # Errors
    ///
    /// The vault does not answer.
    pub async fn inject_fault(&self, second: u64) -> Result {
        self.http.delete(format!("{}/faults", self.access.control)).send().await?.error_for_status()?;
        let fault = match second % 12 {
            0 => json!({"fault": "status", "status": 429, "count": 2}),
            1 => json!({"fault": "status", "status": 503, "count": 6}),
            2 => json!({"fault": "reset", "count": 3}),
            3 => json!({"fault": "hang", "count": 1}),
            4 => json!({"fault": "truncated", "count": 2}),
            5 => json!({"fault": "not-json", "count": 2}),
            6 => json!({"fault": "hang-in-body", "count": 1}),
            7 => json!({"fault": "unauthorized", "count": 2}),
            8 => json!({"fault": "empty-page", "count": 3}),
            9 => json!({"fault": "status", "status": 429, "retry_after": "1", "count": 1}),
            10 => {
                self.http.delete(format!("{}/tokens", self.access.control)).send().await?.error_for_status()?;
                return Ok(());
            }
            _ => return Ok(()),
        };
        self.post("faults", &fault).await
    }

    async fn post(&self, path: &str, body: &Value) -> Result {
        let url = format!("{}/{path}", self.access.control);
        self.http.post(url).json(body).send().await?.error_for_status()?;
        Ok(())
    }

    /// Returns a credential that gets tokens from the vault's managed identity.
    pub fn credential(&self) -> ManagedIdentity {
        ManagedIdentity { http: self.http.clone(), access: self.access.clone() }
    }
}

/// A managed identity that requests a token each time, because the vault revokes tokens.
pub struct ManagedIdentity {
    http: reqwest::Client,
    access: Access,
}

#[async_trait::async_trait]
impl TokenCredential for ManagedIdentity {
    async fn get_token(&self, _: &[&str], _: Option<TokenRequestOptions<'_>>) -> azure_core::Result<AccessToken> {
        let url = format!("{}?api-version=2019-08-01&resource=https://vault.azure.net", self.access.identity);
        let io_error = |error: reqwest::Error| azure_core::Error::with_message(ErrorKind::Io, error.to_string());
        let request = self.http.get(url).header("X-IDENTITY-HEADER", &self.access.identity_header);
        let answer = request.send().await.and_then(reqwest::Response::error_for_status).map_err(io_error)?;
        let token: Token = answer.json().await.map_err(io_error)?;
        Ok(AccessToken::new(token.access_token, OffsetDateTime::now_utc() + Duration::from_secs(3_000)))
    }
}

#[derive(Deserialize)]
struct Token {
    access_token: String,
}

impl fmt::Debug for ManagedIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ManagedIdentity").finish_non_exhaustive()
    }
}

impl fmt::Debug for RemoteVault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteVault").field("access", &self.access).finish_non_exhaustive()
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access").field("url", &self.url).finish_non_exhaustive()
    }
}
