//! A missing optional secret leaves its setting absent, never empty.

use std::collections::BTreeMap;

use keyvault::ReferenceStatus;
use serde::Deserialize;

use super::service::{BOTH, One, Service, WAYS};

const MISSING: &str = "@KeyVault(SecretName=missing;Optional=true)";

#[derive(Deserialize)]
struct Settings {
    option: Option<String>,
    #[serde(default = "ten")]
    default: u16,
    inside: Option<String>,
    list: Vec<String>,
    servers: Vec<Server>,
    table: BTreeMap<String, String>,
    property: Option<String>,
    version: Option<String>,
    one_of_two: Option<String>,
}

#[derive(Debug, Deserialize, PartialEq)]
struct Server {
    name: String,
    password: Option<String>,
}

fn ten() -> u16 {
    10
}

fn server(name: &str, password: Option<&str>) -> Server {
    Server { name: name.into(), password: password.map(Into::into) }
}

#[tokio::test]
async fn a_missing_optional_secret_leaves_its_setting_absent() {
    let settings = r#"
        option = "MISSING"
        default = "MISSING"
        inside = "Password=MISSING;"
        list = ["MISSING", "a", "MISSING", "@KeyVault(SecretName=b)", "c", "MISSING"]
        table = { a = "MISSING", b = "@KeyVault(SecretName=b;Optional=true)" }
        property = "@KeyVault(SecretName=missing;Property=a.b;Optional=true)"
        version = "@KeyVault(SecretName=b;SecretVersion=0123456789abcdef0123456789abcdef;Optional=true)"
        one_of_two = "@KeyVault(SecretName=b)MISSING"
        [[servers]]
        name = "one"
        password = "MISSING"
        [[servers]]
        name = "two"
        password = "@KeyVault(SecretName=b)"
    "#;
    let service = Service::new(&settings.replace("MISSING", MISSING)).secret("b", "B").references_only();
    for way in WAYS {
        let settings = service.settings::<Settings>(way).await.unwrap();
        assert_eq!(settings.option, None, "{way:?}");
        assert_eq!(settings.default, 10, "{way:?}");
        assert_eq!(settings.inside, None, "{way:?}");
        assert_eq!(settings.list, ["a", "B", "c"], "{way:?}");
        assert_eq!(settings.table, [("b".to_owned(), "B".to_owned())].into(), "{way:?}");
        assert_eq!(settings.property, None, "{way:?}");
        assert_eq!(settings.version, None, "{way:?}");
        assert_eq!(settings.one_of_two, None, "{way:?}");
        assert_eq!(settings.servers, [server("one", None), server("two", Some("B"))], "{way:?}");
    }
}

#[tokio::test]
async fn a_whole_table_of_missing_secrets_is_an_empty_table() {
    #[derive(Deserialize)]
    struct Settings {
        table: BTreeMap<String, String>,
        list: Vec<String>,
    }
    let service =
        Service::new(&format!("table = {{ a = '{MISSING}', b = '{MISSING}' }}\nlist = ['{MISSING}', '{MISSING}']"));
    for way in WAYS {
        let settings = service.settings::<Settings>(way).await.unwrap();
        assert!(settings.table.is_empty() && settings.list.is_empty(), "{way:?}");
    }
}

#[tokio::test]
async fn a_required_setting_with_a_missing_optional_secret_is_reported() {
    let service = Service::new(&format!("[database]\npassword = '{MISSING}'\nhost = 'db'"));
    #[derive(Debug, Deserialize)]
    struct Settings {
        #[expect(dead_code, reason = "the call fails earlier")]
        database: Database,
    }
    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "the call fails earlier")]
    struct Database {
        password: String,
    }
    for way in WAYS {
        let error = service.settings::<Settings>(way).await.unwrap_err();
        assert_eq!(error.setting(), Some("database.password"), "{way:?} {error}");
        assert!(error.to_string().contains("missing"), "{way:?} {error}");
    }
}

#[tokio::test]
async fn a_disabled_secret_is_not_missing() {
    let service = Service::new("value = '@KeyVault(SecretName=disabled;Optional=true)'");
    service.vault.set_with("disabled", "canary", |properties| properties.set_enabled(false)).unwrap();
    for way in WAYS {
        let error = service.settings::<One<Option<String>>>(way).await.unwrap_err();
        assert_eq!(error.status(), ReferenceStatus::AccessToKeyVaultDenied, "{way:?} {error}");
        assert_eq!(error.setting(), Some("value"), "{way:?}");
    }
}

#[tokio::test]
async fn a_missing_member_and_a_vault_that_is_not_allowed_are_not_missing_secrets() {
    for text in [
        "@KeyVault(SecretName=json;Property=b;Optional=true)",
        "@KeyVault(SecretName=text;Property=a;Optional=true)",
        "@KeyVault(VaultName=other;SecretName=a;Optional=true)",
    ] {
        let service = Service::new(&format!("value = '{text}'")).secret("json", r#"{"a":1}"#).secret("text", "no json");
        for way in WAYS {
            let error = service.settings::<One<Option<String>>>(way).await.expect_err(text);
            assert_eq!(error.setting(), Some("value"), "{way:?} {text}");
        }
    }
}

#[tokio::test]
async fn elements_after_an_absent_one_keep_their_origins() {
    #[derive(Debug, Deserialize)]
    struct Settings {
        #[expect(dead_code, reason = "the call fails earlier")]
        list: Vec<u16>,
    }
    let service = Service::new(&format!(
        "list = ['{MISSING}', '@KeyVault(SecretName=one)', '{MISSING}', '@KeyVault(SecretName=canary-holder)']"
    ));
    let service = service.secret("one", "1").secret("canary-holder", "canary");
    for way in WAYS {
        let error = service.settings::<Settings>(way).await.unwrap_err();
        assert_eq!(error.setting(), Some("list[1]"), "{way:?} {error}");
        assert!(error.to_string().contains("canary-holder"), "{way:?} {error}");
        assert!(!error.to_string().contains("secret one"), "{way:?} {error}");
    }
}

#[tokio::test]
async fn a_missing_secret_that_is_created_later_arrives() {
    let service = Service::new(&format!("value = '{MISSING}'\nlist = ['{MISSING}', 'a']")).references_only();
    #[derive(Deserialize)]
    struct Settings {
        value: Option<String>,
        list: Vec<String>,
    }
    for framework in BOTH {
        let live = service.start::<Settings>(framework).await.unwrap();
        assert_eq!(live.refresh_now().await.unwrap(), None, "{framework:?}");
        service.vault.set("missing", "here").unwrap();
        let change = live.refresh_now().await.unwrap().unwrap();
        assert!(change.keys.contains(&"value".to_owned()), "{change:?}");
        assert_eq!(live.current().value.as_deref(), Some("here"), "{framework:?}");
        assert_eq!(live.current().list, ["here", "a"], "{framework:?}");
        service.vault.delete("missing");
        let change = live.refresh_now().await.unwrap().unwrap();
        assert!(change.keys.contains(&"value".to_owned()), "{change:?}");
        assert_eq!(live.current().value, None, "{framework:?}");
        assert_eq!(live.current().list, ["a"], "{framework:?}");
    }
}
