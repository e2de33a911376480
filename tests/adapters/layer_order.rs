//! The layers keep their order: a higher layer overrides a lower one.

use config::{Config, File, FileFormat};
use figment::Figment;
use figment::providers::{Format, Serialized, Toml};
use keyvault::Live;
use serde::Deserialize;

use super::service::{BOTH, One, Place, Service, block_on, vault, with_variables};

#[derive(Debug, Deserialize)]
struct Settings {
    everywhere: String,
    file_and_vault: String,
    vault_alone: String,
    variable_and_vault: String,
    database: Database,
}

#[derive(Debug, Deserialize)]
struct Database {
    user: String,
    password: String,
    host: String,
}

/// Every layer sets its own name, at the top level and in a table.
fn service(place: Place) -> Service {
    let file =
        "everywhere = 'file'\nfile_and_vault = 'file'\n[database]\nuser = 'file'\nhost = 'file'\npassword = 'file'";
    let names = ["everywhere", "file-and-vault", "vault-alone", "variable-and-vault"];
    let nested = ["Database--Password", "Database--User"];
    names.iter().chain(&nested).fold(Service::new(file), |service, name| service.secret(name, "vault")).vault_at(place)
}

const VARIABLES: [(&str, &str); 3] =
    [("SHOP_EVERYWHERE", "variable"), ("SHOP_VARIABLE_AND_VAULT", "variable"), ("SHOP_DATABASE__USER", "variable")];

/// `everywhere`, `file_and_vault`, `vault_alone`, `variable_and_vault`, then `database.user`, `.password`, `.host`.
fn assert_layers(place: Place, expected: [&str; 7]) {
    block_on(async {
        for framework in BOTH {
            let live: Live<Settings> = service(place).start(framework).await.unwrap();
            let it = live.current();
            let top = [&it.everywhere, &it.file_and_vault, &it.vault_alone, &it.variable_and_vault];
            let nested = [&it.database.user, &it.database.password, &it.database.host];
            let found: Vec<&str> = top.into_iter().chain(nested).map(String::as_str).collect();
            assert_eq!(found, expected, "{framework:?}");
        }
    });
}

#[test]
fn the_environment_beats_the_file_and_the_file_beats_the_vault() {
    with_variables(&VARIABLES, || {
        assert_layers(Place::Bottom, ["variable", "file", "vault", "variable", "variable", "file", "file"]);
    });
}

#[test]
fn the_vault_can_be_above_the_file_and_below_the_environment() {
    with_variables(&VARIABLES, || {
        assert_layers(Place::Between, ["variable", "vault", "vault", "variable", "variable", "vault", "file"]);
    });
}

#[test]
fn the_vault_can_be_above_every_layer() {
    with_variables(&VARIABLES, || {
        assert_layers(Place::Top, ["vault", "vault", "vault", "vault", "vault", "vault", "file"]);
    });
}

#[tokio::test]
async fn a_table_of_the_file_replaces_a_secret_and_a_value_replaces_the_secrets_below_it() {
    #[derive(Deserialize)]
    struct Settings {
        database: Database,
        mail: String,
    }
    #[derive(Deserialize)]
    struct Database {
        user: String,
    }
    for framework in BOTH {
        let service = Service::new("mail = 'off'\n[database]\nuser = 'file'");
        let service = service.secret("database", "vault").secret("mail--host", "vault");
        let live: Live<Settings> = service.start(framework).await.unwrap();
        assert_eq!(live.current().database.user, "file", "{framework:?}");
        assert_eq!(live.current().mail, "off", "{framework:?}");
    }
}

#[tokio::test]
async fn without_any_layer_the_vault_alone_makes_settings() {
    let vault = vault("contoso");
    vault.set("value", "vault").unwrap();
    let live: Live<One<String>> = keyvault_config::layered(vault.clone(), Config::builder).start().await.unwrap();
    assert_eq!(live.current().value, "vault");
    let live: Live<One<String>> = keyvault_figment::layered(vault, Figment::new).start().await.unwrap();
    assert_eq!(live.current().value, "vault");
}

#[tokio::test]
async fn without_layers_and_secrets_optional_settings_are_made() {
    #[derive(Deserialize)]
    struct Settings {
        value: Option<String>,
    }
    let live: Live<Settings> = keyvault_config::layered(vault("contoso"), Config::builder).start().await.unwrap();
    assert_eq!(live.current().value, None);
    let live: Live<Settings> = keyvault_figment::layered(vault("contoso"), Figment::new).start().await.unwrap();
    assert_eq!(live.current().value, None);
}

/// Compares config's defaults, sources and overrides with secrets of the same keys.
#[tokio::test]
async fn the_vault_can_be_above_the_defaults_of_config_but_never_above_overrides() {
    let vault = vault("contoso");
    vault.set("value", "vault").unwrap();

    let live: Live<One<String>> =
        keyvault_config::layered(vault.clone(), || Config::builder().set_default("value", "default").unwrap())
            .start()
            .await
            .unwrap();
    assert_eq!(live.current().value, "default", "as `layered` documents");

    let live: Live<One<String>> = keyvault_config::layered_with(vault.clone(), |secrets| {
        Config::builder().set_default("value", "default").unwrap().add_source(secrets)
    })
    .start()
    .await
    .unwrap();
    assert_eq!(live.current().value, "vault");

    let live: Live<One<String>> = keyvault_config::layered_with(vault.clone(), |secrets| {
        let file = File::from_str("value = 'file'", FileFormat::Toml);
        Config::builder().add_source(file).add_source(secrets).set_override("value", "override").unwrap()
    })
    .start()
    .await
    .unwrap();
    assert_eq!(live.current().value, "override");
}

/// Compares figment's merges, joins and defaults with secrets of the same keys.
#[tokio::test]
async fn the_vault_can_be_above_the_defaults_of_figment_by_merge_or_join() {
    type Layers = fn(keyvault_figment::KeyVaultProvider) -> Figment;
    let vault = vault("contoso");
    vault.set("value", "vault").unwrap();

    let defaults = || Figment::from(Serialized::defaults([("value", "default")].into_iter().collect::<Table>()));
    let live: Live<One<String>> = keyvault_figment::layered(vault.clone(), defaults).start().await.unwrap();
    assert_eq!(live.current().value, "default", "as `layered` documents");

    let cases: [(&str, Layers); 5] = [
        ("vault", |secrets| Figment::from(Serialized::default("value", "default")).merge(secrets)),
        ("default", |secrets| Figment::from(Serialized::default("value", "default")).join(secrets)),
        ("vault", |secrets| Figment::from(secrets).join(Toml::string("value = 'file'"))),
        ("file", |secrets| Figment::from(secrets).merge(Toml::string("value = 'file'"))),
        ("global", |secrets| Figment::from(Serialized::global("value", "global")).merge(secrets)),
    ];
    for (expected, layers) in cases {
        let live: Live<One<String>> = keyvault_figment::layered_with(vault.clone(), layers).start().await.unwrap();
        assert_eq!(live.current().value, expected);
    }
}

type Table = std::collections::BTreeMap<&'static str, &'static str>;
