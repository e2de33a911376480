//! One error reports all colliding names, and how to resolve them.

use std::collections::BTreeMap;

use keyvault::{ErrorKind, NameMap, OpenJson};
use keyvault_test_support::canary::assert_value_free;
use serde::de::IgnoredAny;

use super::service::{Service, WAYS};

type Any = BTreeMap<String, IgnoredAny>;

async fn assert_reported(service: &Service, key: &str, parties: &[&str]) {
    for way in WAYS {
        let error = service.settings::<Any>(way).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{way:?} {error}");
        assert_eq!(error.failures().len(), 1, "{way:?}: one error for all {error:?}");
        assert_eq!(error.setting(), Some(key), "{way:?} {error}");
        let words = error.report();
        for party in parties {
            assert!(words.contains(party), "{way:?} {party}: {words}");
        }
        assert!(words.contains("help: rename"), "{way:?} {words}");
        assert_value_free(&error, &["canary"]);
    }
}

#[tokio::test]
async fn names_that_differ_only_in_what_the_map_drops() {
    let map = NameMap::new().snake_case();
    let service = Service::new(map).secret("ApiKey", "canary").secret("Api-Key", "canary").secret("other", "1");
    assert_reported(&service, "api_key", &["ApiKey", "Api-Key"]).await;
    let first = NameMap::new().function(|name| Some(name.split('-').take(1).collect()));
    let service = Service::new(first).secret("a-1", "canary").secret("a-2", "canary").secret("a-3", "canary");
    assert_reported(&service, "a", &["a-1, a-2 and a-3"]).await;
}

#[tokio::test]
async fn a_value_and_everything_in_the_table_at_its_place() {
    let service = ["mail", "Mail--Host", "mail--port", "mail--tls--key"]
        .iter()
        .fold(Service::new(NameMap::new()), |service, name| service.secret(name, "canary"));
    assert_reported(&service, "mail", &["mail, Mail--Host, mail--port and mail--tls--key"]).await;
}

#[tokio::test]
async fn members_of_json_secrets_and_other_secrets() {
    let map = NameMap::new().open_json(OpenJson::new());
    let service = Service::new(map.clone()).json("Db", r#"{"host":"canary","password":"canary"}"#);
    let service = service.secret("Db--Password", "canary");
    assert_reported(&service, "db.password", &["Db (member password)", "Db--Password"]).await;

    let service = Service::new(map.clone()).json("Db", r#"{"tls":{"key":"canary"}}"#).secret("Db--Tls", "canary");
    assert_reported(&service, "db.tls", &["Db (member tls.key)", "Db--Tls"]).await;

    let service = Service::new(map.clone()).json("Db", r#"[{"a":"canary"}]"#).secret("Db--Tls", "canary");
    assert_reported(&service, "db", &["Db (member [0].a)", "Db--Tls", "both a table and a list"]).await;

    // An element from elsewhere would divide the list, which is one value.
    for name in ["Db--0--Weight", "Db--1--Weight", "Db--2"] {
        let list = r#"[{"a":"canary"},{"a":"canary"}]"#;
        let service = Service::new(map.clone()).json("Db", list).secret(name, "canary");
        assert_reported(&service, "db", &["Db (member [0].a)", name, "both a value and a table"]).await;
    }

    let service = Service::new(map.clone()).json("Db", r#"{"a":"canary","a":"canary"}"#);
    assert_reported(&service, "db.a", &["gives the same setting twice: Db (member a)"]).await;

    let service = Service::new(map.snake_case()).json("Db", r#"{"fooBar":1,"foo_bar":2}"#);
    assert_reported(&service, "db.foo_bar", &["Db (member fooBar)", "Db (member foo_bar)"]).await;
}

#[tokio::test]
async fn a_json_secret_and_names_beside_its_members_are_one_table() {
    let map = NameMap::new().open_json(OpenJson::new());
    let service = Service::new(map).json("Db", r#"{"host":"h","tls":{"key":"k"}}"#);
    let service = service.secret("Db--Password", "p").secret("db--tls--cert", "c");
    for way in WAYS {
        let settings = service.settings::<BTreeMap<String, BTreeMap<String, IgnoredAny>>>(way).await.unwrap();
        assert_eq!(settings["db"].keys().collect::<Vec<_>>(), ["host", "password", "tls"], "{way:?}");
    }
}

#[tokio::test]
async fn collisions_are_reported_with_every_other_failure_of_the_load() {
    let map = NameMap::new().open_json(OpenJson::new());
    let service = Service::new(map).json("broken", "canary").secret("mail", "canary").secret("mail--host", "canary");
    for way in WAYS {
        let error = service.settings::<Any>(way).await.unwrap_err();
        let settings: Vec<_> = error.failures().iter().filter_map(|failure| failure.setting()).collect();
        assert_eq!(settings, ["broken", "mail"], "{way:?}");
        assert_value_free(&error, &["canary"]);
    }
}
