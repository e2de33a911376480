//! The keys of a settings type, found without a value.

use serde::de::DeserializeOwned;

use super::type_shape::{FieldStep, TypeShape};
use crate::settings::{Key, Segment, same_letters};

/// The keys of a settings type, as far as its `Deserialize` reveals them.
#[derive(Clone, Debug, Default)]
pub(crate) struct KnownKeys {
    /// Values: text, numbers, and anything else that is not a table.
    pub(crate) values: Vec<Key>,
    /// Tables and lists. One secret can hold them only if JSON secrets are expanded.
    pub(crate) tables: Vec<Key>,
    /// Whether the type has more keys than the limits.
    pub(crate) is_cut: bool,
}

/// Finds the keys of `T`, breadth first.
///
/// Serde requests the fields of a struct from the deserialiser by name. The deserialiser here records the names and
/// offers only the field on the path of interest. Deserialising always fails, so the type never receives a value.
pub(crate) fn known_keys<T: DeserializeOwned>() -> KnownKeys {
    let mut known = KnownKeys::default();
    let mut level: Vec<Vec<FieldStep>> = vec![Vec::new()];
    for _ in 0..MAX_DEPTH {
        let mut next = Vec::new();
        for path in std::mem::take(&mut level) {
            let shape = TypeShape::at::<T>(&path);
            match shape {
                TypeShape::Value => known.values.extend(key(&path)),
                TypeShape::Struct(_) | TypeShape::Open => known.tables.extend(key(&path)),
            }
            // A recursive type has no end.
            if let TypeShape::Struct(parent) = shape
                && path.iter().all(|step| step.parent != parent)
            {
                let below = |field: &&'static str| [&path[..], &[FieldStep { parent, field }]].concat();
                next.extend(parent.fields.iter().map(below));
            }
        }
        level = next;
        if level.is_empty() || known.values.len() + known.tables.len() + level.len() > MAX_KEYS {
            break;
        }
    }
    known.is_cut = !level.is_empty();
    known
}

/// The relation of a key to a settings type.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum TypeKey {
    /// The type has the key.
    Exact,
    /// The type does not have the key, but this one, whose letters are the same.
    Spelled(Key),
    /// The type has no such key.
    Absent,
    /// The type does not reveal whether it has the key.
    Unknown,
}

impl TypeKey {
    /// Returns whether deserialising ignores or refuses a value at the key.
    pub(crate) fn is_unused(&self) -> bool {
        matches!(self, Self::Spelled(_) | Self::Absent)
    }
}

/// Finds `key` in the settings type `T`.
pub(crate) fn find_key<T: DeserializeOwned>(key: &Key) -> TypeKey {
    let mut path: Vec<FieldStep> = Vec::new();
    let mut is_exact = true;
    for segment in key.segments() {
        let TypeShape::Struct(parent) = TypeShape::at::<T>(&path) else { break };
        // A handwritten `Deserialize` may declare no fields and accept any.
        if parent.fields.is_empty() {
            break;
        }
        let exact = || parent.fields.iter().find(|field| segment.name() == Some(field));
        let spelled =
            || parent.fields.iter().find(|field| segment.name().is_some_and(|name| same_letters(name, field)));
        let Some(field) = exact().or_else(spelled) else { return TypeKey::Absent };
        is_exact &= segment.name() == Some(field);
        path.push(FieldStep { parent, field });
    }
    let known = path.len();
    match is_exact {
        true if known == key.segments().len() => TypeKey::Exact,
        true => TypeKey::Unknown,
        false => {
            let fields = path.into_iter().map(|step| Segment::Name(step.field.into()));
            TypeKey::Spelled(fields.chain(key.segments()[known..].iter().cloned()).collect())
        }
    }
}

/// The name of a secret has no room for more levels.
const MAX_DEPTH: usize = 64;
const MAX_KEYS: usize = 1_000;

fn key(path: &[FieldStep]) -> Option<Key> {
    (!path.is_empty()).then(|| path.iter().map(|step| step.field).collect())
}

#[cfg(test)]
#[expect(dead_code, reason = "the types are never constructed")]
mod tests {
    use std::borrow::Cow;
    use std::collections::{BTreeMap, HashMap};
    use std::fmt;
    use std::net::IpAddr;
    use std::num::NonZeroU16;
    use std::path::PathBuf;
    use std::sync::Arc;
    use std::time::Duration;

    use serde::Deserialize;
    use serde::de::{Deserializer, MapAccess, Visitor};

    use super::*;

    fn values<T: DeserializeOwned>() -> Vec<String> {
        let known = known_keys::<T>();
        assert!(!known.is_cut);
        known.values.iter().map(Key::to_string).collect()
    }

    fn tables<T: DeserializeOwned>() -> Vec<String> {
        known_keys::<T>().tables.iter().map(Key::to_string).collect()
    }

    #[derive(Deserialize)]
    struct Nested {
        a: String,
    }

    /// A type that parses its text and refuses all but URLs.
    struct Url;

    impl<'de> Deserialize<'de> for Url {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let text = Cow::<str>::deserialize(deserializer)?;
            text.starts_with("https://").then_some(Url).ok_or_else(|| serde::de::Error::custom("not a URL"))
        }
    }

    #[derive(Deserialize)]
    struct Kinds {
        url: Url,
        port: NonZeroU16,
        address: IpAddr,
        path: PathBuf,
        level: Level,
        maybe: Option<u8>,
        database: Database,
        replica: Option<Box<Database>>,
        wrapped: Wrapped,
        shared: (),
    }

    #[derive(Deserialize)]
    enum Level {
        Fast,
        Slow { by: u8 },
    }

    #[derive(Default, Deserialize)]
    #[serde(rename_all = "kebab-case", default)]
    struct Database {
        host_name: String,
        #[serde(rename = "user", alias = "login")]
        name: String,
        pool: Option<Pool>,
        #[serde(skip)]
        skipped: u8,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Pool {
        size: u16,
    }

    #[derive(Deserialize)]
    #[serde(transparent)]
    struct Wrapped(Newtype);

    #[derive(Deserialize)]
    struct Newtype(Nested);

    #[test]
    fn values_of_every_kind_are_found_at_their_paths() {
        let sorted = |mut keys: Vec<String>| {
            keys.sort();
            keys
        };
        let expected = [
            "address",
            "database.host-name",
            "database.login",
            "database.pool.size",
            "database.user",
            "level",
            "maybe",
            "path",
            "port",
            "replica.host-name",
            "replica.login",
            "replica.pool.size",
            "replica.user",
            "shared",
            "url",
            "wrapped.a",
        ];
        assert_eq!(sorted(values::<Kinds>()), expected);
        assert_eq!(sorted(tables::<Kinds>()), ["database", "database.pool", "replica", "replica.pool", "wrapped"]);
    }

    #[derive(Deserialize)]
    struct Unnamed {
        labels: BTreeMap<String, Nested>,
        hosts: Vec<Nested>,
        pair: (u8, Nested),
        point: Point,
        untagged: Untagged,
        tagged: Tagged,
        beside: Beside,
        flat: Flat,
        pause: Duration,
        other: Converted,
        anything: serde::de::IgnoredAny,
    }

    #[derive(Deserialize)]
    struct Point(u8, u8);

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Untagged {
        Nested(Nested),
    }

    #[derive(Deserialize)]
    #[serde(tag = "kind")]
    enum Tagged {
        Nested(Nested),
    }

    #[derive(Deserialize)]
    #[serde(tag = "kind", content = "of")]
    enum Beside {
        Nested(Nested),
    }

    #[derive(Deserialize)]
    struct Flat {
        known: u8,
        #[serde(flatten)]
        rest: Nested,
    }

    #[derive(Deserialize)]
    #[serde(from = "Nested")]
    struct Converted;

    impl From<Nested> for Converted {
        fn from(_: Nested) -> Self {
            Converted
        }
    }

    #[test]
    fn types_without_named_fields_are_tables_or_values() {
        assert_eq!(
            values::<Unnamed>(),
            ["untagged", "tagged", "anything", "beside.kind", "beside.of", "pause.secs", "pause.nanos", "other.a"]
        );
        assert_eq!(tables::<Unnamed>(), ["labels", "hosts", "pair", "point", "beside", "flat", "pause", "other"]);
        assert_eq!(values::<HashMap<String, u8>>(), [""; 0]);
        assert_eq!(values::<String>(), [""; 0]);
    }

    #[test]
    fn keys_are_found_in_a_type_by_their_letters() {
        let key = |key: &str| -> Key { key.split('.').collect() };
        for (text, expected) in [
            ("url", TypeKey::Exact),
            ("database", TypeKey::Exact),
            ("database.login", TypeKey::Exact),
            ("replica.pool.size", TypeKey::Exact),
            ("wrapped.a", TypeKey::Exact),
            ("other", TypeKey::Absent),
            ("replica.pool.sizes.a", TypeKey::Absent),
            ("URL", TypeKey::Spelled(key("url"))),
            ("Database.host_name", TypeKey::Spelled(key("database.host-name"))),
            ("URL.a.B", TypeKey::Spelled(key("url.a.B"))),
            ("url.a", TypeKey::Unknown),
        ] {
            assert_eq!(find_key::<Kinds>(&key(text)), expected, "{text}");
        }
        for text in ["labels.a", "hosts.a", "flat.a", "untagged.a"] {
            assert_eq!(find_key::<Unnamed>(&key(text)), TypeKey::Unknown, "{text}");
        }
        let element = |list: &str| Key::root().member(list).element(0);
        assert_eq!(find_key::<Unnamed>(&element("hosts")), TypeKey::Unknown);
        assert_eq!(find_key::<Unnamed>(&element("Hosts")), TypeKey::Spelled(element("hosts")));
        assert_eq!(find_key::<Kinds>(&Key::root().element(0)), TypeKey::Absent);
        assert_eq!(find_key::<HashMap<String, u8>>(&key("a")), TypeKey::Unknown);
    }

    #[test]
    fn a_recursive_type_is_found_once() {
        #[derive(Deserialize)]
        struct Node {
            name: String,
            next: Option<Box<Node>>,
            other: Option<Arc2>,
        }
        #[derive(Deserialize)]
        struct Arc2 {
            back: Option<Box<Node>>,
            first: Nested,
            second: Nested,
        }
        assert_eq!(values::<Node>(), ["name", "other.first.a", "other.second.a"]);
        let _: Option<Arc<Node>> = None;
    }

    #[test]
    fn an_endless_type_is_cut() {
        /// A type whose fields have new names at every level.
        struct EndlessType;
        impl<'de> Deserialize<'de> for EndlessType {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct EndlessVisitor;
                impl<'de> Visitor<'de> for EndlessVisitor {
                    type Value = EndlessType;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str("anything")
                    }
                    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<EndlessType, A::Error> {
                        map.next_entry::<String, EndlessType>().map(|_| EndlessType)
                    }
                }
                let name: &'static str = Box::leak(format!("{}", fastrand::u64(..)).into_boxed_str());
                let fields: &'static [&'static str] = Box::leak(Box::new([name, "x"]));
                deserializer.deserialize_struct(name, fields, EndlessVisitor)
            }
        }
        assert!(known_keys::<EndlessType>().is_cut);
    }
}
