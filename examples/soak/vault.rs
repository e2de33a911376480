//! The vault, in a process of its own, and what goes wrong with it.

use std::fmt;
use std::io;
use std::process::Stdio;
use std::time::Duration;

use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_core::error::ErrorKind;
use azure_core::time::OffsetDateTime;
use keyvault_emulator::Emulator;
use keyvault_examples::Outcome;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::task::spawn_blocking;

/// Where the vault is, and how to get in.
#[derive(Clone, Deserialize, Serialize)]
pub(crate) struct Access {
    /// The vault.
    pub(crate) url: String,
    /// Who vouches for it, as PEM.
    pub(crate) ca: String,
    control: String,
    identity: String,
    identity_header: String,
}

/// Is the vault, until standard input ends.
///
/// # Errors
///
/// It cannot listen.
pub(crate) async fn serve() -> Outcome {
    let emulator = Emulator::start().await?;
    let access = Access {
        url: emulator.vault_url().to_owned(),
        ca: emulator.ca_pem().to_owned(),
        control: emulator.control_url(),
        identity: emulator.identity_endpoint(),
        identity_header: emulator.identity_header().to_owned(),
    };
    println!("{}", serde_json::to_string(&access)?);
    spawn_blocking(|| io::copy(&mut io::stdin(), &mut io::sink())).await??;
    Ok(())
}

/// The vault, from outside.
pub(crate) struct RemoteVault {
    /// How to get in.
    pub(crate) access: Access,
    http: reqwest::Client,
    _process: Child,
}

impl RemoteVault {
    /// Starts this program once more, as the vault, and fills it.
    ///
    /// # Errors
    ///
    /// It does not start.
    pub(crate) async fn start() -> Outcome<Self> {
        let mut process = Command::new(std::env::current_exe()?)
            .arg("--vault")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let output = process.stdout.take().ok_or("the vault has no output")?;
        let line = BufReader::new(output).lines().next_line().await?.ok_or("the vault does not start")?;
        // A connection that is kept for later would look like one that the service keeps.
        let http = reqwest::Client::builder().pool_max_idle_per_host(0).build()?;
        let vault = Self { access: serde_json::from_str(&line)?, http, _process: process };
        let others: serde_json::Map<String, Value> = (0..40).map(|n| (format!("Other--S{n}"), json!("o"))).collect();
        vault.tell("secrets", &Value::Object(others)).await?;
        vault.rotate(0).await?;
        Ok(vault)
    }

    /// Sets a new version of the password, and gives it.
    ///
    /// # Errors
    ///
    /// The vault is gone.
    pub(crate) async fn rotate(&self, second: u64) -> Outcome<String> {
        let version = format!("{second:032x}");
        self.tell("secrets", &json!({"password": {"value": format!("soaking-password-{second}"), "version": version}}))
            .await?;
        Ok(version)
    }

    /// Has the next requests struck by the fault of this second.
    ///
    /// # Errors
    ///
    /// The vault is gone.
    pub(crate) async fn go_wrong(&self, second: u64) -> Outcome {
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
        self.tell("faults", &fault).await
    }

    async fn tell(&self, path: &str, order: &Value) -> Outcome {
        let url = format!("{}/{path}", self.access.control);
        self.http.post(url).json(order).send().await?.error_for_status()?;
        Ok(())
    }

    /// Makes what gets tokens from the vault's managed identity.
    pub(crate) fn credential(&self) -> Identity {
        Identity { http: self.http.clone(), access: self.access.clone() }
    }
}

/// A managed identity, asked anew each time: the vault takes tokens back.
pub(crate) struct Identity {
    http: reqwest::Client,
    access: Access,
}

#[async_trait::async_trait]
impl TokenCredential for Identity {
    async fn get_token(&self, _: &[&str], _: Option<TokenRequestOptions<'_>>) -> azure_core::Result<AccessToken> {
        let url = format!("{}?api-version=2019-08-01&resource=https://vault.azure.net", self.access.identity);
        let failed = |error: reqwest::Error| azure_core::Error::with_message(ErrorKind::Io, error.to_string());
        let request = self.http.get(url).header("X-IDENTITY-HEADER", &self.access.identity_header);
        let answer = request.send().await.and_then(reqwest::Response::error_for_status).map_err(failed)?;
        let token: Token = answer.json().await.map_err(failed)?;
        Ok(AccessToken::new(token.access_token, OffsetDateTime::now_utc() + Duration::from_secs(3_000)))
    }
}

#[derive(Deserialize)]
struct Token {
    access_token: String,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity")
    }
}
