//! `keyvault emulator`: runs a vault on this machine, until it is interrupted or for as long as a command runs.

mod ca_bundle;
mod client_environment;
mod health_check;
mod help;
mod request_log;
mod seed;

use std::ffi::OsString;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use keyvault_emulator::{Emulator, EmulatorBuilder, Throttle};
use serde_json::json;

use self::request_log::RequestLog;
use crate::failure::Failure;
use crate::run::Signals;
use crate::shutdown;

/// Run a Key Vault on this machine until it is interrupted, or while a command runs
///
/// Once it is ready, it prints one line of JSON to standard output and nothing else: the URLs of the vault, the
/// certificate authority to trust, the parameters of a credential, and the URL that controls faults and time. Then it
/// writes one line for each request to standard error: method, path, status and milliseconds, never values or tokens.
///
/// With a command after --, it prints nothing. The command finds the vault in its environment (KEYVAULT_VAULT). Further
/// variables make the SDKs of most languages trust the certificate authority and sign in to the emulator. keyvault
/// forwards TERM, INT, HUP, QUIT, USR1 and USR2, and exits with the exit code of the command.
#[derive(clap::Args)]
#[command(after_long_help = help::EXAMPLES)]
pub(crate) struct EmulatorArguments {
    /// The address for https; port 0 takes a free port
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:0", env = "KEYVAULT_EMULATOR_LISTEN")]
    listen: SocketAddr,

    /// The address for plain http: the same vaults, managed identity and the control endpoint; port 0 takes a free port
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:0", env = "KEYVAULT_EMULATOR_HTTP")]
    http: SocketAddr,

    /// Write the certificate authority to this file, as PEM
    #[arg(long, value_name = "PATH")]
    ca_file: Option<PathBuf>,

    /// Start with the secrets and certificates of this JSON or TOML file; secrets that --data already has stay as they
    /// are
    #[arg(long, value_name = "FILE")]
    seed: Option<PathBuf>,

    /// Keep secrets, certificate authority and client secret in this file, so that clients survive a restart; the file
    /// is not encrypted, and only you can read it; on Windows it gets the permissions of its directory
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,

    /// Take at least this long for each request to a vault
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = humantime::parse_duration)]
    latency: Duration,

    /// Let this time pass until a deletion or recovery is visible, a purged name is free and a certificate is issued;
    /// the service takes some seconds
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = humantime::parse_duration)]
    async_delete: Duration,

    /// Keep deleted secrets for this many days
    #[arg(long, value_name = "DAYS", default_value_t = 90, value_parser = clap::value_parser!(u8).range(7..=90))]
    retention_days: u8,

    /// Refuse to purge a secret before its retention period ends
    #[arg(long)]
    purge_protection: bool,

    /// Throttle as the service does: 300 new versions and 4,000 other requests in 10 seconds
    #[arg(long)]
    throttle: bool,

    /// Accept any bearer token
    #[arg(long)]
    accept_any_token: bool,

    /// Print the endpoint and the connection string of the App Configuration store, and set them for the command; with
    /// NAME, the endpoint has the host NAME.localhost
    #[arg(long, value_name = "NAME", num_args = 0..=1, default_missing_value = "")]
    app_configuration: Option<String>,

    /// Start nothing: exit with 0 if an emulator responds at the address of --http, else with 1
    #[arg(long)]
    health_check: bool,

    /// The command and its arguments
    #[arg(last = true, value_name = "COMMAND", conflicts_with = "health_check")]
    command: Vec<OsString>,
}

pub(crate) async fn run(arguments: EmulatorArguments) -> Result<ExitCode, Failure> {
    if arguments.health_check {
        return health_check::run(arguments.http);
    }
    if !arguments.command.is_empty() {
        return run_command(&arguments).await;
    }
    serve(&arguments).await?;
    Ok(ExitCode::SUCCESS)
}

/// Serves until a signal arrives.
async fn serve(arguments: &EmulatorArguments) -> Result<(), Failure> {
    // The handler is registered before the ready line is printed, because its reader may stop the emulator at once.
    let shutdown = shutdown::signal()?;
    let log = RequestLog::start();
    let emulator =
        start(arguments, Emulator::builder().on_request(move |request, time| log.record(request, time))).await?;
    print_ready_line(&emulator, arguments)?;
    shutdown.await;
    Ok(stop(emulator).await?)
}

/// Serves while the command runs. Standard output and standard error belong to the command.
async fn run_command(arguments: &EmulatorArguments) -> Result<ExitCode, Failure> {
    // A signal that ended this process at once would leave the bundle behind.
    let signals = Signals::listen()?;
    let emulator = start(arguments, Emulator::builder()).await?;
    let bundle = ca_bundle::write(emulator.ca_pem())?;
    let store = arguments.app_configuration.as_deref();
    let variables = client_environment::variables(&emulator, bundle.path(), store);
    let code = crate::run::supervise(&arguments.command, variables, signals).await;
    drop(bundle);
    stop(emulator).await?;
    code.map(crate::run::exit_code)
}

/// Stops the emulator. The error is that of the data file.
async fn stop(emulator: Emulator) -> io::Result<()> {
    let saved = emulator.save();
    emulator.stop().await;
    saved
}

async fn start(arguments: &EmulatorArguments, builder: EmulatorBuilder) -> Result<Emulator, Failure> {
    let mut builder = builder
        .listen(arguments.listen)
        .listen_http(arguments.http)
        .latency(arguments.latency)
        .deletion_time(arguments.async_delete)
        .retention_days(arguments.retention_days);
    if let Some(path) = &arguments.seed {
        builder = builder.seed(seed::read(path)?);
    }
    if let Some(path) = &arguments.data {
        builder = builder.data_file(path);
    }
    if let Some(name) = &arguments.app_configuration {
        builder = builder.app_configuration(name);
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
    if let Some(path) = &arguments.ca_file {
        builder = builder.ca_file(path);
    }
    Ok(builder.start().await?)
}

fn print_ready_line(emulator: &Emulator, arguments: &EmulatorArguments) -> io::Result<()> {
    // The reader may run in another directory.
    let absolute = |path: &Option<PathBuf>| path.as_ref().map(std::path::absolute).transpose();
    let mut ready = json!({
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
    if let Some(name) = &arguments.app_configuration {
        let store = emulator.app_configuration(name);
        ready["app_configuration_endpoint"] = store.endpoint().into();
        ready["app_configuration_connection_string"] = store.connection_string().into();
    }
    let mut out = io::stdout().lock();
    writeln!(out, "{ready}")?;
    out.flush()
}
