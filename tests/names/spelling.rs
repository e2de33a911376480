//! The name map decides which secrets are read and how their keys are spelled.

use std::collections::BTreeMap;

use keyvault::{ErrorKind, NameMap};
use serde::Deserialize;

use super::service::{LIVE, Service, WAYS};

type Flat = BTreeMap<String, String>;

#[tokio::test]
async fn snake_case_separates_the_words_of_pascal_case() {
    #[derive(Deserialize)]
    struct Settings {
        database: Database,
        api_key: String,
        s3_bucket: String,
    }
    #[derive(Deserialize)]
    struct Database {
        connection_string: String,
        max_pool_size: u8,
    }
    let service = Service::new(NameMap::new().prefix("Shop--").snake_case())
        .secret("Shop--Database--ConnectionString", "c")
        .secret("Shop--Database--max-pool-size", "7")
        .secret("Shop--APIKey", "k")
        .secret("Shop--S3Bucket", "b");
    for way in WAYS {
        let settings = service.settings::<Settings>(way).await.unwrap();
        assert_eq!(settings.database.connection_string, "c", "{way:?}");
        assert_eq!(settings.database.max_pool_size, 7, "{way:?}");
        assert_eq!((&*settings.api_key, &*settings.s3_bucket), ("k", "b"), "{way:?}");
    }
}

#[tokio::test]
async fn a_custom_function_spells_keys_and_skips_secrets() {
    #[derive(Deserialize)]
    struct Settings {
        hosts: Vec<String>,
        mail: Flat,
    }
    let map = NameMap::new().function(|name| match name.split_once('0')? {
        ("hosts", index) => {
            Some(["hosts"].into_iter().collect::<keyvault::settings::Key>().element(index.parse().ok()?))
        }
        (table, member) => Some([table, member].into_iter().collect()),
    });
    let service = Service::new(map).secret("hosts01", "b").secret("hosts00", "a").secret("mail0user", "ann");
    let service = service.secret("unmapped", "canary");
    for way in WAYS {
        let settings = service.settings::<Settings>(way).await.unwrap();
        assert_eq!(settings.hosts, ["a", "b"], "{way:?}");
        assert_eq!(settings.mail, Flat::from([("user".into(), "ann".into())]), "{way:?}");
    }
    let gaps = service.secret("hosts05", "f");
    for way in LIVE {
        let error = gaps.settings::<Settings>(way).await.err().unwrap();
        assert_eq!((error.kind(), error.setting()), (ErrorKind::InvalidSettings, Some("hosts[5]")), "{way:?}");
        assert!(error.to_string().contains("hosts05"), "{error}");
    }
}

#[tokio::test]
async fn a_panicking_name_function_fails_only_the_load() {
    let service = Service::new(NameMap::new().function(|_| panic!("of its own"))).secret("a", "canary");
    for way in LIVE {
        let error = service.settings::<Flat>(way).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidSettings, "{way:?}");
    }
}

#[tokio::test]
async fn tags_filter_by_name_and_value_and_all_must_match() {
    let service = Service::new(NameMap::new());
    for (name, tags) in [
        ("both", &[("app", "shop"), ("env", "test")][..]),
        ("app-only", &[("app", "shop")]),
        ("other-app", &[("app", "Shop"), ("env", "prod")]),
        ("none", &[]),
    ] {
        let tag = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let change = |properties: &mut keyvault::SecretProperties| properties.set_tags(tags.iter().map(tag).collect());
        service.vault.set_with(name, "v", change).unwrap();
    }
    for (map, expected) in [
        (NameMap::new(), &["app_only", "both", "none", "other_app"][..]),
        (NameMap::new().tag("app"), &["app_only", "both", "other_app"]),
        (NameMap::new().tag_value("app", "shop"), &["app_only", "both"]),
        (NameMap::new().tag_value("app", "shop").tag("env"), &["both"]),
        (NameMap::new().tag("App"), &[]),
    ] {
        let service = service.clone().map(map);
        for way in WAYS {
            let before = service.vault.reads();
            let settings = service.settings::<Flat>(way).await.unwrap();
            assert_eq!(settings.keys().collect::<Vec<_>>(), expected, "{way:?}");
            assert_eq!(service.vault.reads().gets - before.gets, expected.len() as u64, "others are not fetched");
        }
    }
}

#[tokio::test]
async fn a_tag_added_later_includes_its_secret() {
    for way in LIVE {
        let service = Service::new(NameMap::new().tag("app")).secret("a", "v");
        let live = service.start::<Flat>(way).await.unwrap();
        assert!(live.current().is_empty(), "{way:?}");
        service.vault.set_with("a", "v", |properties| properties.set_tag("app", "")).unwrap();
        let change = live.refresh_now().await.unwrap().unwrap();
        assert_eq!(change.keys, ["a"], "{way:?}");
        assert_eq!(live.current()["a"], "v", "{way:?}");
    }
}

#[tokio::test]
async fn secrets_of_certificates_are_mapped_if_requested() {
    let service = Service::new(NameMap::new());
    service.vault.set_with("tls", "pem", |properties| properties.set_managed(true)).unwrap();
    for (map, is_taken) in [
        (NameMap::new(), false),
        (NameMap::new().certificates(), true),
        (NameMap::new().only(["tls"]).unwrap(), true),
        (NameMap::new().optionally(["TLS"]).unwrap(), true),
    ] {
        let service = service.clone().map(map.clone());
        for way in WAYS {
            let settings = service.settings::<Flat>(way).await.unwrap();
            assert_eq!(settings.contains_key("tls"), is_taken, "{way:?} {map:?}");
        }
    }
}
