//! `keyvault emulator`: a vault on this machine.

use std::future::Future;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;

use keyvault_emulator::Emulator;
use serde_json::json;

/// Run a Key Vault on this machine until it is interrupted.
///
/// When it is ready it prints one line of JSON: where the vault is, the certificate authority to trust, and what a
/// credential needs. Nothing is kept when it stops.
///
/// Example: keyvault emulator --listen 127.0.0.1:8443 --ca-file ca.pem
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Arguments {
    /// Where to serve https; port 0 takes a free one
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:0")]
    listen: SocketAddr,

    /// Where to serve plain http, which managed identity needs; port 0 takes a free one
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:0")]
    http: SocketAddr,

    /// Write the certificate authority to this file, as PEM
    #[arg(long, value_name = "PATH")]
    ca_file: Option<PathBuf>,
}

pub(crate) async fn run(arguments: Arguments) -> io::Result<()> {
    // Listened to before anything is printed: whoever reads the line may stop us at once.
    let stopped = stop_signal()?;
    let emulator = Emulator::builder().listen(arguments.listen).listen_http(arguments.http).start().await?;
    if let Some(path) = &arguments.ca_file {
        emulator.write_ca(path)?;
    }
    announce(&emulator, &arguments)?;
    stopped.await;
    emulator.stop().await;
    Ok(())
}

fn announce(emulator: &Emulator, arguments: &Arguments) -> io::Result<()> {
    let ready = json!({
        "vault_url": emulator.vault_url(),
        "http_url": emulator.http_url(),
        "ca_file": arguments.ca_file,
        "authority_url": emulator.authority_url(),
        "token_endpoint": format!("{}/{}/oauth2/v2.0/token", emulator.authority_url(), emulator.tenant_id()),
        "identity_endpoint": emulator.identity_endpoint(),
        "identity_header": emulator.identity_header(),
        "tenant_id": emulator.tenant_id(),
        "client_id": emulator.client_id(),
        "client_secret": emulator.client_secret(),
    });
    let mut out = io::stdout().lock();
    writeln!(out, "{ready}")?;
    out.flush()
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
