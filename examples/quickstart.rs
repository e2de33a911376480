//! Loads settings from a vault, a file and the environment, and follows a rotation without a restart.
//!
//! ```sh
//! cargo run --example quickstart                     # figment
//! cargo run --example quickstart -- --with config
//! ```
//!
//! The vault is an emulator in this process, so that the example runs anywhere. With a vault in Azure, only the client
//! differs:
//!
//! ```ignore
//! SecretClient::builder("https://contoso.vault.azure.net").credential(default_credential()?).build()
//! ```

use std::env;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use keyvault::{Live, Notice, SecretClient, ValidationError};
use keyvault_emulator::{Emulator, SetSecret};
use keyvault_examples_support::{Result, client, print_heading};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

/// The settings of the service: any type that implements `serde::Deserialize`.
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

/// Starts live settings with either framework.
async fn start(framework: Framework, vault: SecretClient) -> keyvault::Result<Live<Settings>> {
    match framework {
        Framework::Figment => {
            use figment::Figment;
            use figment::providers::{Env, Format, Toml};

            keyvault_figment::layered(vault, || {
                Figment::new().merge(Toml::file(FILE)).merge(Env::prefixed("SHOP_").split("__"))
            })
            .refresh_every(INTERVAL)
            .validate(validate)
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
            .validate(validate)
            .start()
            .await
        }
    }
}

/// Validates new settings before they are published.
fn validate(settings: &Settings) -> Result<(), ValidationError> {
    if settings.payment.api_key.expose_secret().len() < 12 {
        return Err(ValidationError::new("the key is shorter than 12 characters").of("payment.api_key"));
    }
    Ok(())
}

async fn run(framework: Framework) -> Result {
    let emulator = Emulator::start().await?;
    set_secrets(&emulator);
    print_heading("Vault");
    println!("The emulator listens at {}, over TLS, in this process.", emulator.vault_url());

    let started = Instant::now();
    let live = start(framework, client(&emulator)?).await?;
    print_heading(&format!("Settings from the vault, {FILE} and the environment, with {framework:?}"));
    print_settings(&live);
    println!("\nLoaded in {} ms.", started.elapsed().as_millis());

    print_heading("Rotation");
    let mut watcher = live.watch();
    let rotated = Instant::now();
    emulator.set("db-password", "a new password after the rotation");
    println!("The secret db-password has a new version. This process refreshes its settings every {INTERVAL:?}.");
    let change = watcher.changed().await.ok_or("the refresh ended")?;
    println!("The change arrived after {} ms. Keys: {}.", rotated.elapsed().as_millis(), change.keys.join(", "));
    println!("(The key db_password is the same secret under its own name. No setting reads it.)");
    println!("The origin of database.url is now: {}.", origin(&live, "database.url"));

    print_heading("Rotation to an invalid value");
    emulator.set("payment-api-key", "too short");
    println!("The secret payment-api-key has a new version, which fails the validation.");
    let Some(Notice::Failed(error)) = watcher.next().await else { return Err("no failure was reported".into()) };
    println!("\n{}\n", error.report());
    print_last_good(&live);

    live.shutdown().await;
    println!("\nThe vault answered {} requests.", emulator.requests().total);
    Ok(())
}

fn set_secrets(emulator: &Emulator) {
    emulator.set("Database--User", "shop-app");
    emulator.set("Server--Host", "not used: the file sets the host");
    emulator.set("db-password", "correct horse battery staple");
    emulator.set("payment-api-key", "live-key-0123456789");
    let pinned = SetSecret::new("the key that signed the old invoices").version("4387e9f3d6e14c459867679a90fd0f79");
    emulator.set_secret("payment-signing-key", pinned);
    emulator.set("payment-signing-key", "a newer key that no setting reads");
}

/// Prints what stays in place after a failed refresh.
fn print_last_good(live: &Live<Settings>) {
    let health = live.health();
    let key_length = live.current().payment.api_key.expose_secret().len();
    println!("The last good settings stay in place: the API key in use has {key_length} characters.");
    println!("Health: {} failed refresh, age {} ms.", health.consecutive_failures, health.age.as_millis());
    println!("The origin of payment.api_key is still: {}.", origin(live, "payment.api_key"));
}

/// Prints each setting with its origin, and the values that are not secret.
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

const FILE: &str = "examples/quickstart.toml";
const INTERVAL: Duration = Duration::from_secs(1);

/// The framework that merges the layers.
#[derive(Clone, Copy, Debug)]
enum Framework {
    Config,
    Figment,
}

impl Framework {
    /// Parses the command line. `None` if it cannot be parsed.
    fn from_arguments() -> Option<Self> {
        let arguments: Vec<String> = env::args().skip(1).collect();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        match arguments[..] {
            [] | ["--with", "figment"] => Some(Self::Figment),
            ["--with", "config"] => Some(Self::Config),
            _ => None,
        }
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let Some(framework) = Framework::from_arguments() else {
        eprintln!("usage: quickstart [--with figment|config]");
        return ExitCode::FAILURE;
    };
    if env::var_os(VARIABLE).is_none() {
        return run_with_variable();
    }
    match run(framework).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:?}");
            ExitCode::FAILURE
        }
    }
}

/// Runs this program again with an environment variable that overrides the file: a program cannot set its own safely.
fn run_with_variable() -> ExitCode {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let run =
        |program| Command::new(program).args(env::args_os().skip(1)).env(VARIABLE, "9090").current_dir(root).status();
    match env::current_exe().and_then(run) {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("the quickstart cannot run itself: {error}");
            ExitCode::FAILURE
        }
    }
}

const VARIABLE: &str = "SHOP_SERVER__PORT";
