//! No output of an adapter shows a value, whatever the settings type reports.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use futures::FutureExt;
use keyvault::{Error, ErrorKind, Live};
use keyvault_test_support::canary::{assert_free_of, assert_value_free};
use keyvault_test_support::log::Log;
use keyvault_test_support::refusing_types;
use serde::Deserialize;
use serde::de::{self, Deserializer, Unexpected};

use super::service::{BOTH, Framework, One, Service, Settings, WAYS, Way};

/// No two of its letters are adjacent in any of our messages.
const CANARY: &str = "Zq7-xKv9-jWq\"3\n-xZq";

/// The forms in which a type may quote it, whole or in part.
const CANARIES: [&str; 6] = [CANARY, "Zq7-xKv9", "xKv9-jWq", "zq7-xkv9", "ZQ7-XKV9", "-xZq"];

/// Asserts that a `T` refuses the secret in each way and that no output shows it. Returns the errors.
async fn refuse<T: Settings>(service: &Service) -> Vec<(Framework, Error)> {
    let log = Log::begin();
    let mut errors = Vec::new();
    for way in WAYS {
        let error = match service.settings::<T>(way).await {
            Ok(_) => panic!("{way:?}: {} takes the canary", std::any::type_name::<T>()),
            Err(error) => error,
        };
        assert_value_free(&error, &CANARIES);
        assert_free_of(&error.report(), &CANARIES);
        for failure in error.failures() {
            assert_free_of(&format!("{:?} {:?}", failure.setting(), failure.origin()), &CANARIES);
        }
        assert_eq!(error.kind(), ErrorKind::InvalidSettings, "{way:?}: {error}");
        errors.push((way.0, error));
    }
    assert_free_of(&log.text(), &CANARIES);
    errors
}

/// A secret under the key `value`, by name, by reference, inside longer text and as a member of JSON.
fn shops() -> [Service; 4] {
    let json = format!("{{\"a\":{CANARY:?},\"b\":1}}");
    let file = |reference: &str| Service::new(&format!("value = '{reference}'"));
    [
        Service::new("").secret("value", CANARY),
        file("@KeyVault(SecretName=s)").secret("s", CANARY),
        file("Server=db;Password=@KeyVault(SecretName=s;Encode=none);").secret("s", CANARY),
        file("@KeyVault(SecretName=s;Property=a)").secret("s", &json),
    ]
}

async fn refuse_value<T: Settings>(expected: Option<&str>) {
    for service in shops() {
        for (framework, error) in refuse::<One<T>>(&service).await {
            let what = format!("{framework:?} {}: {error}", std::any::type_name::<T>());
            assert_eq!(error.setting(), Some("value"), "{what}");
            let origin = error.origin().unwrap_or_default();
            assert!(origin.contains("contoso"), "{what}");
            if let Some(expected) = expected {
                assert!(error.to_string().contains(expected), "{what}");
            }
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    Fast,
    Slow,
}

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "it is never made")]
struct Inner {
    inner: String,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
#[expect(dead_code, reason = "it is never made")]
enum Untagged {
    Number(u16),
    Table { inner: String },
}

#[tokio::test]
async fn an_error_about_a_wrong_type_shows_setting_origin_and_type_but_not_the_value() {
    refuse_value::<u16>(Some("u16")).await;
    refuse_value::<i64>(Some("i64")).await;
    refuse_value::<f64>(Some("f64")).await;
    refuse_value::<bool>(Some("a boolean")).await;
    refuse_value::<char>(Some("a character")).await;
    refuse_value::<Option<u16>>(Some("u16")).await;
    refuse_value::<Level>(Some("one of fast, slow")).await;
    refuse_value::<Option<Level>>(Some("one of fast, slow")).await;
    refuse_value::<Inner>(Some("struct Inner")).await;
    refuse_value::<Vec<String>>(Some("a sequence")).await;
    refuse_value::<(u16, u16)>(Some("a tuple of size 2")).await;
    refuse_value::<[u8; 4]>(None).await;
    refuse_value::<BTreeMap<String, String>>(Some("a map")).await;
    refuse_value::<IpAddr>(None).await;
    refuse_value::<std::num::NonZeroU16>(None).await;
    refuse_value::<()>(None).await;
    refuse_value::<Untagged>(None).await;
    assert!(matches!(Level::Fast, Level::Fast | Level::Slow));
}

// Types whose errors quote the value, each in its own way.
refusing_types! {
    Custom: |text| de::Error::custom(format!("bad value {text}"));
    CustomDebug: |text| de::Error::custom(format_args!("bad value {text:?}"));
    CustomWithPosition: |text| de::Error::custom(format!("line 3, column 7: {text}"));
    Value: |text| de::Error::invalid_value(Unexpected::Str(&text), &"something better");
    Kind: |text| de::Error::invalid_type(Unexpected::Other(&text), &"something better");
    Expectation: |text| de::Error::invalid_value(Unexpected::Other("text"), &format!("not {text}").as_str());
    ExpectationDebug: |text| de::Error::invalid_type(Unexpected::Str(&text), &format!("not {text:?}").as_str());
    ExpectationUpper: |text| de::Error::invalid_type(Unexpected::Unit, &text.to_uppercase().as_str());
    ExpectationLower: |text| de::Error::invalid_type(Unexpected::Unit, &text.to_lowercase().as_str());
    ExpectationPart: |text| de::Error::invalid_type(Unexpected::Unit, &Quote(&text[..text.len() / 2]));
    Length: |text| de::Error::invalid_length(text.len(), &format!("a length unlike that of {text}").as_str());
    Both: |text| de::Error::invalid_value(Unexpected::Other(&format!("<{text}>")), &format!("[{text}]").as_str());
    Leaked: |text| de::Error::unknown_field(&text, &["a"]);
    LeakedVariant: |text| de::Error::unknown_variant(&text, &["a"]);
}

struct Quote<'a>(&'a str);

impl de::Expected for Quote<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "anything but `{}`", self.0)
    }
}

#[tokio::test]
async fn a_type_that_quotes_the_value_in_its_error_is_not_repeated() {
    refuse_value::<Custom>(None).await;
    refuse_value::<CustomDebug>(None).await;
    refuse_value::<CustomWithPosition>(None).await;
    refuse_value::<Value>(None).await;
    refuse_value::<Kind>(None).await;
    refuse_value::<Expectation>(None).await;
    refuse_value::<ExpectationDebug>(None).await;
    refuse_value::<ExpectationUpper>(None).await;
    refuse_value::<ExpectationLower>(None).await;
    refuse_value::<ExpectationPart>(None).await;
    refuse_value::<Length>(None).await;
    refuse_value::<Both>(None).await;
    refuse_value::<Leaked>(None).await;
    refuse_value::<LeakedVariant>(None).await;
    refuse_value::<Option<Expectation>>(None).await;
}

#[tokio::test]
async fn an_error_about_a_nested_secret_shows_its_key_and_not_its_value() {
    type Map<T> = BTreeMap<String, T>;
    async fn refuse_at<T: Settings>(toml: &str, key: &str) {
        let service = Service::new(toml).secret("s", CANARY);
        for (framework, error) in refuse::<T>(&service).await {
            assert_eq!(error.setting(), Some(key), "{framework:?} {toml}: {error}");
            let text = error.to_string();
            assert!(text.contains("settings.toml") && text.contains("secret s version"), "{framework:?} {text}");
        }
    }
    const R: &str = "'@KeyVault(SecretName=s)'";
    refuse_at::<One<Vec<u16>>>(&format!("value = ['1', {R}]"), "value[1]").await;
    refuse_at::<One<Vec<Expectation>>>(&format!("value = [{R}]"), "value[0]").await;
    refuse_at::<One<One<Option<bool>>>>(&format!("value.value = {R}"), "value.value").await;
    refuse_at::<One<Map<u16>>>(&format!("value = {{ a = 1, b-c = {R} }}"), "value.b-c").await;
    refuse_at::<One<Map<Vec<Custom>>>>(&format!("value.a = [{R}]"), "value.a[0]").await;
    refuse_at::<One<Vec<One<Level>>>>(&format!("[[value]]\nvalue = {R}"), "value[0].value").await;
    refuse_at::<One<Vec<One<Expectation>>>>("[[value]]\nvalue = 'x@KeyVault(SecretName=s)'", "value[0].value").await;
    refuse_at::<One<(String, u16)>>(&format!("value = ['a', {R}]"), "value[1]").await;
}

/// Frameworks lose the path when serde buffers values. The key is then unknown, and the value still stays hidden.
#[tokio::test]
async fn errors_that_quote_a_buffered_or_whole_value_are_not_repeated() {
    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "it is never made")]
    struct Flat<T> {
        #[serde(flatten)]
        flat: One<T>,
    }
    #[derive(Debug, Deserialize)]
    #[serde(tag = "value")]
    enum Tagged {
        A,
        B,
    }
    #[derive(Debug, Deserialize)]
    #[serde(try_from = "BTreeMap<String, String>")]
    struct Whole;
    impl TryFrom<BTreeMap<String, String>> for Whole {
        type Error = String;
        fn try_from(map: BTreeMap<String, String>) -> Result<Self, String> {
            Err(format!("no settings: {map:?}"))
        }
    }
    #[derive(Debug)]
    struct WholeExpectation;
    impl<'de> Deserialize<'de> for WholeExpectation {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let map = BTreeMap::<String, String>::deserialize(deserializer)?;
            Err(de::Error::invalid_value(Unexpected::Map, &format!("not {map:?}").as_str()))
        }
    }
    for service in shops() {
        refuse::<Flat<u16>>(&service).await;
        refuse::<Flat<Expectation>>(&service).await;
        refuse::<Flat<Level>>(&service).await;
        refuse::<Tagged>(&service).await;
        refuse::<Whole>(&service).await;
        refuse::<WholeExpectation>(&service).await;
        refuse::<Flat<Custom>>(&service).await;
    }
}

#[tokio::test]
async fn short_secrets_are_not_quoted_either_and_do_not_hide_the_type() {
    quoting_short::<Expectation>(false).await;
    quoting_short::<bool>(true).await;

    async fn quoting_short<T: Settings>(is_told: bool) {
        let service = Service::new("value = '@KeyVault(SecretName=s)'").secret("s", "x9");
        for way in WAYS {
            let error = service.settings::<One<T>>(way).await.err().unwrap();
            assert_value_free(&error, &["x9"]);
            assert_eq!(error.to_string().contains("expected a boolean"), is_told, "{way:?} {error}");
        }
    }
}

#[tokio::test]
async fn a_missing_setting_is_named() {
    for (toml, key) in
        [("", "value"), ("value = {}", "value.value"), ("value.other = '@KeyVault(SecretName=s)'", "value.value")]
    {
        let service = Service::new(toml).secret("s", CANARY);
        for way in WAYS {
            let error = if key == "value" {
                service.settings::<One<String>>(way).await.unwrap_err()
            } else {
                service.settings::<One<One<String>>>(way).await.unwrap_err()
            };
            assert_eq!(error.setting(), Some(key), "{way:?} {error}");
            assert!(error.to_string().contains("missing"), "{way:?} {error}");
            assert_value_free(&error, &CANARIES);
        }
    }
}

#[tokio::test]
async fn an_unknown_setting_is_reported_without_its_value() {
    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "it is never made")]
    struct Strict {
        known: Option<String>,
    }
    let service = Service::new("unknown = '@KeyVault(SecretName=s)'").secret("s", CANARY).references_only();
    for (framework, error) in refuse::<Strict>(&service).await {
        if framework == Framework::Figment {
            assert_eq!(error.setting(), Some("unknown"), "{error}");
        }
    }
}

#[tokio::test]
async fn no_debug_of_an_adapters_type_shows_a_value() {
    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only its Debug is of interest")]
    struct Settings {
        value: String,
        list: Vec<String>,
    }
    let file = "list = ['@KeyVault(SecretName=s)', 'x@KeyVault(SecretName=s;Property=a)']";
    let json = format!("{{\"a\":{CANARY:?}}}");
    for framework in BOTH {
        let service = Service::new(file).secret("s", &json).secret("value", CANARY);
        let log = Log::begin();
        let live: Live<Settings> = service.start(framework).await.unwrap();
        let mut watcher = live.watch();
        service.vault.set("value", &*format!("{CANARY}{CANARY}")).unwrap();
        let change = live.refresh_now().await.unwrap();
        let notice = watcher.next().now_or_never();
        service.vault.delete("s");
        let error = live.refresh_now().await.unwrap_err();
        let failed = watcher.next().now_or_never();
        let published = live.published();
        let shown = format!(
            "{live:?}{live:#?}{:?}{published:?}{:?}{:?}{:?}{watcher:?}{change:?}{notice:?}{failed:?}{error:?}{:#?}",
            live.current(),
            published.origins(),
            published.origins().iter().collect::<Vec<_>>(),
            published.snapshot(),
            live.health(),
        );
        assert_free_of(&shown, &CANARIES);
        assert!(shown.contains("contoso"), "it is not empty: {shown}");
        service.vault.set("s", &*json).unwrap();
        let resolved = service.resolve(framework).await.unwrap();
        assert_free_of(&format!("{resolved:?}{resolved:#?}{:?}", resolved.origins()), &CANARIES);
        assert_free_of(&log.text(), &CANARIES);
    }
}

#[tokio::test]
async fn no_debug_of_a_secret_layer_or_a_builder_shows_a_value() {
    let vault = super::service::vault("contoso");
    vault.set("Database--Password", CANARY).unwrap();
    let map = keyvault::NameMap::new();
    let source = keyvault_config::KeyVaultSource::fetch(vault.clone(), &map).await.unwrap();
    let provider = keyvault_figment::KeyVaultProvider::fetch(vault.clone(), &map).await.unwrap();
    let metadata = figment::Provider::metadata(&provider);
    let config = keyvault_config::layered(vault.clone(), config::Config::builder)
        .validate(|_: &String| Ok::<_, keyvault::ValidationError>(()));
    let figment = keyvault_figment::layered(vault, figment::Figment::new);
    let shown = format!("{source:?}{source:#?}{provider:?}{provider:#?}{metadata:?}{config:?}{figment:?}{figment:#?}");
    assert_free_of(&shown, &CANARIES);
    assert!(shown.contains("database.password"), "{shown}");
}

#[tokio::test]
async fn a_refresh_with_an_invalid_value_shows_it_nowhere() {
    for framework in BOTH {
        let service = Service::new("value = '@KeyVault(SecretName=s)'").secret("s", "5432");
        let log = Log::begin();
        let live: Live<One<u16>> = service.start(framework).await.unwrap();
        let mut watcher = live.watch();
        service.vault.set("s", CANARY).unwrap();
        let error = live.refresh_now().await.unwrap_err();
        assert_value_free(&error, &CANARIES);
        assert_eq!(error.setting(), Some("value"));
        let notice = watcher.next().now_or_never().flatten().unwrap();
        assert_free_of(&format!("{notice:?}{:?}{live:?}{}", live.health(), log.text()), &CANARIES);
        assert_eq!(live.current().value, 5432, "{framework:?}");
    }
}

#[tokio::test]
async fn secrets_fetched_by_name_and_then_resolved_are_not_quoted() {
    let service = Service::new("").secret("value", CANARY);
    for framework in BOTH {
        let error = service.settings::<One<ExpectationPart>>((framework, Way::Resolved)).await.err().unwrap();
        assert_value_free(&error, &CANARIES);
        assert!(error.origin().unwrap().starts_with("secret value version "), "{framework:?} {error}");
    }
}
