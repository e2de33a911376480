//! A service starts while its vault is down: from the secrets that an earlier start sealed in an encrypted file.
//!
//! ```sh
//! cargo run --example outage
//! ```
//!
//! It runs, its vault goes down, it is started again and works, and when the vault is back it catches up by itself. The
//! vault is an emulator in this process. The program ends with an error if anything of this is not so.

use std::error::Error;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use azure_core::credentials::TokenCredential;
use figment::Figment;
use figment::providers::Serialized;
use keyvault::{Live, SealedRefusal, SealedSnapshot, SealingKey, SecretClient};
use keyvault_emulator::Emulator;
use keyvault_examples::credential;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::time::timeout;

#[derive(Deserialize)]
struct Settings {
    user: String,
    password: SecretString,
}

/// What the service does at each start.
async fn start(access: &Access, sealed: SealedSnapshot) -> keyvault::Result<Live<Settings>> {
    let layers = || Figment::from(Serialized::default("password", "@KeyVault(SecretName=db-password)"));
    keyvault_figment::layered(access.client()?, layers)
        .sealed(sealed)
        .refresh_every(Duration::from_secs(1))
        .start()
        .await
}

/// The file, its key, and who may open it. In life the key comes from elsewhere than the disk that the file is on:
/// `SealingKey::from_file` with a credential of systemd or a Kubernetes secret in memory, or a key management service.
fn sealed(directory: &Path) -> keyvault::Result<SealedSnapshot> {
    let key = SealingKey::from_base64("cnVuIG9wZW5zc2wgcmFuZCAtYmFzZTY0IDMyLCB0b28=")?;
    let sealed = SealedSnapshot::new(directory.join("secrets.sealed"), key).identity("shop");
    // A service waits longer for its vault than whoever watches an example.
    Ok(sealed.max_age(Duration::from_secs(3_600)).patience(Duration::from_secs(1)))
}

async fn run(directory: &Path) -> Result<(), Box<dyn Error>> {
    heading("A day like any other");
    let (emulator, access) = vault(directory, None).await?;
    emulator.set("User", "shop-app");
    emulator.set("db-password", FIRST);
    let live = start(&access, sealed(directory)?).await?;
    check(live.current().password.expose_secret() == FIRST, "the vault's password is there")?;
    check(!live.health().is_stale(), "the settings are fresh")?;
    live.shutdown().await;
    let file = fs::read(directory.join("secrets.sealed"))?;
    let has = |word: &str| file.windows(word.len()).any(|window| window == word.as_bytes());
    check(
        !has(FIRST) && !has("shop-app") && !has("db-password"),
        "neither a value nor a name can be read in the file",
    )?;
    println!("The service ran and left {} bytes in secrets.sealed.", file.len());

    heading("The vault is down, and the service starts again");
    let address = address(&emulator)?;
    emulator.stop().await;
    let began = Instant::now();
    let live = start(&access, sealed(directory)?).await?;
    println!("It started after {} ms: user {}.", began.elapsed().as_millis(), live.current().user);
    check(live.current().password.expose_secret() == FIRST, "the last good password is there")?;
    let health = live.health();
    check(health.is_stale(), "health says that the settings are stale")?;
    let Some(error) = &health.last_error else { return Err("health does not say what is wrong".into()) };
    println!("Health: stale, {} ms old, because {error}.", health.age.as_millis());

    heading("Nobody else starts from the file");
    let resolver = access.client()?.into();
    let other_key = SealingKey::from_base64("YW5vdGhlciBrZXksIG9mIGFub3RoZXIgc2VydmljZSE=")?;
    let theirs = SealedSnapshot::new(directory.join("secrets.sealed"), other_key).identity("shop");
    for (sealed, refusal) in [
        (theirs, SealedRefusal::OtherKey),
        (sealed(directory)?.identity("another service"), SealedRefusal::OtherIdentity),
        (sealed(directory)?.max_age(Duration::ZERO), SealedRefusal::TooOld),
    ] {
        check(sealed.check(&resolver).err() == Some(refusal), "the file is refused")?;
        println!("{refusal}");
    }

    heading("The vault is back, and something rotated meanwhile");
    let mut watcher = live.watch();
    let (emulator, _) = vault(directory, Some(address)).await?;
    emulator.set("db-password", SECOND);
    let began = Instant::now();
    while live.current().password.expose_secret() != SECOND {
        let change = timeout(Duration::from_secs(60), watcher.changed()).await?.ok_or("the refresh has ended")?;
        println!("After {} ms, changed: {}.", began.elapsed().as_millis(), change.keys.join(", "));
        check(!change.keys.iter().any(|key| key == "user"), "what did not change is not told as changed")?;
    }
    check(!live.health().is_stale(), "the settings are fresh again")?;
    live.shutdown().await;
    check(sealed(directory)?.check(&resolver)?.secrets.len() == 2, "the file holds what the settings used")?;
    println!("Health: fresh. The new password is sealed for the next time.");
    emulator.stop().await;
    Ok(())
}

/// Starts the vault; again where it was before, with what it held.
async fn vault(directory: &Path, address: Option<SocketAddr>) -> Result<(Emulator, Access), Box<dyn Error>> {
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

fn address(emulator: &Emulator) -> Result<SocketAddr, Box<dyn Error>> {
    let port = emulator.vault_url().rsplit(':').next().ok_or("the vault has no port")?.parse()?;
    Ok(SocketAddr::from(([127, 0, 0, 1], port)))
}

/// What a service knows of its vault. It stays as it is when the vault does not.
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

fn check(holds: bool, promise: &'static str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(format!("it does not hold that {promise}")) }
}

fn heading(text: &str) {
    println!("\n── {text} ──\n");
}

/// A directory that goes at the end.
struct Directory(PathBuf);

impl Drop for Directory {
    fn drop(&mut self) {
        _ = fs::remove_dir_all(&self.0);
    }
}

const FIRST: &str = "correct horse battery staple";
const SECOND: &str = "a password from the time of the outage";

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
