//! Every value keeps its origin. Values of secrets name the vault too.

use config::{Config, Environment, ValueKind};
use figment::Figment;
use figment::providers::{Format, Toml};
use keyvault::{Live, NameMap};
use keyvault_config::KeyVaultSource;
use keyvault_figment::KeyVaultProvider;
use serde::de::IgnoredAny;

use super::service::{BOTH, One, Service, WAYS, block_on, vault, with_variables};

const URL: &str = "https://contoso.vault.azure.net/secrets/a/";

#[test]
fn origins_name_the_file_the_variable_and_the_secret() {
    with_variables(&[("SHOP_FROM__OUTSIDE", "<@KeyVault(SecretName=a)>"), ("SHOP_OUTER__PLAIN", "x")], || {
        let file = "whole = '@KeyVault(SecretName=a)'\nplain = 1\nlist = ['x', '@KeyVault(SecretName=a)@KeyVault(SecretName=b)']";
        let service = Service::new(file).secret("a", "A").secret("b", "B").secret("Named--Secret", "N");
        for framework in BOTH {
            let live: Live<IgnoredAny> = block_on(service.start(framework)).unwrap();
            let published = live.published();
            let resolved = block_on(service.resolve(framework)).unwrap();
            for (key, facts, is_secret) in [
                ("whole", &["settings.toml", "secret a version"][..], true),
                ("plain", &["settings.toml"], false),
                ("list[0]", &["settings.toml"], false),
                ("list[1]", &["settings.toml", "secret a version", "and b version"], true),
                ("from.outside", &["variable SHOP_FROM__OUTSIDE", "secret a version"], true),
                ("outer.plain", &["variable SHOP_OUTER__PLAIN"], false),
            ] {
                for origins in [published.origins(), resolved.origins()] {
                    let origin = origins.get(key).unwrap_or_else(|| panic!("{framework:?} {key}: {origins:?}"));
                    let text = origin.to_string();
                    assert!(facts.iter().all(|fact| text.contains(fact)), "{framework:?} {key}: {text}");
                    assert_eq!(origin.is_secret(), is_secret, "{framework:?} {key}");
                }
            }
            for origins in [published.origins(), resolved.origins()] {
                let named = origins.get("named.secret").unwrap();
                assert!(named.is_secret(), "{framework:?} {named}");
                assert!(named.to_string().starts_with("secret Named--Secret version "), "{framework:?} {named}");
            }
        }
    });
}

#[tokio::test]
async fn a_resolved_config_reports_origins_like_config() {
    let service =
        Service::new("whole = '@KeyVault(SecretName=a)'\nlist = ['@KeyVault(SecretName=a)', 'x']").secret("a", "A");
    let layers = super::service::config(&service.file.path()).set_override("over", "@KeyVault(SecretName=a)").unwrap();
    let config = keyvault_config::resolve(layers.build().unwrap(), service.vault).await.unwrap().into_config();
    let ValueKind::Table(root) = &config.cache.kind else { panic!() };
    let whole = root["whole"].origin().unwrap();
    assert!(whole.contains("settings.toml (Key Vault secret ") && whole.contains(URL), "{whole}");
    let over = root["over"].origin().unwrap();
    assert!(over.contains("Key Vault secret") && over.contains(URL), "{over}");
    let list = root["list"].clone().into_array().unwrap();
    assert!(list[0].origin().unwrap().contains(URL));
    let plain = list[1].origin().unwrap();
    assert!(plain.ends_with("settings.toml"), "{plain}");
    // config's message for a mismatch names both.
    let error = config.get::<u16>("whole").unwrap_err().to_string();
    assert!(error.contains("settings.toml") && error.contains(URL), "{error}");
}

#[tokio::test]
async fn a_resolved_figment_reports_file_and_secret_like_figment() {
    #[derive(Debug, serde::Deserialize)]
    #[expect(dead_code, reason = "the call fails earlier")]
    struct List {
        list: Vec<u16>,
    }
    let service = Service::new(
        "value = '@KeyVault(SecretName=a)'\nlist = ['@KeyVault(SecretName=one)', '@KeyVault(SecretName=a)']\nplain = 'x'",
    );
    let service = service.secret("a", "A").secret("one", "1");
    let figment = super::service::figment(&service.file.path());
    let figment = keyvault_figment::resolve(figment, service.vault).await.unwrap().into_figment();
    for error in [figment.extract_lossy::<One<u16>>().unwrap_err(), figment.extract_lossy::<List>().unwrap_err()] {
        let text = error.to_string();
        assert!(text.contains("settings.toml") && text.contains(URL), "{text}");
    }
    let plain = figment.extract_inner::<u16>("plain").unwrap_err().to_string();
    assert!(plain.contains("settings.toml") && !plain.contains("Key Vault"), "{plain}");
    assert!(figment.find_metadata("value").unwrap().source.is_some());
}

#[tokio::test]
async fn a_resolved_configuration_can_be_a_layer_again() {
    let service = Service::new("value = '@KeyVault(SecretName=a)'").secret("a", "A");
    let config = super::service::config(&service.file.path()).build().unwrap();
    let resolved = keyvault_config::resolve(config, service.vault.clone()).await.unwrap().into_config();
    let more = Config::builder().add_source(resolved).set_override("more", 1).unwrap().build().unwrap();
    assert_eq!(more.get_string("value").unwrap(), "A");

    let figment = super::service::figment(&service.file.path());
    let resolved = keyvault_figment::resolve(figment, service.vault).await.unwrap().into_figment();
    let more = Figment::from(resolved).merge(("more", 1));
    assert_eq!(more.extract_inner::<String>("value").unwrap(), "A");
    assert!(more.find_metadata("value").is_some_and(|metadata| metadata.name.contains("TOML")));
}

#[tokio::test]
async fn secrets_are_a_source_at_any_place_of_a_plain_config() {
    let vault = vault("contoso");
    vault.set("Database--Password", "p").unwrap();
    vault.set("value", "vault").unwrap();
    let secrets = KeyVaultSource::fetch(vault, &NameMap::new()).await.unwrap();
    let file = || config::File::from_str("value = 'file'", config::FileFormat::Toml);
    let variables = [("SHOP_VALUE".to_owned(), "variable".to_owned())].into_iter().collect();
    let environment = Environment::with_prefix("SHOP").source(Some(variables));
    for (builder, expected) in [
        (Config::builder().add_source(secrets.clone()).add_source(file()), "file"),
        (Config::builder().add_source(file()).add_source(secrets.clone()), "vault"),
        (Config::builder().add_source(file()).add_source(secrets.clone()).add_source(environment), "variable"),
        (Config::builder().set_default("value", "default").unwrap().add_source(secrets.clone()), "vault"),
    ] {
        let config = builder.build().unwrap();
        assert_eq!(config.get_string("value").unwrap(), expected);
        assert_eq!(config.get_string("database.password").unwrap(), "p");
    }
    assert!(!format!("{secrets:?}").contains("\"p\""));
    assert!(format!("{secrets:?}").contains("database.password"), "{secrets:?}");
}

#[tokio::test]
async fn secrets_are_a_provider_at_any_place_of_a_plain_figment() {
    let vault = vault("contoso");
    vault.set("Database--Password", "p").unwrap();
    vault.set("value", "vault").unwrap();
    let secrets = KeyVaultProvider::fetch(vault, &NameMap::new()).await.unwrap();
    let file = || Toml::string("value = 'file'");
    for (figment, expected) in [
        (Figment::from(secrets.clone()).merge(file()), "file"),
        (Figment::from(file()).merge(secrets.clone()), "vault"),
        (Figment::from(file()).join(secrets.clone()), "file"),
        (Figment::from(file()).merge(secrets.clone()).merge(("value", "code")), "code"),
    ] {
        assert_eq!(figment.extract_inner::<String>("value").unwrap(), expected);
        assert_eq!(figment.extract_inner::<String>("database.password").unwrap(), "p");
    }
    // figment's own error contains the URL of the secret.
    let error = Figment::from(secrets.clone()).extract_inner::<u16>("database.password").unwrap_err().to_string();
    assert!(error.contains("https://contoso.vault.azure.net/secrets/Database--Password/"), "{error}");
    assert!(format!("{secrets:?}").contains("database.password"), "{secrets:?}");
}

#[tokio::test]
async fn two_mapped_vaults_are_two_distinct_layers() {
    let (contoso, shared) = (vault("contoso"), vault("shared"));
    contoso.set("value", "contoso's").unwrap();
    shared.set("value", "shared's").unwrap();
    let config = keyvault_config::layered(contoso.clone(), {
        let secrets = KeyVaultSource::fetch(shared.clone(), &NameMap::new()).await.unwrap();
        move || Config::builder().add_source(secrets.clone())
    });
    let live: Live<One<String>> = config.start().await.unwrap();
    assert_eq!(live.current().value, "shared's");
    let origin = live.published().origins().get("value").unwrap().to_string();
    assert!(origin.contains("shared") && !origin.contains("contoso"), "{origin}");

    let figment = keyvault_figment::layered(contoso, {
        let secrets = KeyVaultProvider::fetch(shared, &NameMap::new()).await.unwrap();
        move || Figment::from(secrets.clone())
    });
    let live: Live<One<String>> = figment.start().await.unwrap();
    assert_eq!(live.current().value, "shared's");
    let origin = live.published().origins().get("value").unwrap().to_string();
    assert!(origin.contains("shared") && !origin.contains("contoso"), "{origin}");
}

#[tokio::test]
async fn a_failure_names_the_element_the_secret_and_the_file() {
    let service = Service::new("[[servers]]\nport = 1\n[[servers]]\nport = '@KeyVault(SecretName=port-of-two)'");
    let service = service.secret("port-of-two", "canary");
    #[derive(Debug, serde::Deserialize)]
    #[expect(dead_code, reason = "the call fails earlier")]
    struct Servers {
        servers: Vec<Server>,
    }
    #[derive(Debug, serde::Deserialize)]
    #[expect(dead_code, reason = "the call fails earlier")]
    struct Server {
        port: u16,
    }
    for way in WAYS {
        let error = service.settings::<Servers>(way).await.unwrap_err();
        assert_eq!(error.setting(), Some("servers[1].port"), "{way:?} {error}");
        assert!(error.to_string().contains("settings.toml"), "{way:?} {error}");
        assert!(error.to_string().contains("secret port-of-two version"), "{way:?} {error}");
    }
}
