//! App Configuration as a layer of live settings, over the emulator's store and vault.

use std::sync::Arc;
use std::time::Duration;

use azure_core::credentials::TokenCredential;
use bytes::Bytes;
use config::{Config, File, FileFormat};
use figment::Figment;
use figment::providers::{Format, Toml};
use futures::stream;
use keyvault::{ErrorKind, Layers, Live, LiveBuilder, Result, SecretClient, push};
use keyvault_appconfig::{AppConfiguration, AppConfigurationBuilder, AppConfigurationClient, NO_LABEL};
use keyvault_emulator::{Emulator, Fault, SetKeyValue, Throttle};
use keyvault_test_support::canary::assert_value_free;
use keyvault_test_support::credential::FakeCredential;
use keyvault_test_support::framework::{BOTH, Framework};
use keyvault_test_support::log::Log;
use keyvault_test_support::transport::FakeTransport;
use serde::Deserialize;

use super::store;

/// A vault and a store of one emulator.
struct Services {
    emulator: Arc<Emulator>,
    wire: Arc<FakeTransport>,
    client: AppConfigurationClient,
}

impl Services {
    async fn new() -> Self {
        let (emulator, wire, client) = store().await;
        emulator.set("db-password", "canary-one");
        let services = Self { emulator, wire, client };
        services.set("shop:Database:Url", "postgres://app:@KeyVault(SecretName=db-password;Encode=url)@db/shop");
        services.put("shop:Database:Pool", SetKeyValue::new(r#"{"size": 5, /* seconds */ "timeout": 30}"#), JSON);
        let uri = format!("{}/secrets/db-password", services.emulator.vault_url());
        services.emulator.app_configuration("").set_key_value("shop:password", SetKeyValue::secret_reference(uri));
        services.put("shop:Hosts", SetKeyValue::new(r#"["a", "b"]"#), JSON);
        services.set("shop:Port", "5432");
        services.emulator.app_configuration("").set_key_value("shop:Port", SetKeyValue::new("6432").label("prod"));
        services
    }

    fn set(&self, key: &str, value: &str) {
        self.put(key, SetKeyValue::new(value), "");
    }

    fn put(&self, key: &str, value: SetKeyValue, content_type: &str) {
        self.emulator.app_configuration("").set_key_value(key, value.content_type(content_type));
    }

    fn vault(&self) -> SecretClient {
        let credential = FakeCredential::fresh(&self.emulator) as Arc<dyn TokenCredential>;
        let vault = SecretClient::builder(self.emulator.vault_url()).credential(credential);
        vault.client_options(self.wire.options()).build().unwrap()
    }

    fn layer(&self) -> AppConfigurationBuilder {
        let layer = AppConfiguration::builder(self.client.clone());
        layer.select("shop:*", NO_LABEL).select("shop:*", "prod").trim_prefix("shop:")
    }

    async fn start(&self, framework: Framework, layer: AppConfigurationBuilder) -> Result<Live<Settings>> {
        fn with<L: Layers>(builder: LiveBuilder<L>, app: AppConfiguration) -> LiveBuilder<L> {
            let builder = builder.references_only().with_layer(app);
            builder.minimum_failure_delay(Duration::ZERO).refresh_every(HOUR)
        }
        let app = layer.build()?;
        match framework {
            Framework::Config => {
                let layers = || Config::builder().add_source(File::from_str("file = 'file'", FileFormat::Toml));
                with(keyvault_config::layered(self.vault(), layers), app).start().await
            }
            Framework::Figment => {
                let layers = || Figment::new().merge(Toml::string("file = 'file'"));
                with(keyvault_figment::layered(self.vault(), layers), app).start().await
            }
        }
    }

    /// Returns the number of requests to the store since the last call.
    fn store_requests(&self) -> usize {
        self.wire.take_sent().iter().filter(|request| request.url.path() == "/kv").count()
    }
}

#[derive(Debug, Deserialize, PartialEq)]
struct Settings {
    file: String,
    database: Database,
    password: String,
    hosts: Vec<String>,
    port: u16,
}

#[derive(Debug, Deserialize, PartialEq)]
struct Database {
    url: String,
    pool: Pool,
}

#[derive(Debug, Deserialize, PartialEq)]
struct Pool {
    size: u32,
    timeout: f64,
}

const HOUR: Duration = Duration::from_secs(3_600);
const JSON: &str = "application/json; charset=utf-8";
const REFERENCE: &str = "application/vnd.microsoft.appconfig.keyvaultref+json";

#[tokio::test]
async fn key_values_and_their_secrets_are_one_typed_value() {
    for framework in BOTH {
        let services = Services::new().await;
        let live = services.start(framework, services.layer()).await.unwrap();
        let expected = Settings {
            file: "file".into(),
            database: Database {
                url: "postgres://app:canary-one@db/shop".into(),
                pool: Pool { size: 5, timeout: 30.0 },
            },
            password: "canary-one".into(),
            hosts: vec!["a".into(), "b".into()],
            port: 6432,
        };
        assert_eq!(*live.current(), expected, "{framework:?}");
        let current = live.published();
        let origin = |key: &str| current.origins().get(key).unwrap().to_string();
        assert_eq!(origin("port"), "App Configuration key shop:Port label prod", "{framework:?}");
        let password = origin("password");
        assert!(
            password.starts_with("App Configuration key shop:password → secret db-password version "),
            "{password}"
        );
    }
}

#[tokio::test]
async fn a_key_change_and_a_rotation_are_published_together() {
    for framework in BOTH {
        let services = Services::new().await;
        let live = services.start(framework, services.layer()).await.unwrap();
        services.store_requests();
        assert!(live.refresh_now().await.unwrap().is_none(), "{framework:?}");
        assert_eq!(services.store_requests(), 2, "one page for each selection");
        services.set("shop:Database:Pool", "text");
        services.emulator.set("db-password", "canary-two");
        assert!(live.refresh_now().await.is_err(), "{framework:?} the text is no table");
        assert_eq!(live.current().password, "canary-one", "{framework:?} nothing is published half done");
        services.put("shop:Database:Pool", SetKeyValue::new(r#"{"size": 9, "timeout": 1}"#), JSON);
        let change = live.refresh_now().await.unwrap().unwrap();
        let keys = ["database.pool.size", "database.pool.timeout", "database.url", "password"];
        assert_eq!((change.keys.as_slice(), change.generation), (&keys.map(String::from)[..], 2), "{framework:?}");
        let settings = live.current();
        assert_eq!((settings.database.pool.size, &*settings.password), (9, "canary-two"), "{framework:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_vanishes_during_a_refresh_loses_nothing() {
    for framework in BOTH {
        let services = Services::new().await;
        let live = services.start(framework, services.layer()).await.unwrap();
        services.set("shop:Port", "1");
        services.emulator.app_configuration("").delete("shop:Port", Some("prod"));
        let store = services.emulator.app_configuration("");
        store.fault_matching(None, |request| request.path_and_query.contains("label=prod"), Fault::Reset);
        let error = live.refresh_now().await.unwrap_err();
        assert!(error.is_transient(), "{framework:?} {error:?}");
        assert_eq!(live.current().port, 6432, "{framework:?}");
        let health = live.health();
        assert!(health.last_error.is_some(), "{framework:?} {health:?}");
        assert_value_free(&error, &["canary"]);
        services.emulator.clear_faults();
        let optional = live.refresh_now().await.unwrap_err();
        assert!(optional.to_string().contains("selection matches no key-value"), "{framework:?} {optional}");
        assert_eq!(live.current().port, 6432, "{framework:?}");
        services.emulator.app_configuration("").set_key_value("shop:Port", SetKeyValue::new("2").label("prod"));
        assert_eq!(live.refresh_now().await.unwrap().unwrap().keys, ["port"], "{framework:?}");
        assert_eq!(live.current().port, 2, "{framework:?}");
    }
}

#[tokio::test]
async fn bad_content_is_an_error_with_its_key_and_label() {
    for framework in BOTH {
        for (key, value, content_type, expected) in [
            ("shop:password", "canary", REFERENCE, "password from App Configuration key shop:password label prod"),
            ("shop:Port", "canary", "", "port from App Configuration key shop:Port label prod"),
            ("shop:port", "canary", "", "key-values give the same setting: key shop:Port label prod and key shop:port"),
            ("shop:Hosts:0", "canary", "", "value and a table: key shop:Hosts and key shop:Hosts:0 label prod"),
            ("shop:Database:Url:Host", "canary", "", "key shop:Database:Url and key shop:Database:Url:Host label prod"),
            ("shop::a", "canary", "", "shop::a from App Configuration key shop::a label prod"),
        ] {
            let services = Services::new().await;
            services.put(key, SetKeyValue::new(value).label("prod"), content_type);
            let error = services.start(framework, services.layer()).await.unwrap_err();
            assert!(error.to_string().contains(expected), "{framework:?} {error}, expected {expected}");
            assert!(!error.is_transient(), "{framework:?} {error}");
            assert_value_free(&error, &["canary"]);
        }
    }
}

#[tokio::test]
async fn a_misspelt_label_fails_the_start() {
    let services = Services::new().await;
    let layer = AppConfiguration::builder(services.client.clone()).select("shop:*", NO_LABEL).select("shop:*", "prdo");
    let error = services.start(Framework::Figment, layer).await.unwrap_err();
    assert_eq!((error.kind(), error.is_transient()), (ErrorKind::NotFound, false));
    assert!(error.to_string().contains("key filter shop:*, label prdo"), "{error}");
    assert!(error.advice().unwrap().contains("Selector::optional"), "{error:?}");
}

#[tokio::test]
async fn a_misspelt_sentinel_is_reported_and_logged_once() {
    for framework in BOTH {
        let log = Log::begin();
        let services = Services::new().await;
        let live = services.start(framework, services.layer().sentinel("shop:vresion", "prod")).await.unwrap();
        let unmatched = || live.published().report().unmatched().to_vec();
        let expected =
            "sentinel does not exist, so no change is seen: key shop:vresion label prod in App Configuration ";
        let notes = unmatched();
        assert!(notes.len() == 1 && notes[0].starts_with(expected), "{framework:?} {notes:?}");
        assert_eq!(live.refresh_now().await.unwrap(), None, "{framework:?}");
        assert_eq!(unmatched(), notes, "{framework:?}");
        let warnings = log.text().lines().filter(|line| line.contains("WARN") && line.ends_with(&notes[0])).count();
        assert_eq!(warnings, 1, "{framework:?} {}", log.text());
        services.emulator.app_configuration("").set_key_value("shop:vresion", SetKeyValue::new("1").label("prod"));
        live.refresh_now().await.unwrap();
        assert_eq!(unmatched(), [""; 0], "{framework:?} the sentinel exists by now");
    }
}

#[tokio::test]
async fn a_wrong_secret_and_a_wrong_clock_fail_the_start_with_advice() {
    for (late, clause) in [(0, "secret of the access key is wrong"), (16 * 60, "clock of this machine differs")] {
        let mut services = Services::new().await;
        let right = services.emulator.app_configuration("").connection_string();
        let (head, _) = right.rsplit_once("Secret=").unwrap();
        let text = if late == 0 { format!("{head}Secret=d3JvbmcgY2FuYXJ5") } else { right.clone() };
        let client = AppConfigurationClient::from_connection_string(&text).client_options(services.wire.options());
        services.client = client.build().unwrap();
        services.emulator.advance_clock(Duration::from_secs(late));
        let error = services.start(Framework::Figment, services.layer()).await.unwrap_err();
        assert_eq!((error.kind(), error.is_transient()), (ErrorKind::Denied, false), "{error}");
        assert!(error.to_string().contains(clause), "{error}");
        assert!(error.advice().is_some(), "{error:?}");
        assert_value_free(&error, &["canary", "d3JvbmcgY2FuYXJ5"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_start_waits_until_the_store_stops_throttling() {
    let services = Services::new().await;
    services.emulator.app_configuration("").fault_next(6, Fault::status(429).header("retry-after-ms", "2000"));
    let began = tokio::time::Instant::now();
    let live = services.start(Framework::Figment, services.layer()).await.unwrap();
    assert_eq!(live.current().port, 6432);
    assert!(began.elapsed() >= Duration::from_secs(2), "{:?}", began.elapsed());

    let services = Services::new().await;
    services.emulator.app_configuration("").throttle(Throttle::app_configuration().others(0));
    let error = services.start(Framework::Figment, services.layer()).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Throttled { .. }), "{error:?}");
    assert!(began.elapsed() < Duration::from_secs(240), "{:?}", began.elapsed());
}

#[tokio::test]
async fn an_event_is_followed_before_the_next_interval() {
    let services = Services::new().await;
    let (webhook, events) = push::webhook();
    let builder = keyvault_figment::layered(services.vault(), || Figment::new().merge(Toml::string("file = 'file'")));
    let builder = builder.references_only().refresh_every(HOUR).event_spread(Duration::ZERO).events(events);
    let live: Live<Settings> = builder.with_layer(services.layer().build().unwrap()).start().await.unwrap();
    let mut watcher = live.watch();
    services.emulator.app_configuration("").set_key_value("shop:Port", SetKeyValue::new("7").label("prod"));
    let event = services.emulator.app_configuration("").event("shop:Port", Some("prod"));
    let body = stream::iter([Ok::<_, std::convert::Infallible>(Bytes::from(event))]);
    assert_eq!(webhook.answer("POST", |_| None, body).await.status(), 200);
    let notice = tokio::time::timeout(Duration::from_secs(20), watcher.next()).await.unwrap().unwrap();
    assert!(matches!(notice, keyvault::Notice::Changed(change) if change.keys == ["port"]));
    assert_eq!(live.current().port, 7);
}

#[tokio::test]
async fn ten_thousand_keys_are_settings_of_both_frameworks() {
    #[derive(Deserialize)]
    struct Many {
        many: std::collections::BTreeMap<String, String>,
    }
    let services = Services::new().await;
    for i in 0..10_000 {
        services.set(&format!("many:key{i}"), "value");
    }
    let layer = || AppConfiguration::builder(services.client.clone()).select("many:*", NO_LABEL).build().unwrap();
    let figment = keyvault_figment::layered(services.vault(), Figment::new).references_only().with_layer(layer());
    assert_eq!(figment.start::<Many>().await.unwrap().current().many.len(), 10_000);
    let config = keyvault_config::layered(services.vault(), Config::builder).references_only().with_layer(layer());
    let live = config.start::<Many>().await.unwrap();
    assert_eq!(live.current().many.len(), 10_000);
    services.set("many:key5000", "two");
    services.store_requests();
    assert_eq!(live.refresh_now().await.unwrap().unwrap().keys, ["many.key5000"]);
    assert_eq!(services.store_requests(), 101);
}
