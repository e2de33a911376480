//! One error reports every setting of a wrong type, every missing and every unknown one.

use std::collections::BTreeMap;
use std::net::IpAddr;

use keyvault::{Error, ErrorKind, NameMap};
use keyvault_test_support::canary::assert_value_free;
use serde::Deserialize;

use super::service::{BOTH, One, Service, Settings, WAYS};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    Info,
    Warn,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "it is never made")]
struct Strict {
    // serde reports the first missing field only, and nothing can stand in for an address.
    missing: u16,
    address: IpAddr,
    level: Level,
    servers: Vec<Server>,
    text: String,
    tls: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "it is never made")]
struct Server {
    host: String,
    port: u16,
    weight: Option<f64>,
}

/// Asserts that the error of `T` has these failures: key, part of the origin, part of the text.
async fn assert_failures<T: Settings>(service: &Service, expected: &[(&str, &str, &str)]) {
    for way in WAYS {
        let error = service.settings::<T>(way).await.err().unwrap();
        assert_eq!(error.kind(), ErrorKind::InvalidSettings, "{way:?} {error}");
        let keys: Vec<_> = error.failures().iter().filter_map(Error::setting).collect();
        assert_eq!(keys, expected.iter().map(|(key, ..)| *key).collect::<Vec<_>>(), "{way:?} {error:?}");
        for (failure, (_, origin, text)) in error.failures().iter().zip(expected) {
            assert!(failure.origin().unwrap().contains(origin), "{way:?} {origin}: {failure}");
            assert!(failure.to_string().contains(text), "{way:?} {text}: {failure}");
        }
        assert!(error.load_report().is_some(), "{way:?}");
        assert_value_free(&error, &["canary"]);
    }
}

#[tokio::test]
async fn every_setting_that_does_not_fit_is_reported() {
    let file = "\
address = 'canary'
level = '@KeyVault(SecretName=s)'
text = ['canary']
tls = 'canary'
[[servers]]
host = 'a'
port = '@KeyVault(SecretName=s)'
wait = 'canary'
[[servers]]
host = 'b'
port = 70000
weight = '@KeyVault(SecretName=s)'
";
    let service = Service::new(file).secret("s", "canary").references_only();
    assert_failures::<Strict>(
        &service,
        &[
            ("address", "settings.toml line 1 key address", "value is not valid"),
            ("level", "secret s version", "expected one of info, warn, found"),
            ("missing", "the merged layers", "setting is missing"),
            ("servers[0].port", "secret s version", "expected u16, found a string"),
            ("servers[0].wait", "settings.toml line 8", "unknown setting: expected one of host, port, weight"),
            ("servers[1].port", "settings.toml", "expected u16, found an integer"),
            ("servers[1].weight", "secret s version", "expected f64, found a string"),
            ("text", "settings.toml line 3 key text[0]", "expected a string, found an array"),
            ("tls", "settings.toml line 4 key tls", "expected a boolean, found a string"),
        ],
    )
    .await;
    assert!(matches!(Level::Info, Level::Info | Level::Warn));
}

#[tokio::test]
async fn buffered_settings_are_all_reported() {
    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "it is never made")]
    struct Outer {
        before: u8,
        #[serde(flatten)]
        flat: Flat,
    }
    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "it is never made")]
    struct Flat {
        one: u16,
        other: bool,
        same: u16,
        text: String,
    }
    let file = "before = 'canary'\none = '@KeyVault(SecretName=s)'\nother = 'canary'\nsame = 'canary'\ntext = 'canary'";
    let service = Service::new(file).secret("s", "canary").references_only();
    assert_failures::<Outer>(
        &service,
        &[
            ("before", "line 1", "expected u8"),
            ("one", "secret s version", "expected u16"),
            ("other", "line 3", "expected a boolean"),
            ("same", "line 4", "expected u16"),
        ],
    )
    .await;
}

#[tokio::test]
async fn an_unknown_setting_from_the_vault_comes_with_advice() {
    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "it is never made")]
    struct Shop {
        name: Option<String>,
    }
    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "it is never made")]
    struct FlatShop {
        #[serde(flatten)]
        shop: Shop,
    }
    let service = Service::new("").secret("name", "canary").secret("mail--key", "canary").secret("of-others", "canary");
    let expected =
        [("mail", "secret mail--key version", "unknown"), ("of_others", "secret of-others version", "unknown")];
    assert_failures::<Shop>(&service, &expected).await;
    assert_failures::<FlatShop>(&service, &expected).await;
    for way in WAYS {
        let error = service.settings::<Shop>(way).await.err().unwrap();
        for option in ["prefix", "only_keys_of", "references_only()"] {
            assert!(error.failures()[0].advice().unwrap().contains(option), "{way:?} {error:?}");
        }
        let error = Service::new("other = 1").settings::<Shop>(way).await.err().unwrap();
        assert_eq!(error.advice(), None, "{way:?} {error:?}");
    }
}

#[tokio::test]
async fn a_missing_setting_names_the_secret_that_would_supply_it() {
    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "it is never made")]
    struct Database {
        password: String,
        #[serde(rename = "poolSize")]
        pool_size: u8,
    }
    let service = Service::new("[value]").names(NameMap::new().prefix("Shop--"));
    for framework in BOTH {
        let error = service.start::<One<Database>>(framework).await.unwrap_err();
        let [password, pool] = error.failures() else { panic!("{error:?}") };
        assert_eq!((password.setting(), pool.setting()), (Some("value.password"), Some("value.poolSize")));
        assert!(password.to_string().contains("set the secret Shop--value--password"), "{framework:?} {password}");
        assert!(!pool.to_string().contains("secret"), "no name gives it: {framework:?} {pool}");
        let error = service.clone().references_only().start::<One<Database>>(framework).await.unwrap_err();
        assert!(!error.to_string().contains("secret"), "{framework:?} {error}");
    }
}

#[tokio::test]
async fn white_space_that_makes_a_value_invalid_is_named() {
    for text in ["canary\n", "canary "] {
        let service = Service::new("value.a = '@KeyVault(SecretName=s)'").secret("s", text);
        for way in WAYS {
            let error = service.settings::<One<BTreeMap<String, u16>>>(way).await.err().unwrap();
            assert_eq!(error.setting(), Some("value.a"));
            assert!(error.to_string().contains("ends with white space"), "{way:?} {error}");
            assert_value_free(&error, &["canary"]);
        }
    }
}

#[tokio::test]
async fn a_tree_with_many_errors_is_reported_in_bounded_time() {
    let file: String = (0..400).map(|i| format!("value.k{i} = 'canary'\n")).collect();
    let service = Service::new(&file).references_only();
    for framework in BOTH {
        let error = service.start::<One<BTreeMap<String, u16>>>(framework).await.unwrap_err();
        assert!((50..=301).contains(&error.failures().len()), "{framework:?} {}", error.failures().len());
    }
}
