//! Secrets become settings by their names.

use std::collections::BTreeMap;

use keyvault::{ErrorKind, Live, NameMap, ReferenceStatus};
use serde::Deserialize;

use super::service::{BOTH, One, Service, WAYS, vault};

#[tokio::test]
async fn double_hyphens_become_tables_and_single_ones_underscores() {
    #[derive(Deserialize)]
    struct Settings {
        database: Database,
        api_key: String,
    }
    #[derive(Deserialize)]
    struct Database {
        password: String,
        replica: Replica,
    }
    #[derive(Deserialize)]
    struct Replica {
        host_name: String,
        _hidden: String,
    }
    let service = Service::new("").secret("Database--Password", "p").secret("database--REPLICA--Host-Name", "h");
    let service =
        service.secret("API-Key", "k").secret("database--replica---hidden", "u").secret("0", "a number for a name");
    for way in WAYS {
        let settings = service.settings::<Settings>(way).await.unwrap();
        assert_eq!(settings.database.password, "p", "{way:?}");
        assert_eq!(settings.database.replica.host_name, "h", "{way:?}");
        assert_eq!(settings.database.replica._hidden, "u", "{way:?}");
        assert_eq!(settings.api_key, "k", "{way:?}");
    }
}

#[tokio::test]
async fn a_prefix_selects_its_secrets_and_is_removed_from_their_keys() {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Settings {
        value: String,
    }
    let service =
        Service::new("").secret("Shop--Value", "mine").secret("Billing--Value", "not mine").secret("Value", "nobody's");
    let service = service.names(NameMap::new().prefix("shop--"));
    for way in WAYS {
        assert_eq!(service.settings::<Settings>(way).await.unwrap().value, "mine", "{way:?}");
    }
    let gets = service.vault.reads().gets;
    let _live: Live<Settings> = service.start(BOTH[0]).await.unwrap();
    assert_eq!(service.vault.reads().gets, gets + 1, "secrets of others are not fetched");
}

/// The default map collides only for names that differ in case, which a vault treats as one name.
#[tokio::test]
async fn a_setting_that_is_both_a_value_and_a_table_fails_the_start_and_both_secrets_are_named() {
    for (value, below) in [("Mail", "mail--host"), ("A--B", "a--b--C--d-e"), ("x-y", "X-Y--z")] {
        let service = Service::new("").secret(value, "canary").secret(below, "canary").secret("other", "1");
        for way in WAYS {
            let error = service.settings::<One<Option<String>>>(way).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid, "{way:?} {value}");
            assert_ne!(error.status(), ReferenceStatus::InvalidSyntax, "{way:?}: no reference is at fault");
            for text in [error.to_string(), error.report()] {
                assert!(text.contains(value) && text.contains(below), "{way:?}: {text}");
                assert!(!text.contains("canary"), "{text}");
            }
        }
    }
}

#[tokio::test]
async fn one_error_reports_all_collisions() {
    let service = Service::new("");
    let service = ["mail", "mail--host", "a", "a--b--c", "x--y-z", "x--y-z--w"]
        .iter()
        .fold(service, |service, name| service.secret(name, "1"));
    for way in WAYS {
        let error = service.settings::<One<Option<String>>>(way).await.unwrap_err();
        let settings: Vec<_> = error.failures().iter().filter_map(|failure| failure.setting()).collect();
        assert_eq!(settings, ["a", "mail", "x.y_z"], "{way:?} {error:?}");
    }
}

#[tokio::test]
async fn disabled_secrets_and_those_of_certificates_are_left_out() {
    let service = Service::new("").secret("live", "1");
    service.vault.set_with("disabled", "canary", |properties| properties.set_enabled(false)).unwrap();
    service.vault.set_with("certificate", "canary", |properties| properties.set_managed(true)).unwrap();
    // Neither causes a collision.
    service.vault.set_with("live--disabled", "canary", |properties| properties.set_enabled(false)).unwrap();
    for way in WAYS {
        let settings = service.settings::<BTreeMap<String, String>>(way).await.unwrap();
        assert_eq!(*settings, [("live".to_owned(), "1".to_owned())].into(), "{way:?}");
    }
}

#[tokio::test]
async fn a_secret_that_is_deleted_between_the_list_and_its_reading_is_named() {
    for way in WAYS {
        let vault = vault("contoso");
        vault.set("Database--Password", "gone").unwrap();
        let deleting = vault.clone();
        vault.on_get(move |id| {
            deleting.delete(id.name().as_str());
            async { Ok(()) }
        });
        let service = Service::new("").resolver(vault);
        let error = service.settings::<One<Option<String>>>(way).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{way:?}");
        assert_eq!(error.status(), ReferenceStatus::SecretNotFound, "{way:?}");
        assert_eq!(error.setting(), Some("database.password"), "{way:?}");
        assert!(error.to_string().contains("Database--Password in contoso"), "{error}");
        assert!(error.origin().is_some_and(|origin| origin.contains("contoso")), "{way:?} {error}");
    }
}

#[tokio::test]
async fn references_only_requests_no_list() {
    let service = Service::new("value = '@KeyVault(SecretName=s)'").secret("s", "1").references_only();
    for framework in BOTH {
        let live: Live<One<String>> = service.start(framework).await.unwrap();
        assert_eq!(live.current().value, "1");
    }
    assert_eq!(service.vault.reads().lists, 0);
}
