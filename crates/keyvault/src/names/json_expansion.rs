//! The expansion of JSON secrets into one setting for each value.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use crate::error::{Error, ErrorKind, Result};
use crate::reference::unescaped;
use crate::settings::{Key, MappedKind, MappedPart};

/// The limits within which [`NameMap::open_json`](crate::NameMap::open_json) expands JSON secrets.
///
/// # Examples
///
/// ```
/// use keyvault::{NameMap, OpenJson};
///
/// let map = NameMap::new().open_json(OpenJson::new().depth(1));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct OpenJson {
    depth: usize,
    keys: usize,
    size: usize,
}

impl OpenJson {
    /// Creates the default limits: 8 levels, 1,000 settings and 25 KiB per secret.
    pub fn new() -> Self {
        Self { depth: 8, keys: 1_000, size: 25 * 1024 }
    }

    /// Sets the number of levels of tables and lists that become keys. A deeper value stays one setting with its JSON
    /// text.
    ///
    /// Default: 8. At most 32. With 0, only a JSON string is unescaped.
    #[must_use]
    pub fn depth(mut self, levels: usize) -> Self {
        self.depth = levels.min(MAX_DEPTH);
        self
    }

    /// Sets the number of settings that one secret may give. More are an error.
    ///
    /// Default: 1,000.
    #[must_use]
    pub fn keys(mut self, keys: usize) -> Self {
        self.keys = keys;
        self
    }

    /// Sets the size in bytes that the JSON of one secret may have. More are an error.
    ///
    /// Default: 25 KiB, the largest value that Key Vault stores.
    #[must_use]
    pub fn size(mut self, bytes: usize) -> Self {
        self.size = bytes;
        self
    }
}

impl Default for OpenJson {
    fn default() -> Self {
        Self::new()
    }
}

/// Each level takes a stack frame.
const MAX_DEPTH: usize = 32;

/// One value of a JSON secret.
pub(crate) struct ExpandedValue {
    pub(crate) key: Key,
    /// The path to the value as the secret spells it, for messages. Empty for the whole secret.
    pub(crate) member: String,
    pub(crate) part: MappedPart,
}

/// Returns whether a content type is JSON: `application/json`, `text/json`, or any type with the suffix `+json`, in any
/// case and with any parameters.
///
/// [RFC 9110](https://www.rfc-editor.org/rfc/rfc9110#name-media-type),
/// [RFC 6839](https://www.rfc-editor.org/rfc/rfc6839#section-3.1).
pub(crate) fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim_matches([' ', '\t']).to_ascii_lowercase();
    let is_token = |text: &str| {
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?=".contains(&b))
    };
    let Some((kind, subtype)) = essence.split_once('/').filter(|(kind, subtype)| is_token(kind) && is_token(subtype))
    else {
        return false;
    };
    let has_suffix = subtype.strip_suffix("+json").is_some_and(|name| !name.is_empty());
    has_suffix || (subtype == "json" && matches!(kind, "application" | "text"))
}

impl OpenJson {
    /// Expands `json` under `key`. `spell` converts the names of members. A `null` is absent, like a missing member.
    ///
    /// Every step borrows the text, so no tree of values keeps a copy of the secret.
    pub(crate) fn expand(&self, json: &str, key: &Key, spell: &dyn Fn(&str) -> String) -> Result<Vec<ExpandedValue>> {
        if json.len() > self.size {
            return Err(invalid("JSON secret is larger than the limit").with_help("raise OpenJson::size"));
        }
        let whole: &RawValue = serde_json::from_str(json).map_err(|_| not_json())?;
        let mut expansion = Expansion { limits: *self, spell, depth: key.segments().len(), values: Vec::new() };
        if whole.get() != "null" {
            expansion.walk(whole, key.clone(), String::new(), self.depth)?;
        }
        Ok(expansion.values)
    }
}

struct Expansion<'s> {
    limits: OpenJson,
    spell: &'s dyn Fn(&str) -> String,
    depth: usize,
    values: Vec<ExpandedValue>,
}

impl Expansion<'_> {
    fn walk(&mut self, value: &RawValue, key: Key, member: String, levels: usize) -> Result<()> {
        let json = value.get();
        let before = self.values.len();
        let (kind, text) = match (json.as_bytes().first(), levels) {
            (Some(b'{'), 1..) => {
                let TableMembers(members) = serde_json::from_str(json).map_err(|_| not_json())?;
                for (name, value) in members.iter().filter(|(_, value)| value.get() != "null") {
                    let path = if member.is_empty() { name.clone() } else { format!("{member}.{name}") };
                    self.walk(value, key.member(&(self.spell)(name)), path, levels - 1)?;
                }
                (MappedKind::EmptyTable, Zeroizing::default())
            }
            (Some(b'['), 1..) => {
                let items: Vec<&RawValue> = serde_json::from_str(json).map_err(|_| not_json())?;
                for (i, item) in items.into_iter().enumerate() {
                    self.walk(item, key.element(i), format!("{member}[{i}]"), levels - 1)?;
                }
                (MappedKind::EmptyList, Zeroizing::default())
            }
            (Some(b'"'), _) => (MappedKind::Text, unescaped(json).ok_or_else(not_json)?),
            (Some(b'n'), _) => (MappedKind::Null, Zeroizing::default()),
            _ => (MappedKind::Text, Zeroizing::new(json.to_owned())),
        };
        // A table whose members are all absent is a setting itself.
        if self.values.len() > before {
            return Ok(());
        }
        if self.values.len() == self.limits.keys {
            return Err(invalid("JSON secret has more values than the limit").with_help("raise OpenJson::keys"));
        }
        self.values.push(ExpandedValue {
            key,
            member,
            part: MappedPart { depth: self.depth, kind, text, place: None },
        });
        Ok(())
    }
}

fn invalid(clause: &'static str) -> Error {
    Error::new(ErrorKind::InvalidSettings, clause)
}

/// Drops the parser's message, because it quotes the text.
fn not_json() -> Error {
    invalid("secret has a JSON content type but is not JSON")
        .with_help("store JSON, change the content type, or leave out NameMap::open_json")
}

/// The members of a table in their order. A repeated name is kept twice.
pub struct TableMembers<'j>(pub Vec<(String, &'j RawValue)>);

/// Shows no value.
impl fmt::Debug for TableMembers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TableMembers").finish_non_exhaustive()
    }
}

impl<'de> Deserialize<'de> for TableMembers<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MembersVisitor;
        impl<'de> Visitor<'de> for MembersVisitor {
            type Value = TableMembers<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(TableMembers(members))
            }
        }
        deserializer.deserialize_map(MembersVisitor)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn expand(limits: OpenJson, json: &str) -> Result<Vec<String>> {
        let shown = |value: ExpandedValue| {
            let content = match value.part.kind {
                MappedKind::Text | MappedKind::Scalar => value.part.text.as_str(),
                MappedKind::EmptyTable => "EMPTY TABLE",
                MappedKind::EmptyList => "EMPTY LIST",
                MappedKind::Null => "NULL",
            };
            format!("{}={content}", value.key)
        };
        let values = limits.expand(json, &Key::root().member("k"), &|name: &str| name.to_owned())?;
        Ok(values.into_iter().map(shown).collect())
    }

    #[test]
    fn json_is_recognised_by_its_content_type() {
        for (content_type, expected) in [
            ("application/json", true),
            ("Application/JSON", true),
            ("application/json; charset=utf-8", true),
            ("application/json;charset=\"utf-8\";a=b", true),
            (" application/json ;x", true),
            ("text/json", true),
            ("application/vnd.shop.db+json", true),
            ("application/vnd.shop.db+JSON; v=1", true),
            ("image/svg+json", true),
            ("", false),
            ("json", false),
            ("application/jsonp", false),
            ("application/json5", false),
            ("application/xml; note=application/json", false),
            ("application/xml+jsonish", false),
            ("application/+json", false),
            ("image/json", false),
            ("/json", false),
            ("+json", false),
            ("application/ json", false),
            ("application/json/x+json", false),
            ("text/plain", false),
            ("application/x-pkcs12", false),
        ] {
            assert_eq!(is_json(content_type), expected, "{content_type:?}");
        }
    }

    #[test]
    fn every_value_has_its_own_key() {
        for (json, expected) in [
            (
                r#"{"user":"ann\n","port":5432,"on":true,"rate":1e3}"#,
                &["k.user=ann\n", "k.port=5432", "k.on=true", "k.rate=1e3"][..],
            ),
            (r#"{"tls":{"key":"k","cert":{"a":"b"}},"x":"y"}"#, &["k.tls.key=k", "k.tls.cert.a=b", "k.x=y"]),
            (
                r#"{"hosts":["a","b"],"m":[[1],[]]}"#,
                &["k.hosts[0]=a", "k.hosts[1]=b", "k.m[0][0]=1", "k.m[1]=EMPTY LIST"],
            ),
            (r#"[{"url":"a"},{"url":"b"}]"#, &["k[0].url=a", "k[1].url=b"]),
            (
                r#"{"a":null,"b":[null,1],"c":{},"d":{"e":null},"f":[]}"#,
                &["k.b[0]=NULL", "k.b[1]=1", "k.c=EMPTY TABLE", "k.d=EMPTY TABLE", "k.f=EMPTY LIST"],
            ),
            (r#"{"a":1,"a":2}"#, &["k.a=1", "k.a=2"]),
            (r#""text""#, &["k=text"]),
            (r#" 0123.5 "#, &[]),
            (" 12 ", &["k=12"]),
            ("null", &[]),
            ("{}", &["k=EMPTY TABLE"]),
            (r#"{"a":"@KeyVault(SecretName=x)","":"\u00e9\ud83d\ude00"}"#, &["k.a=@KeyVault(SecretName=x)", "k.=é😀"]),
        ] {
            let values = expand(OpenJson::new(), json);
            if json.contains("0123") {
                assert!(values.is_err(), "{json}");
            } else {
                assert_eq!(values.unwrap(), expected, "{json}");
            }
        }
    }

    #[test]
    fn values_below_the_depth_limit_stay_json() {
        let json = r#"{"a":{"b":{"c":[1, 2]}},"d":"e"}"#;
        for (depth, expected) in [
            (0, &[r#"k={"a":{"b":{"c":[1, 2]}},"d":"e"}"#][..]),
            (1, &[r#"k.a={"b":{"c":[1, 2]}}"#, "k.d=e"]),
            (2, &[r#"k.a.b={"c":[1, 2]}"#, "k.d=e"]),
            (3, &["k.a.b.c=[1, 2]", "k.d=e"]),
            (4, &["k.a.b.c[0]=1", "k.a.b.c[1]=2", "k.d=e"]),
        ] {
            assert_eq!(expand(OpenJson::new().depth(depth), json).unwrap(), expected, "{depth}");
        }
    }

    #[test]
    fn limits_hold_and_errors_show_no_value() {
        let deep = "[".repeat(200_000) + &"]".repeat(200_000);
        let unlimited = OpenJson::new().size(usize::MAX);
        assert_eq!(expand(unlimited.depth(usize::MAX), &deep).unwrap().len(), 1, "32 levels and one text");
        let many = format!("[{}]", ["1"; 11].join(","));
        assert!(expand(OpenJson::new().keys(10), &many).is_err());
        assert_eq!(expand(OpenJson::new().keys(11), &many).unwrap().len(), 11);
        assert!(expand(OpenJson::new().size(many.len() - 1), &many).is_err());
        assert!(expand(OpenJson::new().size(many.len()), &many).is_ok());
        for json in [
            "canary",
            "",
            "{\"canary\"",
            "{'canary':1}",
            "{\"a\":canary}",
            "\"\\ud800canary\"",
            "{} canary",
            "{\"a\":1,}",
        ] {
            let error = expand(OpenJson::new(), json).unwrap_err();
            assert!(!format!("{error}{error:?}").contains("canary"), "{error:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_expanded_or_refused(json in ".{0,64}", depth in 0usize..4) {
            _ = expand(OpenJson::new().depth(depth), &json);
        }

        #[test]
        fn text_is_unchanged_by_expansion(text in ".*") {
            let json = serde_json::to_string(&[&text]).unwrap();
            prop_assert_eq!(expand(OpenJson::new().size(usize::MAX), &json).unwrap(), [format!("k[0]={text}")]);
        }
    }
}
