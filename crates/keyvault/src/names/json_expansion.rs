//! JSON secrets, opened into one setting for each value in them.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use crate::error::{Error, ErrorKind, Result};
use crate::reference::unescaped;
use crate::settings::{Key, MappedContent};

/// How far JSON secrets are opened into settings of their own: see
/// [`NameMap::open_json`](crate::NameMap::open_json).
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
    /// Makes the default limits.
    pub fn new() -> Self {
        Self { depth: 8, keys: 1_000, size: 25 * 1024 }
    }

    /// Sets how many levels of tables and lists become keys. What lies deeper stays one setting, its JSON text.
    ///
    /// Default: 8. At most 32; 0 opens nothing but a JSON string.
    #[must_use]
    pub fn depth(mut self, levels: usize) -> Self {
        self.depth = levels.min(DEEPEST);
        self
    }

    /// Sets how many settings one secret may give; more are an error. Default: 1,000.
    #[must_use]
    pub fn keys(mut self, keys: usize) -> Self {
        self.keys = keys;
        self
    }

    /// Sets how many bytes of JSON one secret may have; more are an error. Default: 25 KiB, the most that Key Vault keeps.
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

/// Each level is a frame on the stack.
const DEEPEST: usize = 32;

/// One value of a JSON secret.
pub(crate) struct ExpandedValue {
    pub(crate) key: Key,
    /// The path to it as it is written in the secret, for people; empty for the whole.
    pub(crate) member: String,
    pub(crate) content: MappedContent,
}

/// Tells whether a content type says JSON: `application/json`, `text/json`, or any type with the suffix `+json`, in any case
/// and with any parameters.
///
/// [RFC 9110](https://www.rfc-editor.org/rfc/rfc9110#name-media-type), [RFC 6839](https://www.rfc-editor.org/rfc/rfc6839#section-3.1).
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
    /// Opens `json` under `key`; `spell` spells members. `null` is absent, as a member that is not there is.
    ///
    /// The text is borrowed all the way down, so that no copy of the secret stays behind in a tree of values.
    pub(crate) fn expand(&self, json: &str, key: &Key, spell: &dyn Fn(&str) -> String) -> Result<Vec<ExpandedValue>> {
        if json.len() > self.size {
            return Err(invalid("JSON secret is larger than is opened").with_help("raise OpenJson::size"));
        }
        let whole: &RawValue = serde_json::from_str(json).map_err(|_| not_json())?;
        let mut opening = Expansion { limits: *self, spell, opened: Vec::new() };
        if whole.get() != "null" {
            opening.walk(whole, key.clone(), String::new(), self.depth)?;
        }
        Ok(opening.opened)
    }
}

struct Expansion<'s> {
    limits: OpenJson,
    spell: &'s dyn Fn(&str) -> String,
    opened: Vec<ExpandedValue>,
}

impl Expansion<'_> {
    fn walk(&mut self, value: &RawValue, key: Key, member: String, levels: usize) -> Result<()> {
        let text = value.get();
        let content = match (text.as_bytes().first(), levels) {
            (Some(b'{'), 1..) => return self.walk_table(value, key, member, levels - 1),
            (Some(b'['), 1..) => return self.walk_list(value, key, member, levels - 1),
            (Some(b'"'), _) => MappedContent::Text(unescaped(text).ok_or_else(not_json)?),
            (Some(b'n'), _) => MappedContent::Null,
            _ => MappedContent::Text(Zeroizing::new(text.to_owned())),
        };
        self.push(ExpandedValue { key, member, content })
    }

    fn walk_table(&mut self, value: &RawValue, key: Key, member: String, levels: usize) -> Result<()> {
        let Members(members) = serde_json::from_str(value.get()).map_err(|_| not_json())?;
        let before = self.opened.len();
        for (name, value) in members.iter().filter(|(_, value)| value.get() != "null") {
            let path = if member.is_empty() { name.clone() } else { format!("{member}.{name}") };
            self.walk(value, key.member(&(self.spell)(name)), path, levels)?;
        }
        // A table of which nothing is there is there itself.
        if self.opened.len() == before {
            self.push(ExpandedValue { key, member, content: MappedContent::EmptyTable })
        } else {
            Ok(())
        }
    }

    fn walk_list(&mut self, value: &RawValue, key: Key, member: String, levels: usize) -> Result<()> {
        let items: Vec<&RawValue> = serde_json::from_str(value.get()).map_err(|_| not_json())?;
        if items.is_empty() {
            return self.push(ExpandedValue { key, member, content: MappedContent::EmptyList });
        }
        for (i, item) in items.into_iter().enumerate() {
            self.walk(item, key.element(i), format!("{member}[{i}]"), levels)?;
        }
        Ok(())
    }

    fn push(&mut self, opened: ExpandedValue) -> Result<()> {
        if self.opened.len() == self.limits.keys {
            return Err(invalid("JSON secret has more values than are opened").with_help("raise OpenJson::keys"));
        }
        self.opened.push(opened);
        Ok(())
    }
}

fn invalid(clause: &'static str) -> Error {
    Error::new(ErrorKind::InvalidSettings, clause)
}

/// The parser's own words show what it stumbled over.
fn not_json() -> Error {
    invalid("secret is not JSON, and its content type says that it is")
        .with_help("make its value JSON or its content type another, or leave out NameMap::open_json")
}

/// The members of a table as they stand there: two of one name are two.
struct Members<'j>(Vec<(String, &'j RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(All)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn open(limits: OpenJson, json: &str) -> Result<Vec<String>> {
        let shown = |opened: ExpandedValue| {
            let content = match opened.content {
                MappedContent::Text(text) => (*text).clone(),
                MappedContent::EmptyTable => "EMPTY TABLE".into(),
                MappedContent::EmptyList => "EMPTY LIST".into(),
                MappedContent::Null => "NULL".into(),
            };
            format!("{}={content}", opened.key)
        };
        let opened = limits.expand(json, &Key::root().member("k"), &|name: &str| name.to_owned())?;
        Ok(opened.into_iter().map(shown).collect())
    }

    #[test]
    fn media_types_that_say_json() {
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
            let opened = open(OpenJson::new(), json);
            if json.contains("0123") {
                assert!(opened.is_err(), "{json}");
            } else {
                assert_eq!(opened.unwrap(), expected, "{json}");
            }
        }
    }

    #[test]
    fn what_lies_too_deep_stays_json() {
        let json = r#"{"a":{"b":{"c":[1, 2]}},"d":"e"}"#;
        for (depth, expected) in [
            (0, &[r#"k={"a":{"b":{"c":[1, 2]}},"d":"e"}"#][..]),
            (1, &[r#"k.a={"b":{"c":[1, 2]}}"#, "k.d=e"]),
            (2, &[r#"k.a.b={"c":[1, 2]}"#, "k.d=e"]),
            (3, &["k.a.b.c=[1, 2]", "k.d=e"]),
            (4, &["k.a.b.c[0]=1", "k.a.b.c[1]=2", "k.d=e"]),
        ] {
            assert_eq!(open(OpenJson::new().depth(depth), json).unwrap(), expected, "{depth}");
        }
    }

    #[test]
    fn limits_are_kept_and_errors_show_nothing() {
        let deep = "[".repeat(200_000) + &"]".repeat(200_000);
        let endless = OpenJson::new().size(usize::MAX);
        assert_eq!(open(endless.depth(usize::MAX), &deep).unwrap().len(), 1, "32 levels and one text");
        let many = format!("[{}]", ["1"; 11].join(","));
        assert!(open(OpenJson::new().keys(10), &many).is_err());
        assert_eq!(open(OpenJson::new().keys(11), &many).unwrap().len(), 11);
        assert!(open(OpenJson::new().size(many.len() - 1), &many).is_err());
        assert!(open(OpenJson::new().size(many.len()), &many).is_ok());
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
            let error = open(OpenJson::new(), json).unwrap_err();
            assert!(!format!("{error}{error:?}").contains("canary"), "{error:?}");
        }
    }

    proptest! {
        #[test]
        fn anything_is_opened_or_refused(json in ".{0,64}", depth in 0usize..4) {
            _ = open(OpenJson::new().depth(depth), &json);
        }

        #[test]
        fn text_comes_out_as_it_went_in(text in ".*") {
            let json = serde_json::to_string(&[&text]).unwrap();
            prop_assert_eq!(open(OpenJson::new().size(usize::MAX), &json).unwrap(), [format!("k[0]={text}")]);
        }
    }
}
