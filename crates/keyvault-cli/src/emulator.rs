//! `keyvault emulator`: a vault on this machine.

use std::fs;
use std::future::Future;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use keyvault_emulator::{Emulator, LoggedRequest, Seed, Throttle};
use serde_json::{Value, json};

/// Run a Key Vault on this machine until it is interrupted
///
/// When it is ready it prints one line of JSON to standard output and nothing more: where the vault is, which
/// certificate authority to trust, what a credential needs, and where to disturb it. From then on it writes a line per
/// request to standard error: method, path, status, milliseconds; never values or tokens.
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Where to serve https; port 0 takes a free one
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:0")]
    listen: SocketAddr,

    /// Where to serve plain http: the same vaults, managed identity, and the control endpoint; port 0 takes a free one
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:0")]
    http: SocketAddr,

    /// Write the certificate authority to this file, as PEM
    #[arg(long, value_name = "PATH")]
    ca_file: Option<PathBuf>,

    /// Begin with the secrets of this file, JSON or TOML; those that --data knows already are left as they are
    #[arg(long, value_name = "FILE")]
    seed: Option<PathBuf>,

    /// Keep the vault in this file, from which it is read at the next start: secrets, certificate authority and client
    /// secret, so that clients survive a restart; not encrypted, for you alone to read
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,

    /// Take at least this long for each request to a vault
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = humantime::parse_duration)]
    latency: Duration,

    /// Take this long until a deletion or a recovery is to be seen and a purged name is free, as the service takes some
    /// seconds
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = humantime::parse_duration)]
    async_delete: Duration,

    /// Keep what is deleted for this many days
    #[arg(long, value_name = "DAYS", default_value_t = 90, value_parser = clap::value_parser!(u8).range(7..=90))]
    retention_days: u8,

    /// Refuse to purge before that time is over
    #[arg(long)]
    purge_protection: bool,

    /// Throttle as the service does: 300 new versions and 4,000 other requests in 10 seconds
    #[arg(long)]
    throttle: bool,

    /// Accept any bearer token, for clients that bring a made-up one
    #[arg(long)]
    accept_any_token: bool,
}

const EXAMPLES: &str = r#"Examples:
  On fixed ports, with the certificate authority in a file to trust:
    keyvault emulator --listen 127.0.0.1:8443 --http 127.0.0.1:8080 --ca-file ca.pem

  With secrets to begin with, kept across restarts:
    keyvault emulator --seed seed.toml --data vault.json

  As slow as the real one:
    keyvault emulator --latency 20ms --async-delete 3s --throttle

Reaching it, with what the first line says (ready):
  Python, azure-keyvault-secrets and azure-identity:
    credential = ClientSecretCredential(ready["tenant_id"], ready["client_id"], ready["client_secret"],
        authority=ready["authority_url"], disable_instance_discovery=True, connection_verify=ready["ca_file"])
    client = SecretClient(ready["vault_url"], credential,
        verify_challenge_resource=False, connection_verify=ready["ca_file"])

  JavaScript, @azure/keyvault-secrets and @azure/identity, where ca is the text of ca_file:
    const credential = new ClientSecretCredential(ready.tenant_id, ready.client_id, ready.client_secret,
        { authorityHost: ready.authority_url, disableInstanceDiscovery: true, tlsOptions: { ca } })
    const client = new SecretClient(ready.vault_url, credential,
        { disableChallengeResourceVerification: true, tlsOptions: { ca } })

  Managed identity: IDENTITY_ENDPOINT and IDENTITY_HEADER set to identity_endpoint and identity_header, or
  AZURE_POD_IDENTITY_AUTHORITY_HOST set to http_url.

  By hand, after --accept-any-token:
    curl -H "Authorization: Bearer any" "http://127.0.0.1:8080/secrets/db-password?api-version=2025-07-01"

A seed, as TOML:
    db-password = "hunter2"
    "other-vault/db-password" = "hunter3"

    [api-key]
    value = "k-123"
    content_type = "text/plain"
    tags = { team = "billing" }
    enabled = true
    not_before = 2026-01-01T00:00:00Z
    expires = 2027-01-01T00:00:00Z

    [rotated]
    versions = ["old", { value = "new", version = "0123456789abcdef0123456789abcdef" }]

    [tls]
    certificate = "app.example"     # self-signed; or pem = "...", a key and its chain

The same as JSON: {"db-password": "hunter2", "api-key": {"value": "k-123"}}

Several vaults: a client that asks for NAME.vault.azure.net or NAME.localhost reaches the vault NAME, any other host
the default one.

The control endpoint, under the control_url of the first line:
    curl -d '{"shift_seconds": 86400}'                         $CONTROL/clock     (GET, DELETE)
    curl -d '{"frozen": true}'                                 $CONTROL/clock
    curl -d '{"fault": "status", "status": 503, "count": 2}'   $CONTROL/faults    (GET, DELETE)
    curl -d '{"fault": "hang", "path": "/secrets/db-*"}'       $CONTROL/faults
    curl -d '{"deny": "rbac", "operations": ["get", "list"]}'  $CONTROL/access    (GET, DELETE)
    curl -d '{"others": 100}'                                  $CONTROL/throttle  (GET, DELETE)
    curl -d '{"db-password": "new"}'                           $CONTROL/secrets   (DELETE)
    curl                                                       $CONTROL/requests  (DELETE)
    curl                                                       $CONTROL/log       (DELETE)"#;

pub(crate) async fn run(arguments: Arguments) -> io::Result<()> {
    // Listened to before anything is printed: whoever reads the line may stop us at once.
    let stopped = stop_signal()?;
    let emulator = start(&arguments).await?;
    if let Some(path) = &arguments.ca_file {
        emulator.write_ca(path)?;
    }
    announce(&emulator, &arguments)?;
    stopped.await;
    let saved = emulator.save();
    emulator.stop().await;
    saved
}

async fn start(arguments: &Arguments) -> io::Result<Emulator> {
    let log = log();
    let mut builder = Emulator::builder()
        .listen(arguments.listen)
        .listen_http(arguments.http)
        .latency(arguments.latency)
        .deletion_time(arguments.async_delete)
        .retention_days(arguments.retention_days)
        // Whoever does not read the log must not stop the vault: lines that find no room are lost.
        .on_request(move |request, time| drop(log.try_send(line(request, time))));
    if let Some(path) = &arguments.seed {
        builder = builder.seed(read_seed(path)?);
    }
    if let Some(path) = &arguments.data {
        builder = builder.data_file(path);
    }
    if arguments.purge_protection {
        builder = builder.purge_protection();
    }
    if arguments.throttle {
        builder = builder.throttle(Throttle::service());
    }
    if arguments.accept_any_token {
        builder = builder.accept_any_token();
    }
    builder.start().await
}

fn announce(emulator: &Emulator, arguments: &Arguments) -> io::Result<()> {
    // Whoever reads the line may stand in another directory.
    let absolute = |path: &Option<PathBuf>| path.as_ref().map(std::path::absolute).transpose();
    let ready = json!({
        "vault_url": emulator.vault_url(),
        "http_url": emulator.http_url(),
        "ca_file": absolute(&arguments.ca_file)?,
        "authority_url": emulator.authority_url(),
        "token_endpoint": format!("{}/{}/oauth2/v2.0/token", emulator.authority_url(), emulator.tenant_id()),
        "identity_endpoint": emulator.identity_endpoint(),
        "identity_header": emulator.identity_header(),
        "control_url": emulator.control_url(),
        "tenant_id": emulator.tenant_id(),
        "client_id": emulator.client_id(),
        "client_secret": emulator.client_secret(),
        "data_file": absolute(&arguments.data)?,
    });
    let mut out = io::stdout().lock();
    writeln!(out, "{ready}")?;
    out.flush()
}

/// Writes one request: no query, for it can be long and says little.
fn line(request: &LoggedRequest, time: Duration) -> String {
    let path = request.path_and_query.split('?').next().unwrap_or_default();
    let status = if request.status == 0 { "---".to_owned() } else { request.status.to_string() };
    format!("{} {path} {status} {:.1} ms", request.method, time.as_secs_f64() * 1e3)
}

/// Starts to write lines to standard error, from a thread of its own: a pipe that nobody reads blocks it for good.
fn log() -> SyncSender<String> {
    let (sender, lines) = sync_channel::<String>(LOG_ROOM);
    thread::spawn(move || {
        while let Ok(line) = lines.recv() {
            // A log that cannot be written is no reason to stop.
            let _ = writeln!(io::stderr(), "{line}");
        }
    });
    sender
}

/// The number of lines that wait to be written at most.
const LOG_ROOM: usize = 10_000;

fn read_seed(path: &Path) -> io::Result<Seed> {
    let named = |kind, problem: &dyn std::fmt::Display| {
        io::Error::new(kind, format!("cannot read the seed {}: {problem}", path.display()))
    };
    let invalid = |problem: &dyn std::fmt::Display| named(io::ErrorKind::InvalidData, problem);
    let text = fs::read_to_string(path).map_err(|error| named(error.kind(), &error))?;
    // An object begins with a brace in JSON, and nothing does in TOML.
    let is_json = text.trim_start().starts_with('{');
    let text = if is_json { text } else { from_toml(&text).map_err(|problem| invalid(&problem))? };
    Seed::from_json(&text).map_err(|error| invalid(&error))
}

/// Writes TOML as JSON. The problem is told by its line: the message of the parser may quote a value.
fn from_toml(text: &str) -> Result<String, String> {
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        let start = error.span().map_or(0, |span| span.start);
        let line = text.as_bytes().iter().take(start).filter(|byte| **byte == b'\n').count() + 1;
        format!("neither JSON nor TOML (line {line})")
    })?;
    Ok(to_json(toml::Value::Table(table)).to_string())
}

fn to_json(value: toml::Value) -> Value {
    match value {
        toml::Value::String(text) => text.into(),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Float(number) => number.into(),
        toml::Value::Boolean(flag) => flag.into(),
        toml::Value::Datetime(moment) => moment.to_string().into(),
        toml::Value::Array(items) => items.into_iter().map(to_json).collect(),
        toml::Value::Table(fields) => fields.into_iter().map(|(name, value)| (name, to_json(value))).collect(),
    }
}

/// Begins to listen for what ends a command, and waits for it.
#[cfg(unix)]
fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// Begins to listen for what ends a command, and waits for it.
#[cfg(windows)]
fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    let mut interrupt = tokio::signal::windows::ctrl_c()?;
    Ok(async move { _ = interrupt.recv().await })
}
