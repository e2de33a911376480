//! A settings type declares which secrets to fetch.

use std::collections::BTreeMap;

use keyvault::push::{SecretEvent, SecretEventKind};
use keyvault::{ErrorKind, NameMap, OpenJson, SecretId};
use serde::Deserialize;

use super::service::{LIVE, Service, WAYS, Way};

#[derive(Deserialize)]
struct Settings {
    database: Database,
    #[serde(default)]
    level: Level,
    sentry: Option<Sentry>,
    hosts: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Database {
    connection_string: secrecy::SecretString,
    #[serde(rename = "pool_size")]
    size: std::num::NonZeroU8,
}

#[derive(Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Level {
    #[default]
    Info,
    Debug,
}

#[derive(Deserialize)]
struct Sentry {
    dsn: String,
}

fn map() -> NameMap {
    NameMap::new().prefix("Shop--").snake_case().only_keys_of::<Settings>()
}

#[test]
fn known_keys_reports_the_names_to_fetch() {
    let known: Vec<(String, String)> =
        map().known_keys().map(|(key, name)| (key.to_string(), name.to_string())).collect();
    let expected = [
        ("database.connection_string", "Shop--Database--ConnectionString"),
        ("database.pool_size", "Shop--Database--PoolSize"),
        ("level", "Shop--Level"),
        ("sentry.dsn", "Shop--Sentry--Dsn"),
    ];
    assert_eq!(known, expected.map(|(key, name)| (key.to_owned(), name.to_owned())));
    assert_eq!(map().open_json(OpenJson::new()).known_keys().count(), 7, "and two tables and a list");
}

#[tokio::test]
async fn a_known_key_is_fetched_and_absent_if_its_secret_is_missing() {
    // Key Vault ignores case, and so does a known key.
    let service = Service::new(map())
        .secret("shop--database--connectionstring", "c")
        .secret("Shop--Database--PoolSize", "7")
        .secret("Shop--Unknown", "canary");
    for way in WAYS {
        let before = service.vault.reads();
        let settings = service.settings::<Settings>(way).await.unwrap();
        assert_eq!(secrecy::ExposeSecret::expose_secret(&settings.database.connection_string), "c", "{way:?}");
        assert_eq!(settings.database.size.get(), 7, "{way:?}");
        assert_eq!(settings.level, Level::Info, "{way:?}");
        assert!(settings.sentry.is_none() && settings.hosts.is_none(), "{way:?}");
        let reads = service.vault.reads();
        assert_eq!((reads.gets - before.gets, reads.lists), (4, 0), "{way:?}");
    }
}

#[tokio::test]
async fn a_secret_created_later_is_found_by_the_next_refresh() {
    for way in LIVE {
        let service =
            Service::new(map()).secret("Shop--Database--ConnectionString", "c").secret("Shop--Database--PoolSize", "7");
        let live = service.start::<Settings>(way).await.unwrap();
        assert!(live.refresh_now().await.unwrap().is_none(), "{way:?}");
        service.vault.set("Shop--Sentry--Dsn", "s").unwrap();
        service.vault.set("Shop--Level", "debug").unwrap();
        assert_eq!(live.refresh_now().await.unwrap().unwrap().keys, ["level", "sentry.dsn"], "{way:?}");
        assert_eq!(live.current().sentry.as_ref().unwrap().dsn, "s", "{way:?}");
        assert_eq!(live.current().level, Level::Debug, "{way:?}");
        assert_eq!(service.vault.reads().lists, 0);
    }
}

#[tokio::test]
async fn a_missing_required_key_is_named() {
    let service = Service::new(map()).secret("Shop--Database--PoolSize", "7");
    for way in WAYS {
        let error = service.settings::<Settings>(way).await.err().unwrap();
        assert_eq!(error.kind(), ErrorKind::InvalidSettings, "{way:?}");
        assert_eq!(error.setting(), Some("database.connection_string"), "{way:?} {error}");
    }
}

#[tokio::test]
async fn keys_that_a_type_does_not_declare_can_be_added() {
    #[derive(Debug, Deserialize)]
    struct Flat {
        #[serde(flatten)]
        rest: BTreeMap<String, String>,
    }
    #[derive(Debug, Deserialize)]
    struct Half {
        port: u16,
        more: Flat,
    }
    let alone = Service::new(NameMap::new().only_keys_of::<Flat>()).secret("region", "eu");
    let beside = NameMap::new().only_keys_of::<Half>().optionally(["more--region"]).unwrap();
    let beside = Service::new(beside).secret("more--region", "eu").secret("port", "80");
    for way in WAYS {
        let error = alone.settings::<Flat>(way).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{way:?}: no key at all is a mistake");
        assert!(error.advice().unwrap().contains("NameMap::only"), "{error:?}");
        let half = beside.settings::<Half>(way).await.unwrap();
        assert_eq!((half.port, &*half.more.rest["region"]), (80, "eu"), "{way:?}");
    }
}

#[tokio::test]
async fn a_json_secret_fills_a_table_whose_keys_are_known_or_not() {
    let service = Service::new(map().open_json(OpenJson::new()))
        .json("Shop--Database", r#"{"ConnectionString":"c","PoolSize":7}"#)
        .json("Shop--Hosts", r#"["a","b"]"#);
    for way in WAYS {
        let settings = service.settings::<Settings>(way).await.unwrap();
        assert_eq!(settings.database.size.get(), 7, "{way:?}");
        assert_eq!(settings.hosts.as_deref().unwrap(), ["a", "b"], "{way:?}");
    }
    assert_eq!(service.vault.reads().lists, 0);
}

#[tokio::test]
async fn a_disabled_secret_of_a_known_key_is_skipped() {
    let service = Service::new(map()).secret("Shop--Database--ConnectionString", "c");
    let service = service.secret("Shop--Database--PoolSize", "7");
    service.vault.set_with("Shop--Level", "canary", |properties| properties.set_enabled(false)).unwrap();
    for way in [Way::ConfigLive, Way::FigmentOnce] {
        assert_eq!(service.settings::<Settings>(way).await.unwrap().level, Level::Info, "{way:?}");
    }
}

/// An event announces a new secret, which a poll would find five minutes later.
#[tokio::test]
async fn an_event_fetches_the_secret_of_a_known_key_and_an_unrelated_event_fetches_nothing() {
    for way in LIVE {
        let service =
            Service::new(map()).secret("Shop--Database--ConnectionString", "c").secret("Shop--Database--PoolSize", "7");
        let live = service.start::<Settings>(way).await.unwrap();
        let mut watcher = live.watch();
        let event = |name: &str| {
            let version = service.vault.set(name, "debug").unwrap();
            let id = format!("https://contoso.vault.azure.net/secrets/{name}/{version}");
            SecretEvent::new(SecretId::parse(&id).unwrap(), SecretEventKind::NewVersion)
        };
        let gets = service.vault.reads().gets;
        live.notify(event("Shop--Stranger"));
        live.notify(event("Shop--Level"));
        let notice = tokio::time::timeout(std::time::Duration::from_secs(10), watcher.next()).await.unwrap().unwrap();
        assert!(matches!(&notice, keyvault::Notice::Changed(change) if change.keys == ["level"]), "{way:?} {notice:?}");
        assert_eq!(live.current().level, Level::Debug, "{way:?}");
        assert_eq!(service.vault.reads().gets, gets + 1, "{way:?}");
    }
}
