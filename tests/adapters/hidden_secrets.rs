//! A secret that a value set in code hides is reported and logged, or fails the load. Files and variables hide secrets
//! on purpose.

use std::collections::BTreeMap;

use config::{Config, File, FileFormat};
use figment::Figment;
use figment::providers::{Format, Serialized, Toml};
use keyvault::{ErrorKind, IfHidden, InMemory, Live, NameMap, ReferenceStatus, Result};
use keyvault_test_support::canary::{assert_free_of, assert_value_free};
use keyvault_test_support::log::Log;
use serde::Deserialize;
use serde_json::json;

use super::service::{BOTH, Service, block_on, vault, with_variables};

#[derive(Debug, Deserialize)]
struct Settings {
    database: Database,
    #[serde(default)]
    servers: Vec<Database>,
    #[serde(default)]
    mail: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Database {
    password: String,
    #[serde(default)]
    pool: u32,
}

/// How code sets values, and the origin of each in the report.
const WAYS: [(InCode, &str); 6] = [
    (InCode::ConfigDefault, "a value set in code"),
    (InCode::ConfigOverride, "a value set in code"),
    (InCode::ConfigText, "a value set in code"),
    (InCode::FigmentSerialized, "hidden_secrets.rs:"),
    (InCode::FigmentGlobal, "hidden_secrets.rs:"),
    (InCode::FigmentText, "TOML source string"),
];

#[derive(Clone, Copy, Debug)]
enum InCode {
    ConfigDefault,
    ConfigOverride,
    ConfigText,
    FigmentSerialized,
    FigmentGlobal,
    FigmentText,
}

const TEXT: &str =
    "mail = 'off'\n[database]\npassword = 'changeme'\npool = 4\n[[servers]]\npassword = 'changeme'\npool = 4";

impl InCode {
    async fn start(self, vault: &InMemory, map: NameMap) -> Result<Live<Settings>> {
        let values = || {
            let database = json!({ "password": "changeme", "pool": 4 });
            BTreeMap::from([("database", database.clone()), ("servers", json!([database])), ("mail", json!("off"))])
        };
        let tree = move || Config::try_from(&values()).unwrap();
        let config = move || match self {
            InCode::ConfigText => Config::builder().add_source(File::from_str(TEXT, FileFormat::Toml)),
            _ => tree().cache.into_table().unwrap().into_iter().fold(Config::builder(), |builder, (key, value)| {
                let set = if matches!(self, InCode::ConfigDefault) { Set::Default } else { Set::Override };
                match set {
                    Set::Default => builder.set_default(key, value).unwrap(),
                    Set::Override => builder.set_override(key, value).unwrap(),
                }
            }),
        };
        let figment = move || match self {
            InCode::FigmentText => Figment::from(Toml::string(TEXT)),
            InCode::FigmentGlobal => Figment::from(Serialized::globals(values())),
            _ => Figment::from(Serialized::defaults(values())),
        };
        let vault = vault.clone();
        match self {
            InCode::ConfigDefault | InCode::ConfigOverride | InCode::ConfigText => {
                keyvault_config::layered(vault, config).names(map).start().await
            }
            _ => keyvault_figment::layered(vault, figment).names(map).start().await,
        }
    }
}

enum Set {
    Default,
    Override,
}

fn secrets() -> InMemory {
    let vault = vault("contoso");
    for name in ["Database--Password", "Servers--0--Password", "Mail", "Other"] {
        vault.set(name, "canary").unwrap();
    }
    vault
}

#[tokio::test]
async fn a_default_that_hides_a_secret_is_in_the_report_and_logged_once() {
    for (way, origin) in WAYS {
        let log = Log::begin();
        let vault = secrets();
        let live = way.start(&vault, NameMap::new()).await.unwrap();
        assert_eq!(live.current().database.password, "changeme", "{way:?}");
        assert_eq!((live.current().database.pool, live.current().servers.len()), (4, 1), "{way:?}");
        assert_eq!(live.current().servers[0].password, "changeme", "{way:?}");
        assert_eq!(live.current().mail.as_deref(), Some("off"), "{way:?}");
        let check = |report: &keyvault::Report| {
            assert!(report.is_resolved(), "{way:?} {report}");
            for (setting, secret) in [
                ("database.password", "Database--Password"),
                ("servers[0].password", "Servers--0--Password"),
                ("mail", "Mail"),
            ] {
                let row = report.rows().iter().find(|row| row.setting == setting).unwrap();
                assert_eq!(
                    (row.secret.as_deref(), row.status),
                    (Some(secret), ReferenceStatus::Initialized),
                    "{way:?}"
                );
                let detail = row.detail.as_deref().unwrap();
                assert!(detail.starts_with("secret is hidden by") && detail.contains(origin), "{way:?} {detail}");
                assert!(row.advice.as_deref().is_some_and(|advice| advice.contains("NameMap::hidden")), "{way:?}");
                assert!(row.version.is_none(), "{way:?}: no version is in use");
            }
            assert_free_of(&format!("{report} {report:?}"), &["canary", "changeme"]);
        };
        check(live.published().report());
        vault.set("Other", "again").unwrap();
        live.refresh_now().await.unwrap();
        vault.set("Mail", "canary-2").unwrap();
        live.refresh_now().await.unwrap();
        check(live.published().report());
        let log = log.text();
        let warnings: Vec<&str> = log.lines().filter(|line| line.contains("secret is hidden by")).collect();
        assert_eq!(warnings.len(), 3, "{way:?} {warnings:?}");
        assert!(warnings.iter().all(|line| line.contains("WARN") && line.contains("contoso")), "{way:?} {warnings:?}");
        assert_free_of(&log, &["canary", "changeme"]);
    }
}

#[tokio::test]
async fn a_map_decides_whether_hidden_secrets_fail_the_load() {
    for (way, origin) in WAYS {
        let error = way.start(&secrets(), NameMap::new().hidden(IfHidden::Fail)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidSettings, "{way:?} {error}");
        let settings: Vec<_> = error.failures().iter().filter_map(keyvault::Error::setting).collect();
        assert_eq!(settings, ["database.password", "mail", "servers[0].password"], "{way:?}");
        let report = error.report();
        assert!(report.contains(origin) && report.contains("Database--Password in contoso"), "{way:?} {report}");
        assert!(error.load_report().unwrap().rows().iter().filter(|row| row.is_failed()).count() == 3, "{way:?}");
        assert_value_free(&error, &["canary", "changeme"]);

        let log = Log::begin();
        let live = way.start(&secrets(), NameMap::new().hidden(IfHidden::Skip)).await.unwrap();
        let published = live.published();
        let rows: Vec<&str> = published.report().rows().iter().map(|row| &*row.setting).collect();
        assert_eq!(rows, ["other"], "{way:?}");
        assert!(!log.text().contains("hidden"), "{way:?} {}", log.text());
    }
}

#[test]
fn files_variables_and_secrets_in_effect_hide_nothing() {
    with_variables(&[("SHOP_MAIL", "variable")], || {
        let service = Service::new("[database]\npassword = 'file'\n[[servers]]\npassword = 'file'");
        let names = ["Database--Password", "Database--Pool", "Servers--0--Password", "Servers--0--Pool", "Mail"];
        let service = names.iter().fold(service, |service, name| service.secret(name, "5"));
        let service = service.names(NameMap::new().hidden(IfHidden::Fail));
        for framework in BOTH {
            let live: Live<Settings> = block_on(service.start(framework)).unwrap();
            assert_eq!(live.current().mail.as_deref(), Some("variable"), "{framework:?}");
            assert_eq!((live.current().database.pool, live.current().servers[0].pool), (5, 5), "{framework:?}");
            let published = live.published();
            let rows: Vec<&str> = published.report().rows().iter().map(|row| &*row.setting).collect();
            assert_eq!(rows, ["database.pool", "servers[0].pool"], "{framework:?}");
        }
    });
}

#[tokio::test]
async fn a_default_hides_no_secret_that_the_settings_type_does_not_have_or_that_overrides_it() {
    let strict = || NameMap::new().hidden(IfHidden::Fail);
    let defaults = || BTreeMap::from([("other", json!("changeme")), ("database", json!({ "password": "changeme" }))]);
    let tree = move || Config::try_from(&defaults()).unwrap();
    let live: Live<Settings> = keyvault_config::layered_with(secrets(), move |secrets| {
        Config::builder().add_source(tree()).add_source(secrets)
    })
    .names(strict())
    .start()
    .await
    .unwrap();
    assert_eq!(live.current().database.password, "canary");
    let layers = move |secrets| Figment::from(Serialized::defaults(defaults())).merge(secrets);
    let live: Live<Settings> = keyvault_figment::layered_with(secrets(), layers).names(strict()).start().await.unwrap();
    assert_eq!(live.current().database.password, "canary");

    let vault = vault("contoso");
    vault.set("Other", "canary").unwrap();
    vault.set("Database--Password", "canary").unwrap();
    // The setting of the type has the value of another secret, on purpose.
    let referring = "other = 'changeme'\ndatabase.password = '@KeyVault(SecretName=Other)'";
    let config = move || Config::builder().add_source(File::from_str(referring, FileFormat::Toml));
    let live: Live<Settings> = keyvault_config::layered(vault.clone(), config).names(strict()).start().await.unwrap();
    assert_eq!(live.current().database.password, "canary");
    let figment = move || Figment::from(Toml::string(referring));
    let live: Live<Settings> = keyvault_figment::layered(vault, figment).names(strict()).start().await.unwrap();
    assert_eq!(live.current().database.password, "canary");
}
