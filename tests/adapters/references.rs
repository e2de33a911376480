//! References resolve wherever they appear.

use std::collections::BTreeMap;

use config::Config;
use figment::Figment;
use figment::providers::Serialized;
use keyvault::{Live, Resolver};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::service::{BOTH, One, Service, WAYS, block_on, vault, with_variables};

#[derive(Debug, Deserialize, PartialEq)]
struct Everywhere {
    whole: String,
    spelt_out: String,
    inside: String,
    twice: String,
    escaped: String,
    escaped_and_not: String,
    email: String,
    optional: Option<String>,
    list: Vec<String>,
    nested: Vec<Vec<String>>,
    pair: (String, u16),
    users: BTreeMap<String, User>,
    servers: Vec<User>,
    deep: Deep,
    level: Level,
    store: Store,
    port: u16,
    json: String,
    port_of_json: u16,
    spaced: String,
}

#[derive(Debug, Deserialize, PartialEq)]
struct User {
    name: String,
    password: Option<String>,
}

#[derive(Debug, Deserialize, PartialEq)]
struct Deep {
    er: Deeper,
}

#[derive(Debug, Deserialize, PartialEq)]
struct Deeper {
    password: Newtype,
}

#[derive(Debug, Deserialize, PartialEq)]
struct Newtype(String);

#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Level {
    Fast,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Store {
    Remote { url: String },
}

const EVERYWHERE: &str = r#"
whole = "@KeyVault(SecretName=a)"
spelt_out = "@Microsoft.KeyVault(SecretUri=https://contoso.vault.azure.net/secrets/a/)"
inside = "Server=db;Password=@KeyVault(SecretName=a);"
twice = "@KeyVault(SecretName=a):@keyvault(vaultname=contoso; secretname = b)"
escaped = "@@KeyVault(SecretName=a)"
escaped_and_not = "@@Microsoft.KeyVault(x) is @KeyVault(SecretName=a)"
email = "a@b.example @ @@ @KeyVault"
optional = "@KeyVault(SecretName=a)"
list = ["plain", "@KeyVault(SecretName=a)", "<@KeyVault(SecretName=b)>"]
nested = [["@KeyVault(SecretName=a)"], [], ["x", "@KeyVault(SecretName=b)"]]
pair = ["@KeyVault(SecretName=a)", "@KeyVault(SecretName=port)"]
users.root = { name = "root", password = "@KeyVault(SecretName=a)" }
users."with.dot and space" = { name = "@KeyVault(SecretName=b)" }
deep.er.password = "@KeyVault(SecretName=a)"
level = "@KeyVault(SecretName=level)"
store = { remote = { url = "https://@KeyVault(SecretName=b)/" } }
port = "@KeyVault(SecretName=port)"
json = "@KeyVault(SecretName=json;Property=user.name)"
port_of_json = "@KeyVault(SecretName=json;Property=ports[1])"
spaced = "@KeyVault( SecretName = a ; )"

[[servers]]
name = "one"
password = "@KeyVault(SecretName=a)"

[[servers]]
name = "@KeyVault(SecretName=b)"
"#;

fn user(name: &str, password: Option<&str>) -> User {
    User { name: name.into(), password: password.map(Into::into) }
}

#[tokio::test]
async fn references_resolve_wherever_they_appear() {
    let service =
        Service::new(EVERYWHERE).secret("a", "A").secret("b", "B").secret("level", "fast").secret("port", "5432");
    let service = service.secret("json", r#"{"user":{"name":"ann"},"ports":[1,2]}"#).references_only();
    for way in WAYS {
        let users = [("root".to_owned(), user("root", Some("A"))), ("with.dot and space".to_owned(), user("B", None))];
        let expected = Everywhere {
            whole: "A".into(),
            spelt_out: "A".into(),
            inside: "Server=db;Password=A;".into(),
            twice: "A:B".into(),
            escaped: "@KeyVault(SecretName=a)".into(),
            escaped_and_not: "@Microsoft.KeyVault(x) is A".into(),
            email: "a@b.example @ @@ @KeyVault".into(),
            optional: Some("A".into()),
            list: vec!["plain".into(), "A".into(), "<B>".into()],
            nested: vec![vec!["A".into()], vec![], vec!["x".into(), "B".into()]],
            pair: ("A".into(), 5432),
            users: users.into(),
            servers: vec![user("one", Some("A")), user("B", None)],
            deep: Deep { er: Deeper { password: Newtype("A".into()) } },
            level: Level::Fast,
            store: Store::Remote { url: "https://B/".into() },
            port: 5432,
            json: "ann".into(),
            port_of_json: 2,
            spaced: "A".into(),
        };
        assert_eq!(*service.settings::<Everywhere>(way).await.unwrap(), expected, "{way:?}");
    }
}

#[tokio::test]
async fn a_secret_with_several_references_is_fetched_once_per_load() {
    for framework in BOTH {
        let service =
            Service::new(EVERYWHERE).secret("a", "A").secret("b", "B").secret("level", "fast").references_only();
        let service = service.secret("port", "5432").secret("json", r#"{"user":{"name":"ann"},"ports":[1,2]}"#);
        let _live: Live<Everywhere> = service.start(framework).await.unwrap();
        assert_eq!(service.vault.reads().gets, 5, "{framework:?}");
    }
}

#[test]
fn references_resolve_in_variables() {
    #[derive(Deserialize)]
    struct Settings {
        whole: String,
        inside: String,
        uri: SecretString,
        over_the_file: String,
        nested: Nested,
    }
    #[derive(Deserialize)]
    struct Nested {
        port: u16,
    }
    let variables = [
        ("SHOP_WHOLE", "@KeyVault(SecretName=a)"),
        ("SHOP_INSIDE", "Server=db;Password=@Microsoft.KeyVault(VaultName=contoso;SecretName=a);"),
        ("SHOP_URI", "@Microsoft.KeyVault(SecretUri=https://contoso.vault.azure.net/secrets/a)"),
        ("SHOP_OVER_THE_FILE", "@KeyVault(SecretName=a)"),
        ("SHOP_NESTED__PORT", "@KeyVault(SecretName=port)"),
    ];
    with_variables(&variables, || {
        let service = Service::new("over_the_file = '@KeyVault(SecretName=never-asked-for)'").references_only();
        let service = service.secret("a", "A").secret("port", "5432");
        for way in WAYS {
            let gets = service.vault.reads().gets;
            let settings = block_on(service.settings::<Settings>(way)).unwrap();
            assert_eq!(settings.whole, "A", "{way:?}");
            assert_eq!(settings.inside, "Server=db;Password=A;", "{way:?}");
            assert_eq!(settings.uri.expose_secret(), "A", "{way:?}");
            assert_eq!(settings.over_the_file, "A", "{way:?}");
            assert_eq!(settings.nested.port, 5432, "{way:?}");
            assert_eq!(service.vault.reads().gets, gets + 2, "{way:?}: an overridden reference is not fetched");
        }
    });
}

#[tokio::test]
async fn references_resolve_in_the_defaults_and_overrides_of_config() {
    let vault = vault("contoso");
    vault.set("a", "A").unwrap();
    let live: Live<BTreeMap<String, String>> = keyvault_config::layered(vault, || {
        let builder = Config::builder().set_default("default", "@KeyVault(SecretName=a)").unwrap();
        let builder = builder.set_default("hidden", "@KeyVault(SecretName=never-asked-for)").unwrap();
        let builder = builder.set_override("override", "<@KeyVault(SecretName=a)>").unwrap();
        builder.set_override("hidden", "shown").unwrap()
    })
    .references_only()
    .start()
    .await
    .unwrap();
    let expected = [("default", "A"), ("hidden", "shown"), ("override", "<A>")];
    assert_eq!(*live.current(), expected.map(|(key, value)| (key.to_owned(), value.to_owned())).into());
}

#[tokio::test]
async fn references_resolve_in_the_serialized_defaults_of_figment() {
    let vault = vault("contoso");
    vault.set("a", "A").unwrap();
    let live: Live<One<String>> = keyvault_figment::layered(vault, || {
        Figment::from(Serialized::defaults(BTreeMap::from([("value", "@KeyVault(SecretName=a)")])))
    })
    .references_only()
    .start()
    .await
    .unwrap();
    assert_eq!(live.current().value, "A");
}

#[tokio::test]
async fn a_reference_with_a_version_resolves_to_it() {
    let service = Service::new("");
    let first = service.vault.set("a", "first").unwrap();
    let service = service.secret("a", "second").references_only();
    for text in [
        format!("@KeyVault(SecretName=a;SecretVersion={first})"),
        format!("@Microsoft.KeyVault(SecretUri=https://contoso.vault.azure.net/secrets/a/{first})"),
    ] {
        service.file.write(&format!("value = '{text}'\nlatest = '@KeyVault(SecretName=a)'"));
        for way in WAYS {
            let settings = service.settings::<BTreeMap<String, String>>(way).await.unwrap();
            assert_eq!((&*settings["value"], &*settings["latest"]), ("first", "second"), "{way:?} {text}");
        }
    }
}

#[tokio::test]
async fn a_reference_goes_to_the_vault_that_it_names() {
    let (contoso, shared) = (vault("contoso"), vault("shared"));
    contoso.set("a", "contoso's").unwrap();
    shared.set("a", "shared's").unwrap();
    let resolver = Resolver::builder(contoso).vault(shared).build().unwrap();
    let service = Service::new("value = '@KeyVault(SecretName=a) @KeyVault(VaultName=shared;SecretName=a)'");
    let service = service.resolver(resolver).references_only();
    for way in WAYS {
        let settings = service.settings::<One<String>>(way).await.unwrap();
        assert_eq!(settings.value, "contoso's shared's", "{way:?}");
    }
}

#[tokio::test]
async fn a_secret_that_looks_like_a_reference_is_used_literally() {
    const TEXT: &str = "@KeyVault(SecretName=b)";
    let file = format!("by_reference = '@KeyVault(SecretName=a)'\nin_a_list = ['{TEXT}', '@KeyVault(SecretName=a)']");
    #[derive(Deserialize)]
    struct Settings {
        by_reference: String,
        in_a_list: Vec<String>,
        by_name: Vec<String>,
        database: BTreeMap<String, String>,
    }
    let service = Service::new(&(file + "\nby_name = ['<@KeyVault(SecretName=a)>']"));
    let service = service.secret("a", TEXT).secret("b", "not to be seen").secret("Database--Text", TEXT);
    let service =
        service.secret("Database--Bad", "@KeyVault(this is no reference").secret("Database--Escaped", "@@KeyVault(");
    for way in WAYS {
        let settings = service.settings::<Settings>(way).await.unwrap();
        assert_eq!(settings.by_reference, TEXT, "{way:?}");
        assert_eq!(settings.in_a_list, ["not to be seen", TEXT], "{way:?}");
        assert_eq!(settings.by_name, ["<@KeyVault(SecretName=b)>"], "{way:?}");
        assert_eq!(settings.database["text"], TEXT, "{way:?}");
        assert_eq!(settings.database["bad"], "@KeyVault(this is no reference", "{way:?}");
        assert_eq!(settings.database["escaped"], "@@KeyVault(", "{way:?}");
    }
}
