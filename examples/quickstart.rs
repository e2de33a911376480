//! The main job in one run: settings from a vault, a file and the environment, and a rotation that arrives without a
//! restart.
//!
//! ```sh
//! cargo run --example quickstart                     # figment
//! cargo run --example quickstart -- --with config
//! ```
//!
//! The vault is an emulator in this process, so that the example runs anywhere; its client is all that would be different
//! with a vault in Azure:
//!
//! ```ignore
//! SecretClient::builder("https://contoso.vault.azure.net").credential(ManagedIdentityCredential::new(None)?).build()
//! ```

use std::env;
use std::error::Error;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use keyvault::{Live, Notice, SecretClient, ValidationError};
use keyvault_emulator::{Emulator, SetSecret};
use keyvault_examples::client;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

/// What the service wants to know. Any type that serde can read will do.
#[derive(Deserialize)]
struct Settings {
    server: Server,
    database: Database,
    payment: Payment,
}

#[derive(Deserialize)]
struct Server {
    host: String,
    port: u16,
}

#[derive(Deserialize)]
struct Database {
    user: String,
    url: SecretString,
}

#[derive(Deserialize)]
struct Payment {
    api_key: SecretString,
    signing_key: SecretString,
}

/// The five lines, for either framework.
async fn start(framework: Framework, vault: SecretClient) -> keyvault::Result<Live<Settings>> {
    match framework {
        Framework::Figment => {
            use figment::Figment;
            use figment::providers::{Env, Format, Toml};

            keyvault_figment::layered(vault, || {
                Figment::new().merge(Toml::file(FILE)).merge(Env::prefixed("SHOP_").split("__"))
            })
            .refresh_every(INTERVAL)
            .validate(check)
            .start()
            .await
        }
        Framework::Config => {
            use config::{Config, Environment, File};

            keyvault_config::layered(vault, || {
                Config::builder()
                    .add_source(File::with_name(FILE))
                    .add_source(Environment::with_prefix("SHOP").prefix_separator("_").separator("__"))
            })
            .refresh_every(INTERVAL)
            .validate(check)
            .start()
            .await
        }
    }
}

/// What the application says to new settings before they are published.
fn check(settings: &Settings) -> Result<(), ValidationError> {
    if settings.payment.api_key.expose_secret().len() < 12 {
        return Err(ValidationError::new("key is shorter than 12 characters").of("payment.api_key"));
    }
    Ok(())
}

/// Tells the story.
async fn run(framework: Framework) -> Result<(), Box<dyn Error>> {
    let emulator = Emulator::start().await?;
    fill(&emulator);
    heading("A vault");
    println!("The emulator answers at {}, over TLS, in this process.", emulator.vault_url());

    let began = Instant::now();
    let live = start(framework, client(&emulator)?).await?;
    heading(&format!("Settings from the vault, {FILE} and the environment, by {framework:?}"));
    print_settings(&live);
    println!("\nLoaded in {} ms.", began.elapsed().as_millis());

    heading("Rotation");
    let mut watcher = live.watch();
    let rotated = Instant::now();
    emulator.set("db-password", "a new password that nobody has seen");
    println!("The secret db-password has a new version. This process goes on running and asks every {INTERVAL:?}.");
    let change = watcher.changed().await.ok_or("the refresh has ended")?;
    println!("It arrived after {} ms. Changed: {}.", rotated.elapsed().as_millis(), change.keys.join(", "));
    println!("(db_password is the same secret under the key that its own name gives; nothing reads it here.)");
    println!("database.url is now from {}.", origin(&live, "database.url"));

    heading("A rotation that the application refuses");
    emulator.set("payment-api-key", "too short");
    println!("The secret payment-api-key has a new version, which is no good.");
    let Some(Notice::Failed(error)) = watcher.next().await else { return Err("the refusal was not told".into()) };
    println!("\n{}\n", error.report());
    let health = live.health();
    println!(
        "The last good settings stay: the key in use has {} characters.",
        live.current().payment.api_key.expose_secret().len()
    );
    println!(
        "Health: {} failure in a row, settings are {} ms old.",
        health.consecutive_failures,
        health.age.as_millis()
    );
    println!("payment.api_key is still from {}.", origin(&live, "payment.api_key"));

    live.shutdown().await;
    println!("\nThe vault answered {} requests.", emulator.requests().total);
    Ok(())
}

fn fill(emulator: &Emulator) {
    emulator.set("Database--User", "shop-app");
    emulator.set("Server--Host", "only without the file");
    emulator.set("db-password", "correct horse battery staple");
    emulator.set("payment-api-key", "live-key-0123456789");
    let pinned =
        SetSecret::new("the key that old invoices are signed with").version("4387e9f3d6e14c459867679a90fd0f79");
    emulator.set_secret("payment-signing-key", pinned);
    emulator.set("payment-signing-key", "a newer key, which the settings do not ask for");
}

fn print_settings(live: &Live<Settings>) {
    let settings = live.current();
    let values = [
        ("server.host", settings.server.host.clone()),
        ("server.port", settings.server.port.to_string()),
        ("database.user", settings.database.user.clone()),
        ("database.url", settings.database.url.expose_secret().to_owned()),
        ("payment.api_key", settings.payment.api_key.expose_secret().to_owned()),
        ("payment.signing_key", settings.payment.signing_key.expose_secret().to_owned()),
    ];
    let published = live.published();
    println!("{:<20}  {:<9}  ORIGIN", "SETTING", "VALUE");
    for (key, value) in values {
        let origin = published.origins().get(key);
        let value = if origin.is_some_and(|origin| origin.is_secret()) { "••••••••" } else { &value };
        let origin = origin.map(ToString::to_string).unwrap_or_default();
        println!("{key:<20}  {value:<9}  {origin}");
    }
}

fn origin(live: &Live<Settings>, key: &str) -> String {
    live.published().origins().get(key).map(ToString::to_string).unwrap_or_default()
}

fn heading(text: &str) {
    println!("\n── {text} ──\n");
}

const FILE: &str = "examples/quickstart.toml";
const INTERVAL: Duration = Duration::from_secs(1);

/// The main job on the embedded emulator.
#[derive(Parser)]
struct Arguments {
    /// The framework that merges the layers.
    #[arg(long = "with", value_enum, default_value = "figment")]
    framework: Framework,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Framework {
    Config,
    Figment,
}

#[tokio::main]
async fn main() -> ExitCode {
    let framework = Arguments::parse().framework;
    if env::var_os(VARIABLE).is_none() {
        return with_variable();
    }
    match run(framework).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:?}");
            ExitCode::FAILURE
        }
    }
}

/// Runs this program again with a variable in its environment that beats the file, for it cannot set its own.
fn with_variable() -> ExitCode {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let run =
        |program| Command::new(program).args(env::args_os().skip(1)).env(VARIABLE, "9090").current_dir(root).status();
    match env::current_exe().and_then(run) {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("the quickstart cannot start itself: {error}");
            ExitCode::FAILURE
        }
    }
}

const VARIABLE: &str = "SHOP_SERVER__PORT";
