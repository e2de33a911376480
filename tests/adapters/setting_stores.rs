//! The settings of a store outside the process are a layer, and its values may contain references.

use std::time::Duration;

use config::{Config, File, FileFormat};
use figment::Figment;
use figment::providers::{Format, Toml};
use keyvault::{Error, ErrorKind, InMemory, Layers, Live, LiveBuilder, Result};
use keyvault_test_support::settings::FakeSettings;
use serde::Deserialize;
use serde_json::json;

use super::service::{BOTH, Framework, One, vault};

/// Starts settings of a file over a store over a vault.
async fn start<T: super::service::Settings>(
    framework: Framework,
    (file, store, vault): (&'static str, &FakeSettings, &InMemory),
) -> Result<Live<T>> {
    fn with<L: Layers>(builder: LiveBuilder<L>, store: &FakeSettings) -> LiveBuilder<L> {
        builder.with_layer(store.clone()).minimum_failure_delay(Duration::ZERO)
    }
    match framework {
        Framework::Config => {
            let layers = move || Config::builder().add_source(File::from_str(file, FileFormat::Toml));
            with(keyvault_config::layered(vault.clone(), layers), store).start().await
        }
        Framework::Figment => {
            let layers = move || Figment::new().merge(Toml::string(file));
            with(keyvault_figment::layered(vault.clone(), layers), store).start().await
        }
    }
}

#[derive(Debug, Deserialize)]
struct Settings {
    vault: String,
    store: String,
    file: String,
    port: u16,
    is_on: bool,
    database: Database,
    hosts: Vec<String>,
    servers: Vec<Server>,
}

#[derive(Debug, Deserialize)]
struct Database {
    user: String,
    password: String,
}

#[derive(Debug, Deserialize)]
struct Server {
    url: String,
    key: String,
}

const FILE: &str = "file = 'file'\nservers = [{ url = 'file' }]";

fn full() -> (FakeSettings, InMemory) {
    let (store, vault) = (FakeSettings::new(), vault("contoso"));
    for name in ["vault", "store", "file", "database--user", "hosts--1"] {
        vault.set(name, "vault").unwrap();
    }
    vault.set("db-password", "canary-one").unwrap();
    for key in ["store", "file"] {
        store.set(key, "store");
    }
    store.set("port", 5432);
    store.set("is_on", "true");
    store.set("database", json!({ "user": "store", "password": "<@KeyVault(SecretName=db-password)>" }));
    store.set("hosts", json!(["a", "b"]));
    store.set("servers:0:key", "store");
    (store, vault)
}

#[tokio::test]
async fn a_store_is_above_the_vault_and_below_the_file() {
    for framework in BOTH {
        let (store, vault) = full();
        let live: Live<Settings> = start(framework, (FILE, &store, &vault)).await.unwrap();
        let it = live.current();
        assert_eq!([&*it.vault, &*it.store, &*it.file], ["vault", "store", "file"], "{framework:?}");
        assert_eq!((it.port, it.is_on), (5432, true), "{framework:?}");
        assert_eq!((&*it.database.user, &*it.database.password), ("store", "<canary-one>"), "{framework:?}");
        assert_eq!(it.hosts, ["a", "b"], "{framework:?} a list of the store is one value");
        assert_eq!((&*it.servers[0].url, &*it.servers[0].key), ("file", "store"), "{framework:?}");
    }
}

/// A field of any type shows which values are numbers and which are text.
#[tokio::test]
async fn numbers_and_booleans_of_json_keep_their_types() {
    for framework in BOTH {
        let (store, vault) = (FakeSettings::new(), vault("contoso"));
        store.set("value", json!({ "text": "1", "items": [1, -2, 1.5, true, "true"] }));
        let live: Live<One<serde_json::Value>> = start(framework, ("", &store, &vault)).await.unwrap();
        let expected = json!({ "text": "1", "items": [1, -2, 1.5, true, "true"] });
        assert_eq!(live.current().value, expected, "{framework:?}");
        store.set("value", json!({ "text": "1", "items": [2, -2, 1.5, true, "true"] }));
        let change = live.refresh_now().await.unwrap().unwrap();
        assert_eq!(change.keys, ["value.items[0]"], "{framework:?}");
    }
}

#[tokio::test]
async fn origins_and_reports_name_the_key_and_the_secret() {
    for framework in BOTH {
        let (store, vault) = full();
        let live: Live<Settings> = start(framework, (FILE, &store, &vault)).await.unwrap();
        let current = live.published();
        let origin = |key: &str| current.origins().get(key).unwrap().to_string();
        assert_eq!(origin("store"), "App Configuration key store", "{framework:?}");
        assert_eq!(origin("servers[0].key"), "App Configuration key servers:0:key", "{framework:?}");
        assert_eq!(origin("hosts[1]"), "App Configuration key hosts", "{framework:?}");
        let password = origin("database.password");
        assert!(password.starts_with("App Configuration key database → secret db-password version "), "{password}");
        let rows = current.report().rows();
        let row = rows.iter().find(|row| row.setting == "database.password").unwrap();
        assert_eq!(row.origin, "App Configuration key database", "{framework:?}");
    }
}

#[tokio::test]
async fn a_reference_that_cannot_be_resolved_names_the_key() {
    for framework in BOTH {
        let (store, vault) = full();
        store.set("database:password", "@KeyVault(SecretName=missing)");
        store.set("port", "@KeyVault(SecretName=db-password)");
        let error = start::<Settings>(framework, (FILE, &store, &vault)).await.unwrap_err().to_string();
        assert!(error.contains("database.password"), "{framework:?} {error}");
        assert!(error.contains("App Configuration key database:password"), "{framework:?} {error}");
        store.set("database:password", "@KeyVault(SecretName=");
        let error = start::<Settings>(framework, (FILE, &store, &vault)).await.unwrap_err().to_string();
        assert!(error.contains("App Configuration key database:password"), "{framework:?} {error}");
        store.set("database:password", "p");
        let error = start::<Settings>(framework, (FILE, &store, &vault)).await.unwrap_err();
        assert!(error.to_string().contains("App Configuration key port → secret db-password"), "{framework:?} {error}");
        assert!(!format!("{error:?}").contains("canary"), "{framework:?} {error:?}");
    }
}

/// Starts settings whose layers place a store and a vault apart, in an order that no default has.
async fn start_apart<T: super::service::Settings>(
    framework: Framework,
    (file, store, vault): (&'static str, &FakeSettings, &InMemory),
) -> Result<Live<T>> {
    match framework {
        Framework::Config => {
            let layers = move |remote: keyvault_config::KeyVaultSource| {
                let [secrets, store] = remote.split();
                let file = File::from_str(file, FileFormat::Toml);
                Config::builder().add_source(store).add_source(file).add_source(secrets)
            };
            keyvault_config::layered_with(vault.clone(), layers).with_layer(store.clone()).start().await
        }
        Framework::Figment => {
            let layers = move |remote: keyvault_figment::KeyVaultProvider| {
                let [secrets, store] = remote.split();
                Figment::new().merge(store).merge(Toml::string(file)).merge(secrets)
            };
            keyvault_figment::layered_with(vault.clone(), layers).with_layer(store.clone()).start().await
        }
    }
}

#[tokio::test]
async fn the_store_and_the_secrets_may_have_any_place_among_the_layers() {
    for framework in BOTH {
        let (store, vault) = full();
        vault.set("servers--0--url", "vault").unwrap();
        let live: Live<Settings> = start_apart(framework, ("file = 'file'", &store, &vault)).await.unwrap();
        let it = live.current();
        assert_eq!([&*it.vault, &*it.store, &*it.file], ["vault"; 3], "{framework:?}");
        assert_eq!((&*it.database.user, &*it.database.password), ("vault", "<canary-one>"), "{framework:?}");
        assert_eq!(it.hosts, ["a", "vault"], "{framework:?}");
        assert_eq!((&*it.servers[0].url, &*it.servers[0].key), ("vault", "store"), "{framework:?}");
        let origins = live.published().origins().clone();
        let origin = |key: &str| origins.get(key).unwrap().to_string();
        assert!(origin("store").starts_with("secret store version "), "{framework:?} {}", origin("store"));
        assert_eq!(origin("port"), "App Configuration key port", "{framework:?}");

        vault.set("database--user", "two").unwrap();
        store.set("port", 1);
        let change = live.refresh_now().await.unwrap().unwrap();
        assert_eq!(change.keys, ["database.user", "port"], "{framework:?}");
    }
}

#[tokio::test]
async fn a_changed_setting_and_a_rotation_are_published_together() {
    for framework in BOTH {
        let (store, vault) = full();
        let live: Live<Settings> = start(framework, (FILE, &store, &vault)).await.unwrap();
        assert!(live.refresh_now().await.unwrap().is_none(), "{framework:?} nothing changed");
        store.set("port", 6432);
        store.remove("store");
        vault.set("db-password", "canary-two").unwrap();
        let change = live.refresh_now().await.unwrap().unwrap();
        assert_eq!(change.keys, ["database.password", "port", "store"], "{framework:?}");
        assert_eq!(change.generation, 2, "{framework:?}");
        let it = live.current();
        assert_eq!((it.port, &*it.store, &*it.database.password), (6432, "vault", "<canary-two>"), "{framework:?}");
    }
}

#[tokio::test]
async fn settings_that_exclude_each_other_are_an_error_that_names_both() {
    for framework in BOTH {
        let (store, vault) = (FakeSettings::new(), vault("contoso"));
        store.set("value:inner", "store");
        vault.set("value", "vault").unwrap();
        let error = start::<One<String>>(framework, ("", &store, &vault)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{framework:?} {error}");
        let error = error.to_string();
        assert!(error.contains("value and App Configuration key value:inner"), "{framework:?} {error}");
    }
}

/// The layers may move the values of a store to other keys, where they are values of a layer like any other.
#[tokio::test]
async fn a_reference_in_a_moved_value_never_reaches_the_settings() {
    #[derive(Deserialize)]
    struct Nested {
        inner: One<String>,
    }
    let (store, vault) = (FakeSettings::new(), vault("contoso"));
    store.set("value", "<@KeyVault(SecretName=db-password)>");
    vault.set("db-password", "canary-one").unwrap();
    let layers = |remote: keyvault_figment::KeyVaultProvider| {
        let [_, store] = remote.split();
        let inner: figment::value::Value = Figment::from(store).find_value("").unwrap();
        Figment::new().merge(figment::providers::Serialized::default("inner", inner))
    };
    let live: Live<Nested> =
        keyvault_figment::layered_with(vault.clone(), layers).with_layer(store.clone()).start().await.unwrap();
    assert_eq!(live.current().inner.value, "<canary-one>");
}

#[tokio::test]
async fn a_store_that_cannot_be_read_fails_the_start_with_its_error() {
    for framework in BOTH {
        let (store, vault) = full();
        store.fail(Error::new(ErrorKind::Denied, "access denied"));
        let error = start::<Settings>(framework, (FILE, &store, &vault)).await.unwrap_err();
        assert_eq!(error.to_string(), "access denied: App Configuration in contoso.azconfig.io", "{framework:?}");
    }
}
