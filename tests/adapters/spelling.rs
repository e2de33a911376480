//! The spelling of keys: types with `rename_all`, and keys that differ in spelling alone.

use std::collections::BTreeMap;

use keyvault::{ErrorKind, Live, NameMap};
use keyvault_test_support::canary::assert_value_free;
use keyvault_test_support::log::Log;
use serde::Deserialize;

use super::service::{BOTH, Place, Service};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AspNet {
    jwt: Jwt,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Jwt {
    signing_key: String,
    #[serde(default)]
    issuer: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Camel {
    database: CamelDatabase,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct CamelDatabase {
    connection_string: String,
}

const DEVELOPMENT: &str = "[Jwt]\nSigningKey = 'development'\nIssuer = 'file'";

#[tokio::test]
async fn types_with_renamed_fields_are_filled_by_name() {
    for (name, map) in [
        ("Database--ConnectionString", NameMap::new().camel_case()),
        ("database--connection-string", NameMap::new().camel_case()),
        ("database--connectionString", NameMap::new().camel_case().only_keys_of::<Camel>()),
    ] {
        let service = Service::new("").secret(name, "vault").names(map);
        for framework in BOTH {
            let live: Live<Camel> = service.start(framework).await.unwrap();
            assert_eq!(live.current().database.connection_string, "vault", "{framework:?} {name}");
        }
    }
    for (name, map) in [
        ("Jwt--SigningKey", NameMap::new().pascal_case()),
        ("jwt--signing-key", NameMap::new().pascal_case()),
        ("JWT--SigningKey", NameMap::new().pascal_case()),
        ("Jwt--SigningKey", NameMap::new().keep_case()),
        ("Jwt--SigningKey", NameMap::new().keep_case().only_keys_of::<AspNet>()),
    ] {
        let service = Service::new(DEVELOPMENT).secret(name, "vault").names(map).vault_at(Place::Top);
        for framework in BOTH {
            let live: Live<AspNet> = service.start(framework).await.unwrap();
            assert_eq!(live.current().jwt.signing_key, "vault", "{framework:?} {name}");
            assert_eq!(live.current().jwt.issuer, "file", "{framework:?} {name}");
        }
    }
}

#[tokio::test]
async fn a_secret_that_differs_in_case_from_a_value_in_use_fails_the_start() {
    for place in [Place::Bottom, Place::Top] {
        for name in ["Jwt--SigningKey", "JWT--Signing-Key"] {
            let service = Service::new(DEVELOPMENT).secret(name, "canary").vault_at(place);
            for framework in BOTH {
                let error = service.start::<AspNet>(framework).await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Invalid, "{framework:?} {error}");
                let report = error.report();
                for part in ["Jwt.SigningKey", "settings.toml", &format!("{name} in contoso"), "NameMap::keep_case"] {
                    assert!(report.contains(part), "{framework:?} {part}: {report}");
                }
                assert_value_free(&error, &["canary", "development"]);
            }
        }
    }
}

#[tokio::test]
async fn a_reference_to_a_secret_that_differs_in_case_is_in_use() {
    let service = Service::new("Jwt.SigningKey = '@KeyVault(SecretName=Jwt--SigningKey)'");
    let service = service.secret("Jwt--SigningKey", "s");
    for framework in BOTH {
        let live: Live<AspNet> = service.start(framework).await.unwrap();
        assert_eq!(live.current().jwt.signing_key, "s", "{framework:?}");
        assert_eq!(live.published().report().rows().len(), 1, "{framework:?}");
    }
}

#[tokio::test]
async fn a_secret_that_no_value_replaces_is_reported_if_the_type_spells_its_key_otherwise() {
    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Settings {
        api_key: Option<String>,
    }
    for framework in BOTH {
        let service = Service::new("").secret("ApiKey", "canary").secret("other", "1");
        let log = Log::begin();
        let live: Live<Settings> = service.start(framework).await.unwrap();
        assert_eq!(live.current().api_key, None);
        let published = live.published();
        let row = published.report().rows().iter().find(|row| row.setting == "apikey").unwrap();
        assert!(row.detail.as_deref().is_some_and(|detail| detail.contains("apiKey")), "{framework:?} {row:?}");
        assert!(row.advice.as_deref().is_some_and(|advice| advice.contains("camel_case")), "{framework:?} {row:?}");
        assert!(published.report().is_resolved());
        live.refresh_now().await.unwrap();
        let warnings = log.text().lines().filter(|line| line.contains("apiKey")).count();
        assert_eq!(warnings, 1, "{framework:?} {}", log.text());
        assert!(!log.text().contains("canary"));
    }
}

#[tokio::test]
async fn keys_of_a_map_that_differ_in_case_are_reported() {
    for framework in BOTH {
        let service = Service::new("ApiKey = 'development'").secret("ApiKey", "canary");
        let live: Live<BTreeMap<String, String>> = service.start(framework).await.unwrap();
        let published = live.published();
        let row = published.report().rows().iter().find(|row| row.setting == "apikey").unwrap();
        assert!(row.detail.as_deref().is_some_and(|detail| detail.contains("ApiKey")), "{framework:?} {row:?}");
    }
}

#[tokio::test]
async fn a_missing_setting_is_reported_with_the_key_of_the_same_letters() {
    for framework in BOTH {
        for (name, found) in
            [("Database--ConnectionString", "database.connectionstring"), ("DataBase--x", "database.x")]
        {
            let service = Service::new("").secret(name, "canary");
            let error = service.start::<Camel>(framework).await.unwrap_err();
            assert!(error.setting().is_some_and(|setting| setting.starts_with("database")), "{error}");
            let report = error.report();
            let is_told = report.contains(found) && report.contains("camel_case");
            assert_eq!(is_told, found == "database.connectionstring", "{framework:?} {report}");
            assert_value_free(&error, &["canary"]);
        }
        let service = Service::new("").secret("Jwt--SigningKey", "canary");
        let report = service.start::<AspNet>(framework).await.unwrap_err().report();
        assert!(report.contains("jwt.signingkey") && report.contains("keep_case"), "{framework:?} {report}");
    }
}

#[tokio::test]
async fn an_unknown_setting_whose_letters_a_field_has_gets_the_spelling_as_its_remedy() {
    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    #[expect(dead_code, reason = "it is never made")]
    struct Strict {
        api_key: Option<String>,
    }
    for framework in BOTH {
        let error = Service::new("").secret("Api-Key", "canary").start::<Strict>(framework).await.unwrap_err();
        let report = error.report();
        assert!(report.contains("did you mean apiKey?") && report.contains("NameMap::keep_case"), "{report}");
        assert!(!report.contains("fewer secrets"), "{framework:?} {report}");
        assert_value_free(&error, &["canary"]);
        let error = Service::new("api_key = 'canary'").start::<Strict>(framework).await.unwrap_err();
        assert!(error.to_string().contains("did you mean apiKey?"), "{framework:?} {error}");
        let error = Service::new("").secret("Other", "canary").start::<Strict>(framework).await.unwrap_err();
        let report = error.report();
        assert!(report.contains("fewer secrets") && !report.contains("did you mean"), "{framework:?} {report}");
    }
}
