//! The text of a reference never reaches a setting: a malformed reference fails wherever it appears.

use std::collections::BTreeMap;
use std::time::Duration;

use config::Config;
use figment::Figment;
use figment::providers::{Format, Serialized, Toml};
use keyvault::{Error, ErrorKind, Live, ReferenceStatus};
use keyvault_test_support::canary::assert_value_free;
use serde::de::IgnoredAny;

use super::service::{One, Service, WAYS, block_on, vault, with_variables};

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
