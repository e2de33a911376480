//! Both adapters: valid settings, mismatches, rejected settings and panics.

use keyvault::{NameMap, ValidationError};
use keyvault_config::KeyVaultSource;
use keyvault_figment::KeyVaultProvider;
use serde::de::DeserializeOwned;

use super::scan::Scan;
use super::settings::*;

fn accept<T>(_: &T) -> Result<(), ValidationError> {
    Ok(())
}

/// Loads settings whose type refuses the secret, in each way.
async fn refuse<T: DeserializeOwned + std::fmt::Debug + Send + Sync + 'static>(scan: &mut Scan) {
    let what = std::any::type_name::<T>();
    for framework in BOTH {
        for toml in [
            "value = '@KeyVault(SecretName=password)'",
            "value = 'Server=db;Password=@KeyVault(SecretName=password;Encode=none)'",
            "value.value = '@KeyVault(SecretName=password)'",
            "value = ['@KeyVault(SecretName=password)']",
        ] {
            let service = Service::with(scan, toml);
            match service.start::<One<T>>(framework, accept).await {
                Ok(live) => scan.shows(what, &live),
                Err(error) => scan.fails(what, &error),
            }
            // The frameworks pass a panic on to their caller, which is the application itself.
            if !what.contains("AsPanic") {
                let settings = service.resolve::<One<T>>(framework, scan).await;
                if let Err(error) = settings {
                    scan.fails(what, &error);
                }
            }
        }
    }
}

#[tokio::test]
async fn the_error_of_a_type_that_quotes_its_input_is_not_repeated() {
    let mut scan = Scan::begin();
    refuse::<u16>(&mut scan).await;
    refuse::<bool>(&mut scan).await;
    refuse::<Option<Vec<u8>>>(&mut scan).await;
    refuse::<std::net::IpAddr>(&mut scan).await;
    refuse::<InWords>(&mut scan).await;
    refuse::<AsValue>(&mut scan).await;
    refuse::<AsBytes>(&mut scan).await;
    refuse::<AsExpected>(&mut scan).await;
    refuse::<AsDebug>(&mut scan).await;
    refuse::<AsList>(&mut scan).await;
    refuse::<AsHex>(&mut scan).await;
    refuse::<AsBase64>(&mut scan).await;
    refuse::<AsBasic>(&mut scan).await;
    refuse::<AsUrl>(&mut scan).await;
    refuse::<AsPart>(&mut scan).await;
    refuse::<AsField>(&mut scan).await;
    refuse::<AsVariant>(&mut scan).await;
    refuse::<AsMissing>(&mut scan).await;
    refuse::<AsDuplicate>(&mut scan).await;
    refuse::<AsPanic>(&mut scan).await;
    scan.end();
}

#[tokio::test]
async fn a_refresh_to_a_mismatching_value_leaks_nothing() {
    async fn refresh<T: DeserializeOwned + std::fmt::Debug + Send + Sync + 'static>(scan: &mut Scan) {
        for framework in BOTH {
            let service = Service::new(scan);
            service.vault.set("password", "5432").unwrap();
            let live = service.start::<One<Option<T>>>(framework, accept).await.unwrap();
            let mut watcher = live.watch();
            service.vault.set("password", scan.secret.text()).unwrap();
            scan.fails("refresh", &live.refresh_now().await.unwrap_err());
            scan.shows("notice", &watcher.next().await);
            scan.shows("health", &live.health());
            scan.writes("health", &live.health());
            live.shutdown().await;
        }
    }
    let mut scan = Scan::begin();
    refresh::<u16>(&mut scan).await;
    refresh::<Number<InWords>>(&mut scan).await;
    refresh::<Number<AsBase64>>(&mut scan).await;
    refresh::<Number<AsPanic>>(&mut scan).await;
    scan.end();
}

#[tokio::test]
async fn a_hook_that_refuses_panics_or_hangs_leaks_nothing() {
    let mut scan = Scan::begin();
    for framework in BOTH {
        let service = Service::new(&scan);
        let refused =
            service.start(framework, |_: &One<String>| Err(ValidationError::new("refused").of("value"))).await;
        scan.outcome("refused", &refused.map(|_| ()));
        let forgotten =
            |one: &One<String>| one.value.parse::<u16>().map(|_| ()).map_err(ValidationError::because("no number"));
        scan.outcome("forgotten", &service.start(framework, forgotten).await.map(|_| ()));
        let panics = |one: &One<String>| -> Result<(), ValidationError> {
            std::panic::resume_unwind(Box::new(one.value.clone()))
        };
        scan.outcome("panics", &service.start(framework, panics).await.map(|_| ()));

        let live = service.start(framework, panics_at_second).await.unwrap();
        let mut watcher = live.watch();
        service.vault.set("password", format!("{}, again", scan.secret.text())).unwrap();
        scan.outcome("panics later", &live.refresh_now().await);
        scan.shows("notice", &watcher.next().await);
        scan.writes("health", &live.health());
        live.shutdown().await;
    }
    scan.end();
}

fn panics_at_second(one: &One<String>) -> Result<(), ValidationError> {
    if one.value.ends_with("again") {
        std::panic::resume_unwind(Box::new(one.value.clone()))
    }
    Ok(())
}

/// Parsers quote the offending line in their errors.
#[tokio::test]
async fn an_unparsable_file_is_not_quoted() {
    let mut scan = Scan::begin();
    let word = scan.word.text().to_owned();
    for framework in BOTH {
        for toml in [
            format!("value = '{word}\n"),
            format!("value = {word}"),
            word.clone(),
            format!("value = '{word}'\nvalue = '{word}'"),
            format!("value = '{word}@KeyVault(SecretName=missing)'"),
            format!("value = '{word}@KeyVault({word}'"),
            format!("value = 1\nother = '{word}'"),
        ] {
            let started = Service::with(&scan, &toml).start::<One<bool>>(framework, accept).await;
            scan.outcome("unreadable", &started.map(|_| ()));
        }
    }
    tracing::trace!("all was tried");
    scan.end();
}

#[tokio::test]
async fn no_source_and_no_provider_leaks_its_secrets() {
    let mut scan = Scan::begin();
    let service = Service::new(&scan);
    let map = NameMap::new();
    let source = KeyVaultSource::fetch(service.vault.clone(), &map).await.unwrap();
    scan.shows("source", &source);
    scan.shows("source", source.secrets());
    let provider = KeyVaultProvider::fetch(service.vault.clone(), &map).await.unwrap();
    scan.shows("provider", &provider);
    scan.shows("provider", provider.secrets());
    scan.shows("provider", &figment::Provider::metadata(&provider));
    scan.shows("builder", &keyvault_config::layered(service.vault.clone(), config::Config::builder));
    scan.shows("builder", &keyvault_figment::layered(service.vault.clone(), figment::Figment::new));
    for framework in BOTH {
        let one: One<String> = service.resolve(framework, &mut scan).await.unwrap();
        assert_eq!(one.value, scan.secret.text());
    }
    tracing::trace!("all was tried");
    scan.end();
}
