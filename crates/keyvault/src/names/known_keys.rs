//! The keys that a type of settings has, found without a value of it.

use std::cell::RefCell;
use std::fmt;

use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, Visitor};
use serde::forward_to_deserialize_any;

use crate::settings::Key;

/// The keys of a type, as far as it tells them.
#[derive(Clone, Debug, Default)]
pub(crate) struct KnownKeys {
    /// Values: text, numbers, anything that is no table.
    pub(crate) values: Vec<Key>,
    /// Tables and lists, whose value is text only where JSON secrets are opened.
    pub(crate) tables: Vec<Key>,
    /// Whether the type has more keys than are looked for.
    pub(crate) is_cut: bool,
}

/// Finds the keys of `T`, breadth first.
///
/// Serde asks a deserialiser for the fields of a struct by name. Ours notes the names and gives only the one field that is
/// on the way to the place of interest; what becomes of the value does not matter, so that any type may fail there.
pub(crate) fn known_keys<T: DeserializeOwned>() -> KnownKeys {
    let mut known = KnownKeys::default();
    let mut level: Vec<Vec<Step>> = vec![Vec::new()];
    for _ in 0..DEEPEST {
        let mut next = Vec::new();
        for path in std::mem::take(&mut level) {
            match shape_at::<T>(&path) {
                // A type within itself has no end.
                Shape::Struct(kind) if path.iter().any(|step| step.of == kind) => known.tables.extend(key(&path)),
                Shape::Struct(kind) => {
                    known.tables.extend(key(&path));
                    next.extend(kind.fields.iter().map(|field| {
                        let mut below = path.clone();
                        below.push(Step { of: kind, field });
                        below
                    }));
                }
                Shape::Open => known.tables.extend(key(&path)),
                Shape::Value => known.values.extend(key(&path)),
            }
        }
        level = next;
        if level.is_empty() || known.values.len() + known.tables.len() + level.len() > MOST_KEYS {
            break;
        }
    }
    known.is_cut = !level.is_empty();
    known
}

/// No name of a secret has room for more levels.
const DEEPEST: usize = 64;
const MOST_KEYS: usize = 1_000;

/// One step from a struct to a field of it.
#[derive(Clone, Copy)]
struct Step {
    of: Struct,
    field: &'static str,
}

/// A struct, told from others by its name and by where its field names are kept.
#[derive(Clone, Copy)]
struct Struct {
    name: &'static str,
    fields: &'static [&'static str],
}

impl PartialEq for Struct {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.fields == other.fields
    }
}

/// What a type asks for.
enum Shape {
    Struct(Struct),
    /// A map or a list, whose members are not known before there is a value.
    Open,
    Value,
}

fn key(path: &[Step]) -> Option<Key> {
    (!path.is_empty()).then(|| path.iter().map(|step| step.field).collect())
}

fn shape_at<T: DeserializeOwned>(path: &[Step]) -> Shape {
    let shape = RefCell::new(None);
    _ = T::deserialize(Tracer { path, shape: &shape });
    shape.into_inner().unwrap_or(Shape::Value)
}

/// A deserialiser without values, which follows `path` and notes what is asked for at its end.
struct Tracer<'t> {
    path: &'t [Step],
    shape: &'t RefCell<Option<Shape>>,
}

impl Tracer<'_> {
    /// A type that tries again with something else asked for the first thing first.
    fn note<V>(&self, shape: Shape) -> Result<V, Stop> {
        if self.path.is_empty() {
            self.shape.borrow_mut().get_or_insert(shape);
        }
        Err(Stop)
    }
}

/// There is no value: the only error, with room for nothing.
#[derive(Debug)]
struct Stop;

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("there is no value")
    }
}

impl std::error::Error for Stop {}

impl serde::de::Error for Stop {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Stop
    }
}

impl<'de> Deserializer<'de> for Tracer<'_> {
    type Error = Stop;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Stop> {
        self.note(Shape::Value)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stop> {
        // By such names a format knows types of its own.
        if name.starts_with(['_', '$']) {
            return self.note(Shape::Value);
        }
        match self.path {
            [] => self.note(Shape::Struct(Struct { name, fields })),
            [step, rest @ ..] => visitor.visit_map(OneField { field: Some(step.field), path: rest, shape: self.shape }),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Stop> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_map<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Stop> {
        self.note(Shape::Open)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Stop> {
        self.note(Shape::Open)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, Stop> {
        self.note(Shape::Open)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(self, _: &'static str, _: usize, _: V) -> Result<V::Value, Stop> {
        self.note(Shape::Open)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct enum
        identifier ignored_any
    }
}

/// A table with one field.
struct OneField<'t> {
    field: Option<&'static str>,
    path: &'t [Step],
    shape: &'t RefCell<Option<Shape>>,
}

impl<'de> MapAccess<'de> for OneField<'_> {
    type Error = Stop;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Stop> {
        self.field.take().map(|field| seed.deserialize(field.into_deserializer())).transpose()
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Stop> {
        seed.deserialize(Tracer { path: self.path, shape: self.shape })
    }
}

#[cfg(test)]
#[expect(dead_code, reason = "the types are never made")]
mod tests {
    use std::borrow::Cow;
    use std::collections::{BTreeMap, HashMap};
    use std::net::IpAddr;
    use std::num::NonZeroU16;
    use std::path::PathBuf;
    use std::sync::Arc;
    use std::time::Duration;

    use serde::Deserialize;

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
    struct ConfigValue {
        a: String,
    }

    /// A type that parses what it gets and would take no text but its own.
    struct Url;

    impl<'de> Deserialize<'de> for Url {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let text = Cow::<str>::deserialize(deserializer)?;
            text.starts_with("https://").then_some(Url).ok_or_else(|| serde::de::Error::custom("no URL"))
        }
    }

    #[test]
    fn values_of_every_kind_are_found_at_their_paths() {
        #[derive(Deserialize)]
        struct Settings {
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
        #[derive(Deserialize)]
        #[serde(rename_all = "kebab-case", default)]
        #[derive(Default)]
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
        struct Newtype(ConfigValue);
        let found = values::<Settings>();
        let expected = [
            "url",
            "port",
            "address",
            "path",
            "level",
            "maybe",
            "shared",
            "database.host-name",
            "database.user",
            "database.login",
            "replica.host-name",
            "replica.user",
            "replica.login",
            "wrapped.a",
            "database.pool.size",
            "replica.pool.size",
        ];
        let sorted = |mut keys: Vec<String>| {
            keys.sort();
            keys
        };
        assert_eq!(sorted(found), sorted(expected.map(str::to_owned).to_vec()));
        assert_eq!(sorted(tables::<Settings>()), ["database", "database.pool", "replica", "replica.pool", "wrapped"]);
    }

    #[test]
    fn what_has_no_names_of_its_own_is_a_table_or_a_value() {
        #[derive(Deserialize)]
        struct Settings {
            labels: BTreeMap<String, ConfigValue>,
            hosts: Vec<ConfigValue>,
            pair: (u8, ConfigValue),
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
            ConfigValue(ConfigValue),
        }
        #[derive(Deserialize)]
        #[serde(tag = "kind")]
        enum Tagged {
            ConfigValue(ConfigValue),
        }
        #[derive(Deserialize)]
        #[serde(tag = "kind", content = "of")]
        enum Beside {
            ConfigValue(ConfigValue),
        }
        #[derive(Deserialize)]
        struct Flat {
            known: u8,
            #[serde(flatten)]
            rest: ConfigValue,
        }
        #[derive(Deserialize)]
        #[serde(from = "ConfigValue")]
        struct Converted;
        impl From<ConfigValue> for Converted {
            fn from(_: ConfigValue) -> Self {
                Converted
            }
        }
        assert_eq!(
            values::<Settings>(),
            ["untagged", "tagged", "anything", "beside.kind", "beside.of", "pause.secs", "pause.nanos", "other.a"]
        );
        assert_eq!(tables::<Settings>(), ["labels", "hosts", "pair", "point", "beside", "flat", "pause", "other"]);
        assert_eq!(values::<HashMap<String, u8>>(), [""; 0]);
        assert_eq!(values::<String>(), [""; 0]);
    }

    #[test]
    fn a_type_within_itself_is_found_once() {
        #[derive(Deserialize)]
        struct Node {
            name: String,
            next: Option<Box<Node>>,
            other: Option<Arc2>,
        }
        #[derive(Deserialize)]
        struct Arc2 {
            back: Option<Box<Node>>,
            leaf: ConfigValue,
            more: ConfigValue,
        }
        assert_eq!(values::<Node>(), ["name", "other.leaf.a", "other.more.a"]);
        let _: Option<Arc<Node>> = None;
    }

    #[test]
    fn a_type_without_end_is_cut() {
        /// Names of fields that are new at every level.
        struct Endless;
        impl<'de> Deserialize<'de> for Endless {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Any;
                impl<'de> Visitor<'de> for Any {
                    type Value = Endless;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str("anything")
                    }
                    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Endless, A::Error> {
                        map.next_entry::<String, Endless>().map(|_| Endless)
                    }
                }
                let name: &'static str = Box::leak(format!("{}", fastrand::u64(..)).into_boxed_str());
                let fields: &'static [&'static str] = Box::leak(Box::new([name, "x"]));
                deserializer.deserialize_struct(name, fields, Any)
            }
        }
        assert!(known_keys::<Endless>().is_cut);
    }
}
