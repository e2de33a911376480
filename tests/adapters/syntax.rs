//! The text of a reference never reaches a setting: a malformed reference fails wherever it appears.

use std::collections::BTreeMap;
use std::time::Duration;

use config::Config;
use figment::Figment;
use figment::providers::{Format, Serialized, Toml};
use keyvault::{Error, ErrorKind, Live, ReferenceStatus};
use keyvault_test_support::canary::assert_value_free;
use serde::de::IgnoredAny;

use super::service::{BOTH, One, Service, WAYS, block_on, vault, with_variables};

/// Each contains a canary where a person may paste a secret.
const MALFORMED: [&str; 31] = [
    "@KeyVault(",
    "@KeyVault()",
    "@KeyVault(canary",
    "@KeyVault(canary)",
    "@KeyVault(SecretName=canary",
    "@KeyVault(SecretName=)",
    "@KeyVault(=canary)",
    "@KeyVault(SecretName=canary;SecretName=canary)",
    "@KeyVault(SecretNam=canary)",
    "@KeyVault(Secret Name=canary)",
    "@KeyVault(SecretName=canary canary)",
    "@KeyVault(SecretName=canary_canary)",
    "@KeyVault(SecretName=../keys/canary)",
    "@KeyVault(SecretName=a,Optional=true)",
    "@KeyVault(SecretName=a;Optional=canary)",
    "@KeyVault(SecretName=a;Optional=)",
    "@KeyVault(SecretName=a;Property=)",
    "@KeyVault(SecretName=a;;Optional=true)",
    "@KeyVault(VaultName=contoso)",
    "@KeyVault(VaultName=can.ary;SecretName=a)",
    "@KeyVault (SecretName=a)",
    "@KeyVault\t(SecretName=a)",
    "@KeyVault\n(SecretName=a)",
    "@Microsoft.KeyVault(SecretUri=)",
    "@Microsoft.KeyVault(SecretUri=http://contoso.vault.azure.net/secrets/canary)",
    "@Microsoft.KeyVault(SecretUri=https://contoso.vault.azure.net/keys/canary)",
    "@Microsoft.KeyVault(SecretUri=https://contoso.vault.azure.net/secrets/)",
    "@Microsoft.KeyVault(SecretUri=https://contoso.vault.azure.net.evil.example/secrets/canary)",
    "@Microsoft.KeyVault(SecretUri=https://canary@contoso.vault.azure.net/secrets/a)",
    "@microsoft.keyvault(SECRETURI=contoso.vault.azure.net/secrets/canary)",
    "@KeyVault(SecretName=a;Optional=true) and @KeyVault(canary)",
];

#[track_caller]
fn assert_syntax_error(error: &Error, key: &str, origin: &str, what: &str) {
    assert_eq!(error.kind(), ErrorKind::Invalid, "{what}: {error}");
    assert_eq!(error.status(), ReferenceStatus::InvalidSyntax, "{what}: {error}");
    assert_eq!(error.setting(), Some(key), "{what}: {error}");
    assert!(error.origin().is_some_and(|found| found.contains(origin)), "{what}: {error}");
    assert!(error.to_string().contains("InvalidSyntax"), "{what}: {error}");
    assert_value_free(error, &["canary"]);
    assert!(!error.report().contains("canary"), "{what}: {error}");
}

#[tokio::test]
async fn malformed_references_of_every_kind_fail_the_load_in_every_position() {
    for text in MALFORMED {
        for (toml, key) in [
            ("a = REF", "a"),
            ("a = \"before \"", "a"),
            ("a = [1, REF]", "a[1]"),
            ("a = [[], [REF]]", "a[1][0]"),
            ("[a.b]\nc = REF", "a.b.c"),
            ("[[a]]\nb = 1\n[[a]]\nb = REF", "a[1].b"),
            ("a = { b = [{ c = REF }] }", "a.b[0].c"),
            ("nobody_reads_this = REF", "nobody_reads_this"),
        ] {
            let basic = format!("{text:?}");
            let toml =
                toml.replace("REF", &basic).replace("before ", &format!("before {} after", &basic[1..basic.len() - 1]));
            let service = Service::new(&toml).references_only();
            for way in WAYS {
                let what = format!("{way:?} {toml}");
                let error = service.settings::<IgnoredAny>(way).await.expect_err(&what);
                assert_syntax_error(&error, key, "settings.toml", &what);
            }
        }
    }
}

#[test]
fn malformed_references_in_variables_fail_the_load() {
    with_variables(&[("SHOP_DATABASE__PASSWORD", "@KeyVault(SecretName=canary"), ("SHOP_OTHER", "1")], || {
        let service = Service::new("[database]\npassword = 'file'");
        for way in WAYS {
            let error = block_on(service.settings::<IgnoredAny>(way)).unwrap_err();
            assert_syntax_error(&error, "database.password", "variable SHOP_DATABASE__PASSWORD", &format!("{way:?}"));
        }
    });
}

#[tokio::test]
async fn malformed_references_in_configs_defaults_and_overrides_fail_the_load() {
    for malformed in MALFORMED {
        for builder in [
            Config::builder().set_default("value", malformed).unwrap(),
            Config::builder().set_default("value", "good").unwrap().set_override("value", malformed).unwrap(),
        ] {
            let error = keyvault_config::layered(vault("contoso"), move || builder.clone())
                .minimum_failure_delay(Duration::ZERO)
                .start::<One<String>>()
                .await
                .expect_err(malformed);
            assert_syntax_error(&error, "value", "set in code", malformed);
        }
    }
}

#[tokio::test]
async fn malformed_references_in_each_of_figments_profiles_that_count_fail_the_load() {
    for malformed in MALFORMED {
        for layers in [
            Figment::from(Serialized::default("value", malformed)),
            Figment::from(Serialized::global("value", malformed)).merge(Serialized::default("value", "good")),
            Figment::new()
                .join(Serialized::default("value", "good"))
                .merge(Toml::string(&format!("value = {malformed:?}")).profile("shop"))
                .select("shop"),
        ] {
            let error = keyvault_figment::layered(vault("contoso"), move || layers.clone())
                .minimum_failure_delay(Duration::ZERO)
                .start::<One<String>>()
                .await
                .expect_err(malformed);
            assert_syntax_error(&error, "value", "", malformed);
        }
    }
}

#[tokio::test]
async fn an_origin_that_looks_like_a_vault_hides_no_reference() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("Azure Key Vault .toml");
    std::fs::write(&file, "value = '@KeyVault(SecretName=a)'").unwrap();
    let vault = vault("contoso");
    vault.set("a", "A").unwrap();
    // config makes the path relative to the working directory. A source may report any origin.
    let odd = config::Value::new(Some(&"Azure Key Vault settings.toml".to_owned()), "@KeyVault(SecretName=a)");
    let live: Live<BTreeMap<String, String>> = keyvault_config::layered(vault.clone(), {
        let file = file.clone();
        move || {
            let builder = Config::builder().add_source(config::File::from(file.clone()));
            builder.set_override("other", odd.clone()).unwrap()
        }
    })
    .start()
    .await
    .unwrap();
    assert_eq!((&*live.current()["value"], &*live.current()["other"]), ("A", "A"));
    let live: Live<One<String>> =
        keyvault_figment::layered(vault, move || Figment::from(Toml::file(&file))).start().await.unwrap();
    assert_eq!(live.current().value, "A");
}

#[tokio::test]
async fn a_reference_in_a_key_is_an_error() {
    let reference = "@KeyVault(SecretName=a)";
    for (file, key) in [
        (format!("'{reference}' = 'x'"), reference.to_owned()),
        (format!("['{reference}']\nport = 1"), format!("{reference}.port")),
        (
            "[[table]]\n'pre@Microsoft.KeyVault(SecretName' = []".to_owned(),
            "table[0].pre@Microsoft.KeyVault(SecretName".into(),
        ),
    ] {
        let service = Service::new(&file).secret("a", "canary").references_only();
        for way in WAYS {
            let error = service.settings::<IgnoredAny>(way).await.expect_err(&file);
            assert_syntax_error(&error, &key, "settings.toml", &file);
            assert_eq!(error.advice(), Some("write the reference as a value"), "{way:?}");
        }
    }
    for framework in BOTH {
        let service = Service::new("'@@KeyVault(x)' = '1'").references_only();
        drop(service.start::<IgnoredAny>(framework).await.unwrap());
    }
}

/// A provider that calls itself Azure Key Vault, with values that are no secrets.
struct Impostor {
    metadata: figment::Metadata,
    text: &'static str,
}

impl figment::Provider for Impostor {
    fn metadata(&self) -> figment::Metadata {
        self.metadata.clone()
    }

    fn data(&self) -> Result<figment::value::Map<figment::Profile, figment::value::Dict>, figment::Error> {
        let values = figment::value::Dict::from([("value".to_owned(), self.text.into())]);
        Ok([(figment::Profile::Default, values)].into())
    }
}

#[tokio::test]
async fn a_figment_provider_with_our_name_or_metadata_hides_no_reference() {
    let vault = vault("contoso");
    vault.set("a", "A").unwrap();
    vault.set("value", "V").unwrap();
    let url = "https://contoso.vault.azure.net/secrets/value/0123456789abcdef0123456789abcdef";
    let map = keyvault::NameMap::new();
    let ours = keyvault_figment::KeyVaultProvider::fetch(vault.clone(), &map).await.unwrap();
    let name = "Azure Key Vault";
    let (text, malformed) = ("@KeyVault(SecretName=a)", "@KeyVault(SecretName");
    for metadata in [
        figment::Metadata::named(name),
        figment::Metadata::named(name).interpolater(move |_: &figment::Profile, _: &[&str]| url.into()),
        figment::Provider::metadata(&ours),
    ] {
        let figment = Figment::from(Impostor { metadata: metadata.clone(), text });
        let settings: One<String> = keyvault_figment::resolve(figment, vault.clone()).await.unwrap().extract().unwrap();
        assert_eq!(settings.value, "A", "{metadata:?}");
        let figment = Figment::from(Impostor { metadata: metadata.clone(), text: malformed });
        let error = keyvault_figment::resolve(figment, vault.clone()).await.err().unwrap();
        assert_syntax_error(&error, "value", "", malformed);
    }
    // The layers get the secrets of this load, and change the value under their metadata.
    let wrapped = keyvault_figment::layered_with(vault.clone(), move |secrets| {
        Figment::from(Impostor { metadata: figment::Provider::metadata(&secrets), text })
    });
    let live: Live<One<String>> = wrapped.start().await.unwrap();
    assert_eq!(live.current().value, "A");
    // A secret that looks like a reference stays what it is, also at another key.
    vault.set("value", text).unwrap();
    let ours = keyvault_figment::KeyVaultProvider::fetch(vault.clone(), &map).await.unwrap();
    let moved = Impostor { metadata: figment::Provider::metadata(&ours), text };
    let settings = keyvault_figment::resolve(Figment::from(moved), vault.clone()).await.unwrap();
    assert_eq!(settings.extract::<One<String>>().unwrap().value, text);
}

#[tokio::test]
async fn a_config_source_with_our_origin_hides_no_reference() {
    let vault = vault("contoso");
    vault.set("a", "A").unwrap();
    vault.set("value", "V").unwrap();
    let source = keyvault_config::KeyVaultSource::fetch(vault.clone(), &keyvault::NameMap::new()).await.unwrap();
    let ours = config::Source::collect(&source).unwrap()["value"].origin().unwrap().to_owned();
    let unsigned = ours.split(" [").next().unwrap().to_owned();
    for origin in [ours.as_str(), &unsigned, &format!("{unsigned} [0000000000000000]")] {
        let value = |text: &str| config::Value::new(Some(&origin.to_owned()), text);
        let config = |text: &str| Config::builder().set_override("value", value(text)).unwrap().build().unwrap();
        let resolved = keyvault_config::resolve(config("@KeyVault(SecretName=a)"), vault.clone()).await.unwrap();
        assert_eq!(resolved.extract::<One<String>>().unwrap().value, "A", "{origin}");
        let error = keyvault_config::resolve(config("@KeyVault(SecretName"), vault.clone()).await.err().unwrap();
        assert_syntax_error(&error, "value", "", origin);
        // The same in the layers of a start.
        let odd = value("@KeyVault(SecretName=a)");
        let layers = move |secrets| Config::builder().add_source(secrets).set_override("value", odd.clone()).unwrap();
        let live: Live<One<String>> = keyvault_config::layered_with(vault.clone(), layers).start().await.unwrap();
        assert_eq!(live.current().value, "A", "{origin}");
    }
}
