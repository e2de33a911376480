//! Secrets fill every shape that serde's data model knows.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Debug;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::{NonZeroU16, Wrapping};
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use keyvault::NameMap;
use keyvault::settings::Key;
use serde::{Deserialize, Deserializer};

use super::buffered_values::{Flat, assert_makes};
use super::service::{BOTH, Framework, One, Service, WAYS};

/// Parses text such as `30s`, as the crates for durations do.
mod seconds {
    use super::*;

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        let seconds = text.strip_suffix('s').and_then(|seconds| seconds.parse().ok());
        seconds.map(Duration::from_secs).ok_or_else(|| serde::de::Error::custom("not a duration"))
    }
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(try_from = "u16")]
struct EvenPort(u16);

impl TryFrom<u16> for EvenPort {
    type Error = &'static str;

    fn try_from(port: u16) -> Result<Self, Self::Error> {
        if port & 1 == 0 { Ok(Self(port)) } else { Err("odd port") }
    }
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(from = "String")]
struct Upper(String);

impl From<String> for Upper {
    fn from(text: String) -> Self {
        Self(text.to_uppercase())
    }
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(transparent)]
struct Transparent(Inner);

#[derive(Debug, Deserialize, PartialEq)]
struct Inner(u32);

#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
enum External {
    Off,
    Port(u16),
    Pair(u16, bool),
    Table { by: i64, name: String },
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(default)]
struct Defaulted {
    letter: char,
    pause: Option<bool>,
    #[serde(with = "seconds")]
    every: Duration,
    even: EvenPort,
    upper: Upper,
    newtype: Transparent,
    address: IpAddr,
    socket: Option<SocketAddr>,
    path: PathBuf,
    nonzero: NonZeroU16,
    wrapping: Wrapping<u8>,
    single: f32,
    text: Box<str>,
    cow: Cow<'static, str>,
    nested: Option<Option<u8>>,
}

impl Default for Defaulted {
    fn default() -> Self {
        Self {
            letter: 'a',
            pause: None,
            every: Duration::ZERO,
            even: EvenPort(0),
            upper: Upper(String::new()),
            newtype: Transparent(Inner(0)),
            address: Ipv4Addr::UNSPECIFIED.into(),
            socket: None,
            path: PathBuf::new(),
            nonzero: NonZeroU16::MIN,
            wrapping: Wrapping(0),
            single: 0.0,
            text: "".into(),
            cow: "".into(),
            nested: None,
        }
    }
}

const SECRETS: [(&str, &str); 15] = [
    ("letter", "7"),
    ("pause", "true"),
    ("every", "30s"),
    ("even", "8080"),
    ("upper", "8080"),
    ("newtype", "12"),
    ("address", "10.0.0.1"),
    ("socket", "10.0.0.1:80"),
    ("path", "0123"),
    ("nonzero", "9"),
    ("wrapping", "255"),
    ("single", "1.5"),
    ("text", "true"),
    ("cow", "1e3"),
    ("nested", "3"),
];

fn defaulted() -> Defaulted {
    Defaulted {
        letter: '7',
        pause: Some(true),
        every: Duration::from_secs(30),
        even: EvenPort(8080),
        upper: Upper("8080".into()),
        newtype: Transparent(Inner(12)),
        address: Ipv4Addr::new(10, 0, 0, 1).into(),
        socket: Some("10.0.0.1:80".parse().unwrap()),
        path: "0123".into(),
        nonzero: NonZeroU16::new(9).unwrap(),
        wrapping: Wrapping(255),
        single: 1.5,
        text: "true".into(),
        cow: "1e3".into(),
        nested: Some(Some(3)),
    }
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(untagged)]
enum OneOrMany {
    One(u16),
    Many(Vec<u16>),
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Tagged {
    Paused {
        #[serde(with = "seconds")]
        every: Duration,
        ports: Option<u16>,
    },
    Map(BTreeMap<String, u8>),
}

#[tokio::test]
async fn secrets_fill_the_fields_of_a_struct_wherever_it_is() {
    assert_makes("", "", &SECRETS, defaulted()).await;
    assert_makes("value.", "", &SECRETS, One { value: Some(defaulted()) }).await;
    assert_makes("", "", &SECRETS, Flat { flat: Flat { flat: defaulted() } }).await;
    assert_makes("value.a.", "", &SECRETS, One { value: BTreeMap::from([("a".to_owned(), defaulted())]) }).await;
}

#[tokio::test]
async fn secrets_fill_enums_of_every_form() {
    assert_makes("", "", &[("value", "off\n")], One { value: External::Off }).await;
    assert_makes("value.", "", &[("port", "5")], One { value: External::Port(5) }).await;
    let table = || External::Table { by: 5, name: "5".into() };
    assert_makes("value.table.", "", &[("by", "5"), ("name", "5")], One { value: table() }).await;
    assert_makes("table.", "", &[("by", "5"), ("name", "5")], Flat { flat: table() }).await;
    assert_makes("", "", &[("value", "5")], One { value: OneOrMany::One(5) }).await;
    let paused = Tagged::Paused { every: Duration::from_secs(5), ports: Some(7) };
    let secrets = [("kind", "paused\n"), ("every", "5s"), ("ports", "7")];
    assert_makes("value.", "", &secrets, One { value: paused }).await;
    let map = |entries: &[(&str, u8)]| Tagged::Map(entries.iter().map(|(k, v)| ((*k).to_owned(), *v)).collect());
    let secrets = [("kind", "map"), ("x", "5"), ("y", "6")];
    assert_makes(
        "value.a.",
        "",
        &secrets,
        One { value: HashMap::from([("a".to_owned(), map(&[("x", 5), ("y", 6)]))]) },
    )
    .await;
}

#[tokio::test]
async fn secrets_fill_ranges_and_maps() {
    assert_makes("value.", "", &[("start", "5"), ("end", "6")], One { value: Range { start: 5_u16, end: 6 } }).await;
    assert_makes("value.", "", &[("secs", "5"), ("nanos", "6")], One { value: Duration::new(5, 6) }).await;
    let flags = BTreeMap::from([("a".to_owned(), true), ("b".to_owned(), false)]);
    assert_makes("value.", "", &[("a", "true"), ("b", "off")], One { value: flags }).await;
}

#[tokio::test]
async fn elements_by_name_fill_lists_of_every_form() {
    async fn assert_fills<T: super::service::Settings + Debug + PartialEq>(secrets: &[(&str, &str)], expected: T) {
        let service = secrets.iter().fold(Service::new(""), |service, (name, value)| service.secret(name, value));
        for way in WAYS {
            assert_eq!(*service.settings::<T>(way).await.unwrap(), expected, "{way:?}");
        }
    }
    let nested = [("value--0--0", "1"), ("value--0--1", "2"), ("value--1--0", "3")];
    assert_fills(&nested, One { value: vec![vec![1_u16, 2], vec![3]] }).await;
    let tuple = [("value--0", "1"), ("value--1", "true"), ("value--2", "x")];
    assert_fills(&tuple, One { value: (1_u16, true, 'x') }).await;
    assert_fills(&tuple, Flat { flat: One { value: (1_u16, true, 'x') } }).await;
    let pair = [("value--pair--0", "1"), ("value--pair--1", "true")];
    assert_fills(&pair, One { value: External::Pair(1, true) }).await;
    let list = [("value--0", "1"), ("value--1", "2")];
    assert_fills(&list, One { value: BTreeSet::from([1_u8, 2]) }).await;
    assert_fills(&list, One { value: [1_u8, 2] }).await;
    assert_fills(&list, One { value: OneOrMany::Many(vec![1, 2]) }).await;
    assert_fills(&list, Flat { flat: One { value: vec![1_u8, 2] } }).await;
}

#[tokio::test]
async fn a_map_with_numbers_as_names_needs_a_function_and_the_error_names_it() {
    type Map = One<BTreeMap<String, u8>>;
    for framework in BOTH {
        let service = Service::new("").secret("value--0", "5");
        let report = service.start::<Map>(framework).await.unwrap_err().report();
        assert!(report.contains("NameMap::function"), "{framework:?} {report}");
        let map = NameMap::new().function(|name| Some(name.split("--").collect::<Key>()));
        let live = service.names(map).start::<Map>(framework).await.unwrap();
        assert_eq!(live.current().value["0"], 5, "{framework:?}");
    }
}

#[tokio::test]
async fn a_number_of_128_bits_is_read_where_the_framework_and_serde_can_and_an_error_elsewhere() {
    const LARGE: &str = "340282366920938463463374607431768211455";
    let service = Service::new("").secret("value", LARGE);
    for way in WAYS {
        let plain = service.settings::<One<u128>>(way).await;
        let flat = service.settings::<Flat<One<u128>>>(way).await;
        if way.0 == Framework::Config {
            assert_eq!(plain.unwrap().value, u128::MAX, "{way:?}");
        } else {
            assert!(plain.unwrap_err().report().contains("64 bits"), "{way:?}");
        }
        let error = flat.unwrap_err();
        assert_eq!(error.setting(), Some("value"), "{way:?} {error}");
        assert!(error.report().contains("64 bits"), "{way:?} {error:?}");
    }
    let service = Service::new("").secret("value", "-5");
    assert_eq!(service.start::<One<i128>>(Framework::Config).await.unwrap().current().value, -5);
}
