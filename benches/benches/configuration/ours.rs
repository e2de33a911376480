//! This library, as a program uses it.

use std::collections::BTreeMap;
use std::io::BufRead;
use std::sync::Arc;
use std::time::{Duration, Instant};

use figment::Figment;
use keyvault::{Live, SecretClient};
use keyvault_appconfig::{AppConfiguration, AppConfigurationClient};
use keyvault_benches::FixedToken;

type Settings = BTreeMap<String, String>;

/// Runs in this process. The arguments are the mode, the connection string, the URL of the vault, and the certificate
/// authority. The scripts of the other providers document the protocol.
#[tokio::main]
pub(super) async fn run(arguments: &[String]) {
    let [mode, connection, vault, authority] = arguments else { panic!("four arguments are required") };
    let started = Instant::now();
    let live = start(connection, vault, authority).await;
    if mode == "start" {
        return report(started, &live);
    }
    println!("ready");
    for line in std::io::stdin().lock().lines().map(Result::unwrap) {
        let started = Instant::now();
        live.refresh_now().await.unwrap();
        report(started, &live);
        if let Some((key, value)) = line.split_once(' ') {
            assert_eq!(live.current()[key], value);
        }
    }
}

async fn start(connection: &str, vault: &str, authority: &str) -> Live<Settings> {
    let vault = SecretClient::builder(vault).credential(Arc::new(FixedToken)).certificate_authority(authority);
    let store = AppConfigurationClient::from_connection_string(connection).certificate_authority(authority);
    keyvault_figment::layered(vault.build().unwrap(), Figment::new)
        .references_only()
        .with_layer(AppConfiguration::new(store.build().unwrap()))
        .refresh_every(Duration::from_secs(86_400))
        .start()
        .await
        .unwrap()
}

fn report(started: Instant, live: &Live<Settings>) {
    println!("{} {}", started.elapsed().as_secs_f64() * 1e3, live.current().len());
}
