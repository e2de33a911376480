//! Starts a service while its vault is down, from the secrets that an earlier start saved in an encrypted file.
//!
//! ```sh
//! cargo run -p keyvault-examples-outage --example outage
//! ```
//!
//! The service runs; its vault goes down; the service restarts from the file; the vault returns and the service follows
//! it again. The vault is an emulator in this process. The example fails if any of these steps fails.
//!
//! The example is not among the default members of the workspace, because the feature `sealed` compiles a C library.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use azure_core::credentials::TokenCredential;
use figment::Figment;
use figment::providers::Serialized;
use keyvault::sealed::SealedRefusal;
use keyvault::{Live, Resolver, SealedSnapshot, SealingKey, SecretClient};
use keyvault_emulator::Emulator;
use keyvault_examples_support::{Result, credential, ensure, print_heading};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::time::timeout;

#[derive(Deserialize)]
struct Settings {
    user: String,
    password: SecretString,
}

/// Starts live settings, with a sealed snapshot for outages.
async fn start(access: &Access, sealed: SealedSnapshot) -> keyvault::Result<Live<Settings>> {
    let layers = || Figment::from(Serialized::default("password", "@KeyVault(SecretName=db-password)"));
    keyvault_figment::layered(access.client()?, layers)
        .sealed(sealed)
        .refresh_every(Duration::from_secs(1))
        .start()
        .await
}

/// Returns the file, its key, and the identity of the service.
///
/// In production, do not keep the key on the disk that holds the file: use `SealingKey::from_file` with a systemd
/// credential or an in-memory Kubernetes secret, or a key management service.
fn sealed_snapshot(directory: &Path) -> keyvault::Result<SealedSnapshot> {
    let key = SealingKey::from_base64("cnVuIG9wZW5zc2wgcmFuZCAtYmFzZTY0IDMyLCB0b28=")?;
    let sealed = SealedSnapshot::new(directory.join(FILE), key).identity("shop");
    // Give the vault more time in production than this example does.
    Ok(sealed.max_age(Duration::from_secs(3_600)).use_after(Duration::from_secs(1)))
}

async fn run(directory: &Path) -> Result {
    let (emulator, access) = start_vault(directory, None).await?;
    let address = address(&emulator)?;
    save_secrets(directory, &emulator, &access).await?;
    emulator.stop().await;
    let live = start_during_outage(directory, &access).await?;
    check_refusals(directory, &access.client()?.into())?;
    follow_again(directory, address, &access, live).await
}

/// Runs the service while the vault answers, and checks that the file contains no plain text.
async fn save_secrets(directory: &Path, emulator: &Emulator, access: &Access) -> Result {
    print_heading("The vault answers");
    emulator.set("User", "shop-app");
    emulator.set("db-password", FIRST);
    let live = start(access, sealed_snapshot(directory)?).await?;
    ensure(live.current().password.expose_secret() == FIRST, "the password is not the one in the vault")?;
    ensure(!live.health().is_stale(), "the settings are stale")?;
    live.shutdown().await;
    let file = fs::read(directory.join(FILE))?;
    for text in [FIRST, "shop-app", "db-password"] {
        let found = file.windows(text.len()).any(|window| window == text.as_bytes());
        ensure(!found, "the file contains a value or a name in plain text")?;
    }
    println!("The service saved its secrets in {FILE}: {} bytes.", file.len());
    Ok(())
}

/// Starts the service from the file, and checks that its health reports the outage.
async fn start_during_outage(directory: &Path, access: &Access) -> Result<Live<Settings>> {
    print_heading("The vault is down and the service restarts");
    let started = Instant::now();
    let live = start(access, sealed_snapshot(directory)?).await?;
    println!("The service started after {} ms, with user {}.", started.elapsed().as_millis(), live.current().user);
    ensure(live.current().password.expose_secret() == FIRST, "the password is not the last good one")?;
    let health = live.health();
    ensure(health.is_stale(), "health does not report stale settings")?;
    let error = health.last_error.as_ref().ok_or("health reports no error")?;
    println!("Health: stale, age {} ms, last error: {error}.", health.age.as_millis());
    Ok(live)
}

/// Checks that another key, another identity or an old file is refused.
fn check_refusals(directory: &Path, resolver: &Resolver) -> Result {
    print_heading("No other service starts from the file");
    let other_key = SealingKey::from_base64("YW5vdGhlciBrZXksIG9mIGFub3RoZXIgc2VydmljZSE=")?;
    let other = SealedSnapshot::new(directory.join(FILE), other_key).identity("shop");
    for (sealed, refusal) in [
        (other, SealedRefusal::OtherKey),
        (sealed_snapshot(directory)?.identity("another service"), SealedRefusal::OtherIdentity),
        (sealed_snapshot(directory)?.max_age(Duration::ZERO), SealedRefusal::TooOld),
    ] {
        ensure(sealed.check(resolver).err() == Some(refusal), "the file was not refused")?;
        println!("{refusal}");
    }
    Ok(())
}

/// Restarts the vault with a rotated secret, and checks that the settings and the file follow.
async fn follow_again(directory: &Path, address: SocketAddr, access: &Access, live: Live<Settings>) -> Result {
    print_heading("The vault answers again, with a rotated secret");
    let mut watcher = live.watch();
    let (emulator, _) = start_vault(directory, Some(address)).await?;
    emulator.set("db-password", SECOND);
    let started = Instant::now();
    while live.current().password.expose_secret() != SECOND {
        let change = timeout(Duration::from_secs(60), watcher.changed()).await?.ok_or("the refresh ended")?;
        println!("Changed after {} ms: {}.", started.elapsed().as_millis(), change.keys.join(", "));
        ensure(!change.keys.iter().any(|key| key == "user"), "an unchanged setting was reported as changed")?;
    }
    ensure(!live.health().is_stale(), "the settings are still stale")?;
    live.shutdown().await;
    let contents = sealed_snapshot(directory)?.check(&access.client()?.into())?;
    ensure(contents.secrets.len() == 2, "the file does not hold the two secrets of the settings")?;
    println!("Health: fresh. The file holds the new password for the next outage.");
    emulator.stop().await;
    Ok(())
}

/// Starts the vault, with the data of its last run and at the given address.
async fn start_vault(directory: &Path, address: Option<SocketAddr>) -> Result<(Emulator, Access)> {
    let mut builder = Emulator::builder().data_file(directory.join("vault.json"));
    if let Some(address) = address {
        builder = builder.listen(address);
    }
    let emulator = builder.start().await?;
    let access = Access {
        url: emulator.vault_url().to_owned(),
        ca_pem: emulator.ca_pem().to_owned(),
        credential: credential(&emulator),
    };
    Ok((emulator, access))
}

fn address(emulator: &Emulator) -> Result<SocketAddr> {
    let port = emulator.vault_url().rsplit(':').next().ok_or("the URL of the vault has no port")?.parse()?;
    Ok(SocketAddr::from(([127, 0, 0, 1], port)))
}

/// The access to the vault. It stays the same when the vault restarts.
struct Access {
    url: String,
    ca_pem: String,
    credential: Arc<dyn TokenCredential>,
}

impl Access {
    fn client(&self) -> keyvault::Result<SecretClient> {
        let credential = Arc::clone(&self.credential);
        SecretClient::builder(&self.url).credential(credential).certificate_authority(&self.ca_pem).build()
    }
}

/// A directory that drop deletes.
struct Directory(PathBuf);

impl Drop for Directory {
    fn drop(&mut self) {
        _ = fs::remove_dir_all(&self.0);
    }
}

const FILE: &str = "secrets.sealed";
const FIRST: &str = "correct horse battery staple";
const SECOND: &str = "a password rotated during the outage";

#[tokio::main]
async fn main() -> ExitCode {
    let directory = Directory(std::env::temp_dir().join(format!("keyvault-outage-example-{}", std::process::id())));
    let outcome = match fs::create_dir(&directory.0) {
        Ok(()) => run(&directory.0).await,
        Err(error) => Err(error.into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:?}");
            ExitCode::FAILURE
        }
    }
}
