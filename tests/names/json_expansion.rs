//! JSON secrets expand into settings of their own.

use std::collections::BTreeMap;

use keyvault::{ErrorKind, NameMap, OpenJson};
use keyvault_test_support::canary::{assert_free_of, assert_value_free};
use serde::Deserialize;

use super::service::{LIVE, Service, WAYS};

fn map() -> NameMap {
    NameMap::new().open_json(OpenJson::new())
}

#[derive(Debug, Deserialize, PartialEq)]
struct Settings {
    database: Database,
}

#[derive(Debug, Deserialize, PartialEq)]
struct Database {
    user: String,
    port: u16,
    tls: bool,
    ratio: f64,
    zip: String,
    hosts: Vec<String>,
    replicas: Vec<Replica>,
    levels: Vec<Option<u8>>,
    labels: BTreeMap<String, String>,
    nobody: Option<String>,
    #[serde(rename = "dotted.name")]
    dotted: String,
}

#[derive(Debug, Deserialize, PartialEq)]
struct Replica {
    host: String,
    port: Option<u16>,
}

const JSON: &str = r#"{
    "user": "ann@KeyVault(SecretName=other)", "port": 5432, "tls": true, "ratio": 0.5, "zip": "01234",
    "hosts": ["a", "b"], "replicas": [{"host": "c", "port": 1}, {"host": "d", "port": null}],
    "levels": [1, null, 3], "labels": {}, "nobody": null, "dotted.name": "x"
}"#;

#[tokio::test]
async fn every_json_value_becomes_a_setting_and_converts_like_a_secret() {
    let service = Service::new(map()).json("Database", JSON);
    for way in WAYS {
        let (settings, origins) = service.load::<Settings>(way).await.unwrap();
        let expected = Database {
            user: "ann@KeyVault(SecretName=other)".into(),
            port: 5432,
            tls: true,
            ratio: 0.5,
            zip: "01234".into(),
            hosts: vec!["a".into(), "b".into()],
            replicas: vec![Replica { host: "c".into(), port: Some(1) }, Replica { host: "d".into(), port: None }],
            levels: vec![Some(1), None, Some(3)],
            labels: BTreeMap::new(),
            nobody: None,
            dotted: "x".into(),
        };
        assert_eq!(settings.database, expected, "{way:?}");
        for key in ["database.user", "database.port", "database.hosts[1]", "database.replicas[0].host"] {
            let origin = origins.get(key).unwrap_or_else(|| panic!("{way:?} {key} {origins:?}"));
            assert!(
                origin.is_secret() && origin.to_string().starts_with("secret Database version "),
                "{way:?} {origin}"
            );
        }
        assert_free_of(&format!("{origins:?}"), &["ann", "5432", "01234"]);
    }
}

#[tokio::test]
async fn layers_above_replace_single_values_and_whole_lists() {
    let service = Service::new(map()).json("Database", JSON).file("[database]\nport = 1\nhosts = ['x']");
    for way in WAYS {
        let settings = service.settings::<Settings>(way).await.unwrap();
        assert_eq!(settings.database.port, 1, "{way:?}");
        assert_eq!(settings.database.hosts, ["x"], "{way:?}");
        assert_eq!(settings.database.zip, "01234", "{way:?}");
    }
}

#[tokio::test]
async fn json_expands_only_if_enabled_and_if_the_content_type_is_json() {
    type Flat = BTreeMap<String, String>;
    let json = r#"{"a":1}"#;
    for (map, content_type, is_opened) in [
        (map(), Some("application/json"), true),
        (map(), Some("application/vnd.shop+json;v=1"), true),
        (map(), Some("text/plain"), false),
        (map(), None, false),
        (NameMap::new(), Some("application/json"), false),
    ] {
        let service = Service::new(map);
        let change = |properties: &mut keyvault::SecretProperties| {
            properties.set_content_type(content_type.map(str::to_owned));
        };
        service.vault.set_with("value", json, change).unwrap();
        for way in WAYS {
            if is_opened {
                let settings = service.settings::<BTreeMap<String, Flat>>(way).await.unwrap();
                assert_eq!(settings["value"]["a"], "1", "{way:?} {content_type:?}");
            } else {
                assert_eq!(service.settings::<Flat>(way).await.unwrap()["value"], json, "{way:?} {content_type:?}");
            }
        }
    }
}

#[tokio::test]
async fn invalid_json_is_an_error_that_names_the_secret_and_shows_no_value() {
    for json in ["canary", "{\"canary\":", "{\"a\": canary}", "\"\\ud800 canary\""] {
        let service = Service::new(map()).json("Database", json).secret("other", "1");
        for way in WAYS {
            let error = service.settings::<BTreeMap<String, String>>(way).await.unwrap_err();
            assert_eq!((error.kind(), error.setting()), (ErrorKind::InvalidSettings, Some("database")), "{way:?}");
            assert!(error.to_string().contains("Database version"), "{error}");
            assert!(error.report().contains("help: "), "{error:?}");
            assert_value_free(&error, &["canary"]);
        }
    }
}

#[tokio::test]
async fn json_beyond_the_limits_is_an_error_and_deeper_values_stay_text() {
    type Flat = BTreeMap<String, BTreeMap<String, String>>;
    let json = r#"{"a":{"b":[1]},"c":"canary"}"#;
    let service = Service::new(map()).json("value", json);
    for (limits, what) in [(OpenJson::new().keys(1), "more values"), (OpenJson::new().size(json.len() - 1), "larger")] {
        let service = service.clone().map(NameMap::new().open_json(limits));
        for way in WAYS {
            let error = service.settings::<Flat>(way).await.unwrap_err();
            assert!(error.to_string().contains(what), "{way:?} {error}");
            assert_value_free(&error, &["canary"]);
        }
    }
    let shallow = service.map(NameMap::new().open_json(OpenJson::new().depth(1)));
    for way in WAYS {
        assert_eq!(shallow.settings::<Flat>(way).await.unwrap()["value"]["a"], r#"{"b":[1]}"#, "{way:?}");
    }
}

#[tokio::test]
async fn a_mismatch_names_the_key_of_the_value_and_its_secret() {
    let service = Service::new(map()).json("Database", &JSON.replace("5432", "\"canary\""));
    for way in WAYS {
        let error = service.settings::<Settings>(way).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.setting()),
            (ErrorKind::InvalidSettings, Some("database.port")),
            "{way:?} {error}"
        );
        assert!(error.origin().unwrap().starts_with("secret Database version "), "{way:?} {error}");
        assert_value_free(&error, &["canary"]);
    }
}

/// All keys of the secret have a new version: values are never compared.
#[tokio::test]
async fn a_new_version_changes_every_key_of_its_secret_and_no_other() {
    for way in LIVE {
        let service = Service::new(map()).json("Database", r#"{"user":"a","port":1}"#).secret("other", "1");
        let live = service.start::<BTreeMap<String, serde::de::IgnoredAny>>(way).await.unwrap();
        assert!(live.refresh_now().await.unwrap().is_none(), "{way:?}");
        let service = service.json("Database", r#"{"user":"b","port":1,"new":[1]}"#);
        let change = live.refresh_now().await.unwrap().unwrap();
        assert_eq!(change.keys, ["database.new[0]", "database.port", "database.user"], "{way:?}");
        let service = service.json("Database", "{canary");
        assert_value_free(&live.refresh_now().await.unwrap_err(), &["canary"]);
        assert_eq!(live.health().consecutive_failures, 1, "{way:?}");
        drop(service);
    }
}

#[tokio::test]
async fn no_debug_shows_a_value() {
    let service = Service::new(map()).json("Database", r#"{"user":"canary","list":["canary"]}"#);
    let resolver = keyvault::Resolver::from(service.vault);
    let named = resolver.mapped(&map()).await.unwrap();
    let all: Vec<_> = named.iter().collect();
    let shown = format!("{named:?}{named:#?}{all:?}{:?}{:?}", map(), named.notes());
    assert_free_of(&shown, &["canary"]);
    assert!(shown.contains("database.list[0]"), "{shown}");
}
