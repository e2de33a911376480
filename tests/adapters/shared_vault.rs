//! A vault holds secrets that are settings by reference alone, and secrets of other programs.

use std::collections::BTreeMap;

use keyvault::{Error, ErrorKind, Live};
use keyvault_test_support::canary::assert_value_free;
use serde::Deserialize;

use super::service::{BOTH, One, Place, Service, vault};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Strict {
    value: String,
    port: Option<u16>,
}

#[tokio::test]
async fn a_secret_that_is_only_referred_to_is_no_setting_by_its_name() {
    for framework in BOTH {
        for name in ["Db-Password", "db--password", "shop--db--password"] {
            for place in [Place::Bottom, Place::Between, Place::Top] {
                let service = Service::new(&format!("value = 'p:@KeyVault(SecretName={name})'"));
                let service = service.secret(name, "one").secret("port", "5432").vault_at(place);
                let live: Live<Strict> = service.start(framework).await.unwrap();
                assert_eq!(
                    (&*live.current().value, live.current().port),
                    ("p:one", Some(5432)),
                    "{framework:?} {name}"
                );
                let published = live.published();
                let rows: Vec<_> = published.report().rows().iter().map(|row| &*row.setting).collect();
                assert_eq!(rows, ["port", "value"], "{framework:?} {name}");
                let keys: Vec<String> = published.origins().iter().map(|(key, _)| key.to_string()).collect();
                assert_eq!(keys, ["port", "value"], "{framework:?} {name}");

                service.vault.set(name, "two").unwrap();
                live.refresh_now().await.unwrap();
                assert_eq!(live.current().value, "p:two", "{framework:?} {name}");
            }
        }
    }
}

#[tokio::test]
async fn a_secret_that_is_referred_to_is_a_setting_too_if_the_type_has_its_key() {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Settings {
        url: String,
        db: Db,
    }
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Db {
        password: String,
    }
    let service = Service::new("url = 'db:@KeyVault(SecretName=Db--Password)'").secret("Db--Password", "p");
    for framework in BOTH {
        let live: Live<Settings> = service.start(framework).await.unwrap();
        assert_eq!((&*live.current().url, &*live.current().db.password), ("db:p", "p"), "{framework:?}");
        let live: Live<BTreeMap<String, serde::de::IgnoredAny>> = service.start(framework).await.unwrap();
        assert!(live.current().contains_key("db"), "{framework:?}: a map may have any key");
    }
}

#[tokio::test]
async fn a_secret_that_is_only_referred_to_collides_with_no_other() {
    let service = Service::new("value = '@KeyVault(SecretName=db)'").secret("db", "canary").secret("db--host", "h");
    for framework in BOTH {
        let live: Live<One<String>> = service.start(framework).await.unwrap();
        assert_eq!(live.current().value, "canary", "{framework:?}");
    }
}

#[tokio::test]
async fn a_failure_by_a_secret_of_another_program_names_the_ways_to_leave_it_out() {
    let remedies = |error: &Error| {
        let report = error.report();
        assert!(
            ["references_only()", "NameMap::prefix", "only_keys_of"].iter().all(|way| report.contains(way)),
            "{report}"
        );
        assert_value_free(error, &["canary"]);
    };
    for framework in BOTH {
        let service = Service::new("value = 'v'").secret("billing", "canary").secret("billing--key", "canary");
        remedies(&service.start::<One<String>>(framework).await.unwrap_err());

        let contoso = vault("contoso");
        contoso.set("billing-key", "canary").unwrap();
        let denied = Error::new(ErrorKind::Denied, "identity may not read the secret");
        contoso.fail_secret("billing-key", denied).unwrap();
        let service = Service::new("value = 'v'").resolver(contoso);
        let error = service.start::<One<String>>(framework).await.unwrap_err();
        assert_eq!(error.setting(), Some("billing_key"), "{framework:?}");
        remedies(&error);
    }
}

#[tokio::test]
async fn a_missing_secret_is_reported_with_a_near_name() {
    let service = Service::new("value = '@KeyVault(SecretName=db-pasword)'").secret("db-password", "canary");
    for framework in BOTH {
        let error = service.start::<One<String>>(framework).await.unwrap_err();
        assert!(error.to_string().contains("did you mean db-password?"), "{framework:?} {error}");
        assert_value_free(&error, &["canary"]);
    }
}
