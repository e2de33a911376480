//! App Configuration references resolve if the adapter is asked to, and otherwise stay text.

use keyvault::settings::ConfigValue;
use keyvault::{ReferenceStatus, Resolver};
use keyvault_test_support::canary::assert_value_free;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::service::{Service, WAYS, block_on, vault, with_variables};

const FILE: &str = r#"
text = '{"uri":"https://contoso.vault.azure.net/secrets/a"}'
list = ['{"uri":"https://contoso.vault.azure.net/secrets/b/"}', "plain"]
table = { uri = "https://contoso.vault.azure.net/secrets/a" }
object = '{"uri":"https://contoso.example/hook"}'

[deep.er]
uri = "https://contoso.vault.azure.net/secrets/b"

[hook]
uri = "https://contoso.example/hook"

[both]
uri = "https://contoso.vault.azure.net/secrets/a"
method = "GET"

[[servers]]
password = { uri = "https://contoso.vault.azure.net/secrets/a" }
"#;

#[derive(Debug, Deserialize)]
struct Settings {
    text: String,
    list: Vec<String>,
    table: String,
    object: String,
    deep: Deep,
    hook: Hook,
    both: Both,
    servers: Vec<Server>,
}

#[derive(Debug, Deserialize)]
struct Deep {
    er: String,
}

#[derive(Debug, Deserialize)]
struct Hook {
    uri: String,
}

#[derive(Debug, Deserialize)]
struct Both {
    uri: String,
    method: String,
}

#[derive(Debug, Deserialize)]
struct Server {
    password: String,
}

#[tokio::test]
async fn a_string_and_a_table_with_one_uri_are_references_if_enabled() {
    let service = Service::new(FILE).secret("a", "A").secret("b", "B").references_only().app_configuration();
    for way in WAYS {
        let settings = service.settings::<Settings>(way).await.unwrap_or_else(|error| panic!("{way:?} {error:?}"));
        assert_eq!((&*settings.text, &*settings.table, &*settings.deep.er), ("A", "A", "B"), "{way:?}");
        assert_eq!(settings.list, ["B", "plain"], "{way:?}");
        assert_eq!(settings.servers[0].password, "A", "{way:?}");
        assert_eq!(settings.object, r#"{"uri":"https://contoso.example/hook"}"#, "{way:?}");
        assert_eq!(settings.hook.uri, "https://contoso.example/hook", "{way:?}");
        assert_eq!(settings.both.uri, "https://contoso.vault.azure.net/secrets/a", "{way:?}");
        assert_eq!(settings.both.method, "GET", "{way:?}");
    }
}

#[tokio::test]
async fn they_stay_text_unless_enabled() {
    #[derive(Deserialize)]
    struct Plain {
        text: String,
        table: Hook,
    }
    let service = Service::new(FILE).references_only();
    for way in WAYS {
        let settings = service.settings::<Plain>(way).await.unwrap();
        assert_eq!(settings.text, r#"{"uri":"https://contoso.vault.azure.net/secrets/a"}"#, "{way:?}");
        assert_eq!(settings.table.uri, "https://contoso.vault.azure.net/secrets/a", "{way:?}");
        assert_eq!(service.vault.reads().gets, 0, "{way:?}");
    }
}

#[tokio::test]
async fn missing_malformed_and_foreign_references_are_reported() {
    for (toml, key, status) in [
        (r#"a = '{"uri":"https://contoso.vault.azure.net/secrets/gone"}'"#, "a", ReferenceStatus::SecretNotFound),
        (r#"a = { uri = "https://contoso.vault.azure.net/secrets/gone" }"#, "a", ReferenceStatus::SecretNotFound),
        (
            r#"a = { uri = "https://stranger.vault.azure.net/secrets/gone" }"#,
            "a",
            ReferenceStatus::AccessToKeyVaultDenied,
        ),
        (
            r#"a = '{"uri":"https://contoso.vault.azure.net/secrets/x","canary":"canary"}'"#,
            "a",
            ReferenceStatus::InvalidSyntax,
        ),
        (r#"a = '{"uri":"https://contoso.vault.azure.net/secrets/canary'"#, "a", ReferenceStatus::InvalidSyntax),
        (r#"a.b = { uri = "http://contoso.vault.azure.net/secrets/canary" }"#, "a.b", ReferenceStatus::InvalidSyntax),
    ] {
        let service = Service::new(toml).references_only().app_configuration();
        for way in WAYS {
            let error = service.settings::<IgnoredAny>(way).await.expect_err(toml);
            assert_eq!((error.setting(), error.status()), (Some(key), status), "{way:?} {toml} {error}");
            assert!(error.origin().is_some_and(|origin| origin.contains("settings.toml")), "{way:?} {toml} {error}");
            assert_value_free(&error, &["canary"]);
        }
    }
}

#[test]
fn they_resolve_in_variables() {
    let variable = [("SHOP_TEXT", r#"{"uri":"https://contoso.vault.azure.net/secrets/a"}"#)];
    with_variables(&variable, || {
        #[derive(Deserialize)]
        struct Settings {
            text: String,
        }
        let service = Service::new("").secret("a", "A").references_only().app_configuration();
        for way in WAYS {
            assert_eq!(block_on(service.settings::<Settings>(way)).unwrap().text, "A", "{way:?}");
        }
    });
}

#[tokio::test]
async fn a_resolver_reads_them_in_text_and_in_leaves() {
    let contoso = vault("contoso");
    contoso.set("a", "A").unwrap();
    const TEXT: &str = r#"{"uri":"https://contoso.vault.azure.net/secrets/a"}"#;
    let plain = Resolver::from(contoso.clone());
    assert_eq!(plain.resolve(TEXT).await.unwrap().unwrap().expose_secret(), TEXT);
    let resolver = Resolver::builder(contoso).app_configuration_references().build().unwrap();
    assert_eq!(resolver.resolve(TEXT).await.unwrap().unwrap().expose_secret(), "A");
    let leaf = || vec![ConfigValue::text(["a"].into_iter().collect(), "here", TEXT)];
    assert_eq!(resolver.check_offline(leaf()).rows().len(), 1);
    assert!(resolver.check(leaf()).await.report().is_resolved());
    assert!(plain.check_offline(leaf()).rows().is_empty());
}
