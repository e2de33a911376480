//! Measures how long it takes to load the secrets of your own vault over your own network.
//!
//! ```sh
//! vault=https://contoso.vault.azure.net
//! cargo run --release --example load_secrets -- --vault $vault --mode list
//! cargo run --release --example load_secrets -- --vault $vault --mode refs --names names.txt --count 100
//! ```
//!
//! The token is the value of `KEYVAULT_TOKEN`, or comes from [`default_credential`] if that variable is not set. The
//! program prints one line of JSON for each load:
//!
//! * `wall_ms`: the time from the creation of the client to the last value in memory, or of one refresh, in
//!   milliseconds;
//! * `secrets`: the number of secrets;
//! * `requests` and `connections`: the number of each, in total or for the refresh;
//! * `rss_kb`: the resident memory of this process afterwards, in KiB; 0 where the system does not report it;
//! * `changed`: after a refresh, the keys of the settings that changed.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_core::time::OffsetDateTime;
use clap::{Parser, ValueEnum};
use figment::Figment;
use futures::future::try_join_all;
use keyvault::client::ClientStats;
use keyvault::{NameMap, Resolver, SecretClient, SecretId, SecretName, default_credential};
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use tokio::task::spawn_blocking;

/// Loads secrets and prints how long it took.
#[derive(Parser)]
struct Arguments {
    /// URL of the vault.
    #[arg(long)]
    vault: String,
    /// Operation to measure.
    #[arg(long, value_enum)]
    mode: Mode,
    /// File with the name of one secret on each line.
    #[arg(long)]
    names: Option<PathBuf>,
    /// Number of names to use. Default: all.
    #[arg(long)]
    count: Option<usize>,
    /// CA certificate to trust in addition to those of the platform, as PEM.
    #[arg(long)]
    ca: Option<PathBuf>,
    /// Use HTTP/1.1, even if the vault supports HTTP/2.
    #[arg(long)]
    http1: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Mode {
    /// List the vault and get every secret.
    List,
    /// Get the secrets named in the file, without listing the vault.
    Names,
    /// Resolve a reference to each secret named in the file.
    Refs,
    /// Print `ready`, then refresh live settings for each line of standard input. The settings are references to the
    /// secrets named in the file, or all secrets of the vault without one.
    Refresh,
}

type Result<T = (), E = Box<dyn Error>> = std::result::Result<T, E>;

impl Arguments {
    fn client(&self) -> Result<SecretClient> {
        let credential: Arc<dyn TokenCredential> = match std::env::var("KEYVAULT_TOKEN") {
            Ok(token) => Arc::new(FixedToken(token)),
            Err(_) => default_credential()?,
        };
        let mut builder = SecretClient::builder(&self.vault).credential(credential);
        if let Some(path) = &self.ca {
            builder = builder.certificate_authority(fs::read_to_string(path)?);
        }
        if self.http1 {
            builder = builder.http1_only();
        }
        Ok(builder.build()?)
    }

    fn names(&self) -> Result<Vec<SecretName>> {
        let path = self.names.as_ref().ok_or("--names is required for this mode")?;
        let text = fs::read_to_string(path)?;
        let names = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let names = names.take(self.count.unwrap_or(usize::MAX)).map(str::parse);
        Ok(names.collect::<Result<_, _>>()?)
    }
}

async fn run(arguments: &Arguments) -> Result {
    // The file is read first, so that its time is not measured.
    let names = if arguments.names.is_some() { Some(arguments.names()?) } else { None };
    let required = || names.as_deref().ok_or("--names is required for this mode");
    match arguments.mode {
        Mode::List => list(arguments).await,
        Mode::Names => get(arguments, required()?).await,
        Mode::Refs => resolve(arguments, required()?).await,
        Mode::Refresh => refresh(arguments, names.as_deref()).await,
    }
}

async fn list(arguments: &Arguments) -> Result {
    let started = Instant::now();
    let client = arguments.client()?;
    let secrets = Resolver::from(client.clone()).mapped(&NameMap::new()).await?;
    let took = started.elapsed();
    print(took, secrets.iter().count(), client.stats(), None)
}

async fn get(arguments: &Arguments, names: &[SecretName]) -> Result {
    let started = Instant::now();
    let client = arguments.client()?;
    let resolver = Resolver::from(client.clone());
    let ids: Vec<SecretId> = names.iter().map(|name| SecretId::new(client.vault().clone(), name.clone())).collect();
    let secrets = try_join_all(ids.iter().map(|id| resolver.get(id))).await?;
    let took = started.elapsed();
    print(took, secrets.len(), client.stats(), None)
}

async fn resolve(arguments: &Arguments, names: &[SecretName]) -> Result {
    let started = Instant::now();
    let client = arguments.client()?;
    let resolver = Resolver::from(client.clone());
    let references: Vec<String> = names.iter().map(reference).collect();
    let texts = try_join_all(references.iter().map(|text| resolver.resolve(text))).await?;
    let took = started.elapsed();
    print(took, texts.len(), client.stats(), None)
}

async fn refresh(arguments: &Arguments, names: Option<&[SecretName]>) -> Result {
    let client = arguments.client()?;
    let settings: BTreeMap<String, String> =
        names.unwrap_or_default().iter().map(|name| (key(name), reference(name))).collect();
    let layered = keyvault_figment::layered(client.clone(), move || {
        Figment::from(figment::providers::Serialized::defaults(settings.clone()))
    });
    let layered = if names.is_some() { layered.references_only() } else { layered };
    // Only a line on standard input causes a refresh.
    let live = layered.refresh_every(Duration::from_secs(24 * 60 * 60)).start::<IgnoredAny>().await?;
    writeln!(std::io::stdout(), "ready")?;
    while read_line().await? {
        let before = client.stats();
        let started = Instant::now();
        let change = live.refresh_now().await?;
        let took = started.elapsed();
        let changed = change.map(|change| change.keys).unwrap_or_default();
        let secrets = live.published().snapshot().len();
        print(took, secrets, client.stats().since(&before), Some(changed))?;
    }
    live.shutdown().await;
    Ok(())
}

/// Waits for a line on standard input, while the connection stays open. Returns `false` at the end of input.
async fn read_line() -> Result<bool> {
    let line = spawn_blocking(|| std::io::stdin().read_line(&mut String::new()));
    Ok(line.await?? > 0)
}

fn reference(name: &SecretName) -> String {
    format!("@KeyVault(SecretName={name})")
}

/// Returns a key of one level for a name.
fn key(name: &SecretName) -> String {
    name.as_str().to_ascii_lowercase().replace('-', "_")
}

fn print(took: Duration, secrets: usize, traffic: ClientStats, changed: Option<Vec<String>>) -> Result {
    let mut line = json!({
        "wall_ms": took.as_secs_f64() * 1e3,
        "secrets": secrets,
        "requests": traffic.requests,
        "connections": traffic.connections,
        "rss_kb": resident(),
    });
    if let Some(changed) = changed {
        line["changed"] = Value::from(changed);
    }
    Ok(writeln!(std::io::stdout(), "{line}")?)
}

/// Returns the resident memory of this process, in KiB.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}

/// A credential that always returns the same token.
struct FixedToken(String);

#[async_trait::async_trait]
impl TokenCredential for FixedToken {
    async fn get_token(&self, _: &[&str], _: Option<TokenRequestOptions<'_>>) -> azure_core::Result<AccessToken> {
        Ok(AccessToken::new(self.0.clone(), OffsetDateTime::now_utc() + Duration::from_secs(3_600)))
    }
}

impl std::fmt::Debug for FixedToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FixedToken").finish_non_exhaustive()
    }
}

// One thread is enough to load secrets: several threads wake each other for every response.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(&Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The report lists every setting that failed.
            match error.downcast_ref::<keyvault::Error>() {
                Some(error) => eprintln!("{}", error.report()),
                None => eprintln!("{error}"),
            }
            ExitCode::FAILURE
        }
    }
}
