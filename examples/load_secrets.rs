//! How long it takes until all secrets of a vault are in memory: yours, with your network in between.
//!
//! ```sh
//! cargo run --release --example load_secrets -- --vault https://contoso.vault.azure.net --mode list
//! cargo run --release --example load_secrets -- --vault https://contoso.vault.azure.net --mode refs --names names.txt --count 100
//! ```
//!
//! The token is that of `KEYVAULT_TOKEN` if it is set, else what [`default_credential`] gets. It prints one line of JSON:
//!
//! * `wall_ms`: from making the client to all values in memory, or for one refresh, in milliseconds;
//! * `secrets`: how many there are;
//! * `requests` and `connections`: how many it took, all together or for the refresh;
//! * `rss_kb`: the resident memory of this process afterwards, in KiB; 0 where the system does not tell;
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
use keyvault::{ClientStats, NameMap, Resolver, SecretClient, SecretId, SecretName, default_credential};
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use tokio::task::spawn_blocking;

/// Loads secrets and tells how long it took.
#[derive(Parser)]
struct Arguments {
    /// The vault's URL.
    #[arg(long)]
    vault: String,
    /// What to load.
    #[arg(long, value_enum)]
    mode: Mode,
    /// A file with the name of a secret on each line.
    #[arg(long)]
    names: Option<PathBuf>,
    /// How many of the names to take. Default: all.
    #[arg(long)]
    count: Option<usize>,
    /// A certificate authority to trust beside the platform's, as PEM.
    #[arg(long)]
    ca: Option<PathBuf>,
    /// Speak HTTP/1.1, even if the vault offers HTTP/2.
    #[arg(long)]
    http1: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Mode {
    /// List the vault and get every secret.
    List,
    /// Get the secrets whose names are in the file, without a list.
    Names,
    /// Resolve a reference to each of the names in the file.
    Refs,
    /// Keep settings live: say `ready`, refresh them for each line on standard input, until its end. With a file of names
    /// the settings are references to those, else all secrets of the vault.
    Refresh,
}

type Outcome<T> = Result<T, Box<dyn Error>>;

impl Arguments {
    fn client(&self) -> Outcome<SecretClient> {
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

    fn names(&self) -> Outcome<Vec<SecretName>> {
        let path = self.names.as_ref().ok_or("--names is missing")?;
        let text = fs::read_to_string(path)?;
        let names = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let names = names.take(self.count.unwrap_or(usize::MAX)).map(str::parse);
        Ok(names.collect::<Result<_, _>>()?)
    }
}

async fn run(arguments: &Arguments) -> Outcome<()> {
    // Files are read before the clock starts: they are no part of the work.
    let names = if arguments.names.is_some() { Some(arguments.names()?) } else { None };
    let needed = || names.as_deref().ok_or("--names is missing");
    match arguments.mode {
        Mode::List => list(arguments).await,
        Mode::Names => get(arguments, needed()?).await,
        Mode::Refs => resolve(arguments, needed()?).await,
        Mode::Refresh => refresh(arguments, names.as_deref()).await,
    }
}

async fn list(arguments: &Arguments) -> Outcome<()> {
    let begun = Instant::now();
    let client = arguments.client()?;
    let secrets = Resolver::from(client.clone()).named(&NameMap::new()).await?;
    let took = begun.elapsed();
    print(took, secrets.iter().count(), client.stats(), None)
}

async fn get(arguments: &Arguments, names: &[SecretName]) -> Outcome<()> {
    let begun = Instant::now();
    let client = arguments.client()?;
    let resolver = Resolver::from(client.clone());
    let ids: Vec<SecretId> = names.iter().map(|name| SecretId::new(client.vault().clone(), name.clone())).collect();
    let secrets = try_join_all(ids.iter().map(|id| resolver.get(id))).await?;
    let took = begun.elapsed();
    print(took, secrets.len(), client.stats(), None)
}

async fn resolve(arguments: &Arguments, names: &[SecretName]) -> Outcome<()> {
    let begun = Instant::now();
    let client = arguments.client()?;
    let resolver = Resolver::from(client.clone());
    let references: Vec<String> = names.iter().map(reference).collect();
    let texts = try_join_all(references.iter().map(|text| resolver.resolve(text))).await?;
    let took = begun.elapsed();
    print(took, texts.len(), client.stats(), None)
}

async fn refresh(arguments: &Arguments, names: Option<&[SecretName]>) -> Outcome<()> {
    let client = arguments.client()?;
    let settings: BTreeMap<String, String> =
        names.unwrap_or_default().iter().map(|name| (key(name), reference(name))).collect();
    let layered = keyvault_figment::layered(client.clone(), move || {
        Figment::from(figment::providers::Serialized::defaults(settings.clone()))
    });
    let layered = if names.is_some() { layered.references_only() } else { layered };
    // Nothing but the lines on standard input shall cause a refresh.
    let live = layered.refresh_every(Duration::from_secs(24 * 60 * 60)).start::<IgnoredAny>().await?;
    writeln!(std::io::stdout(), "ready")?;
    while line_came().await? {
        let before = client.stats();
        let begun = Instant::now();
        let change = live.refresh_now().await?;
        let took = begun.elapsed();
        let changed = change.map(|change| change.keys).unwrap_or_default();
        let secrets = live.published().snapshot().len();
        print(took, secrets, client.stats().since(&before), Some(changed))?;
    }
    live.shutdown().await;
    Ok(())
}

/// Waits for a line on standard input, while the connection is kept; false at its end.
async fn line_came() -> Outcome<bool> {
    let line = spawn_blocking(|| std::io::stdin().read_line(&mut String::new()));
    Ok(line.await?? > 0)
}

fn reference(name: &SecretName) -> String {
    format!("@KeyVault(SecretName={name})")
}

/// A name of one level, whatever separators are in it.
fn key(name: &SecretName) -> String {
    name.as_str().to_ascii_lowercase().replace('-', "_")
}

fn print(took: Duration, secrets: usize, stats: ClientStats, changed: Option<Vec<String>>) -> Outcome<()> {
    let mut line = json!({
        "wall_ms": took.as_secs_f64() * 1e3,
        "secrets": secrets,
        "requests": stats.requests,
        "connections": stats.connections,
        "rss_kb": resident(),
    });
    if let Some(changed) = changed {
        line["changed"] = Value::from(changed);
    }
    Ok(writeln!(std::io::stdout(), "{line}")?)
}

/// Tells the resident memory of this process, in KiB.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}

/// Has the token at hand.
struct FixedToken(String);

#[async_trait::async_trait]
impl TokenCredential for FixedToken {
    async fn get_token(&self, _: &[&str], _: Option<TokenRequestOptions<'_>>) -> azure_core::Result<AccessToken> {
        Ok(AccessToken::new(self.0.clone(), OffsetDateTime::now_utc() + Duration::from_secs(3_600)))
    }
}

impl std::fmt::Debug for FixedToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FixedToken")
    }
}

// One thread is enough to load secrets: more of them wake each other for every answer.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(&Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // A failed load tells every setting that failed.
            match error.downcast_ref::<keyvault::Error>() {
                Some(error) => eprintln!("{}", error.report()),
                None => eprintln!("{error}"),
            }
            ExitCode::FAILURE
        }
    }
}
