//! A secret becomes a number, a boolean or an enum where serde buffers values, too, and text stays unchanged there.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::net::IpAddr;

use keyvault::ErrorKind;
use keyvault_test_support::canary::assert_value_free;
use serde::Deserialize;

use super::service::{One, Service, Settings, WAYS};

#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Level {
    Info,
    Warn,
}

#[derive(Debug, Deserialize, PartialEq)]
struct Database {
    host: String,
    level: Level,
    password: String,
    pin: Option<String>,
    port: u16,
    ratio: f64,
    retries: Option<i8>,
    tls: bool,
}

/// The secrets of [`Database`]. The port and the passwords have equal text.
const SECRETS: [(&str, &str); 8] = [
    ("host", "true"),
    ("level", "info"),
    ("password", "5432"),
    ("pin", "0123"),
    ("port", "5432"),
    ("ratio", "0.5"),
    ("retries", "-3"),
    ("tls", "true"),
];

fn database() -> Database {
    Database {
        host: "true".into(),
        level: Level::Info,
        password: "5432".into(),
        pin: Some("0123".into()),
        port: 5432,
        ratio: 0.5,
        retries: Some(-3),
        tls: true,
    }
}

#[derive(Debug, Deserialize, PartialEq)]
pub(super) struct Flat<T> {
    #[serde(flatten)]
    pub(super) flat: T,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Internal {
    Tcp(Database),
    Unix { path: String },
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(tag = "kind", content = "with", rename_all = "lowercase")]
enum Adjacent {
    Tcp(Database),
    Unix { path: String },
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(untagged)]
enum Untagged {
    Unix { path: String },
    Tcp { port: u16, tls: bool, password: String },
}

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "it is never made")]
struct Host {
    address: IpAddr,
    name: String,
    zone: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
#[expect(dead_code, reason = "it is never made")]
enum Tagged {
    Host(Host),
}

/// Asserts that the secrets become `expected` below the table `table`, by reference and by name.
pub(super) async fn assert_makes<T: Settings + Debug + PartialEq>(
    table: &str,
    rest: &str,
    secrets: &[(&str, &str)],
    expected: T,
) {
    let referring: String =
        secrets.iter().map(|(name, _)| format!("{table}{name} = '@KeyVault(SecretName={name})'\n")).collect();
    let mut by_reference = Service::new(&format!("{rest}\n{referring}")).references_only();
    let mut by_name = Service::new(rest);
    for (name, value) in secrets {
        by_reference = by_reference.secret(name, value);
        by_name = by_name.secret(&format!("{table}{name}").replace('.', "--"), value);
    }
    for way in WAYS {
        for (service, what) in [(&by_reference, "by reference"), (&by_name, "by name")] {
            let settings = service.settings::<T>(way).await.unwrap_or_else(|error| panic!("{way:?} {what}: {error}"));
            assert_eq!(*settings, expected, "{way:?} {what}");
        }
    }
}

#[tokio::test]
async fn secrets_have_their_types_in_flattened_structs_and_maps() {
    assert_makes("", "", &SECRETS, Flat { flat: database() }).await;
    assert_makes("value.", "", &SECRETS, One { value: Flat { flat: Flat { flat: database() } } }).await;
    let ports = [("a", "1"), ("b", "1"), ("c", "65535")];
    let map = |ports: &[(&str, &str)]| -> BTreeMap<String, u16> {
        ports.iter().map(|(name, port)| ((*name).to_owned(), port.parse().unwrap())).collect()
    };
    assert_makes("", "", &ports, Flat { flat: map(&ports) }).await;
    let text: BTreeMap<String, String> = BTreeMap::from([("a".into(), "1".into()), ("b".into(), "true".into())]);
    assert_makes("", "", &[("a", "1"), ("b", "true")], Flat { flat: text }).await;
}

#[tokio::test]
async fn secrets_have_their_types_in_tagged_and_untagged_enums() {
    assert_makes("value.", "value.kind = 'tcp'", &SECRETS, One { value: Internal::Tcp(database()) }).await;
    assert_makes("", "kind = 'tcp'", &SECRETS, Flat { flat: Internal::Tcp(database()) }).await;
    assert_makes("value.with.", "value.kind = 'tcp'", &SECRETS, One { value: Adjacent::Tcp(database()) }).await;
    let secrets = [("password", "0123"), ("port", "5432"), ("tls", "off")];
    let tcp = || Untagged::Tcp { port: 5432, tls: false, password: "0123".into() };
    assert_makes("value.", "", &secrets, One { value: tcp() }).await;
    assert_makes("value.list.", "", &secrets, One { value: BTreeMap::from([("list".to_owned(), tcp())]) }).await;
    assert_makes("", "", &secrets, Flat { flat: tcp() }).await;
    let secrets = [("path", "5432")];
    assert_makes("value.", "value.kind = 'unix'", &secrets, One { value: Internal::Unix { path: "5432".into() } })
        .await;
    assert_makes("value.", "", &secrets, One { value: Untagged::Unix { path: "5432".into() } }).await;
    let path = Adjacent::Unix { path: "5432".into() };
    assert_makes("value.with.", "value.kind = 'unix'", &secrets, One { value: path }).await;
}

#[tokio::test]
async fn a_secret_of_digits_is_text_to_an_untagged_enum_that_takes_text() {
    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(untagged)]
    enum PortOrName {
        Port(u16),
        Name(String),
    }
    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(untagged)]
    enum PortOrFlag {
        Port(u16),
        Flag(bool),
    }
    assert_makes("", "", &[("value", "5432")], One { value: PortOrName::Name("5432".into()) }).await;
    assert_makes("", "", &[("value", "5432")], One { value: PortOrFlag::Port(5432) }).await;
    assert_makes("", "", &[("value", "yes")], One { value: PortOrFlag::Flag(true) }).await;
    assert_ne!(PortOrName::Port(1), PortOrName::Name("1".into()));
}

#[tokio::test]
async fn white_space_around_a_number_a_boolean_or_a_variant_is_no_part_of_it() {
    #[derive(Debug, Deserialize, PartialEq)]
    struct Three {
        level: Level,
        port: u16,
        text: String,
        tls: bool,
    }
    let secrets = [("level", "warn\r\n"), ("port", "5432\n"), ("text", "5432\n"), ("tls", "true ")];
    let three = || Three { level: Level::Warn, port: 5432, text: "5432\n".into(), tls: true };
    assert_makes("", "", &secrets, three()).await;
    assert_makes("", "", &secrets, Flat { flat: three() }).await;
    assert_makes("value.", "", &secrets, One { value: Some(three()) }).await;
}

#[tokio::test]
async fn a_buffered_value_of_a_wrong_type_is_reported_with_setting_origin_and_secret() {
    async fn assert_reports<T: Settings>(file: &str, key: &str, expected: &str) {
        let service = Service::new(file).secret("s", "canary").references_only();
        for way in WAYS {
            let error = service.settings::<T>(way).await.err().unwrap();
            assert_eq!(error.kind(), ErrorKind::InvalidSettings, "{way:?} {error}");
            assert_eq!(error.setting(), Some(key), "{way:?} {error}");
            let text = error.to_string();
            for part in ["settings.toml", "secret s version", expected] {
                assert!(text.contains(part), "{way:?} {part}: {text}");
            }
            assert_value_free(&error, &["canary"]);
        }
    }
    const REST: &str = "host = 'h'\nlevel = 'info'\npassword = 'p'\nratio = 1\ntls = true";
    let port = format!("port = '@KeyVault(SecretName=s)'\n{REST}");
    assert_reports::<Flat<Database>>(&port, "port", "expected u16").await;
    assert_reports::<One<Internal>>(&format!("[value]\nkind = 'tcp'\n{port}"), "value.port", "expected u16").await;
    let adjacent = format!("[value]\nkind = 'tcp'\n[value.with]\n{port}");
    assert_reports::<One<Adjacent>>(&adjacent, "value.with.port", "expected u16").await;
    let level =
        port.replace("'info'", "'@KeyVault(SecretName=s)'").replace("port = '@KeyVault(SecretName=s)'", "port = 1");
    assert_reports::<Flat<Database>>(&level, "level", "expected one of info, warn").await;
    let kind = "[value]\nkind = '@KeyVault(SecretName=s)'";
    assert_reports::<One<Internal>>(kind, "value.kind", "expected one of tcp, unix").await;
    // The type's own message.
    let address = "name = 'x'\naddress = '@KeyVault(SecretName=s)'\nzone = 'y'";
    assert_reports::<Flat<Host>>(address, "address", "value is not valid").await;
    assert_reports::<One<Tagged>>(&format!("[value]\nkind = 'host'\n{address}"), "value.address", "not valid").await;
    let list = format!("[[value]]\n{REST}\nport = 1\n[[value]]\n{port}");
    assert_reports::<One<Vec<Flat<Database>>>>(&list, "value[1].port", "expected u16").await;
}
