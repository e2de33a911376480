//! JSON, with the comments and last commas that settings files have in practice.

use std::fmt;

use keyvault::Key;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{Entries, Unreadable};

pub(super) fn parse(entries: &mut Entries<'_>) -> Result<(), Unreadable> {
    let plain = without_comments(entries.text);
    let raw: &RawValue =
        serde_json::from_str(&plain).map_err(|error| Unreadable { line: error.line().max(1), clause: "not JSON" })?;
    walk(entries, &plain, &Key::root(), raw, 0)
}

/// Every value is kept as a piece of the text, so that its place in it can be told.
fn walk(entries: &mut Entries<'_>, text: &str, key: &Key, raw: &RawValue, depth: usize) -> Result<(), Unreadable> {
    let json = raw.get();
    let start = json.as_ptr() as usize - text.as_ptr() as usize;
    let line = entries.line(start);
    let unread = |_| Unreadable { line, clause: "not JSON" };
    if depth > DEEPEST {
        return Err(Unreadable { line, clause: "nests too deep" });
    }
    match json.as_bytes().first() {
        Some(b'{') => {
            let Members(members) = serde_json::from_str(json).map_err(unread)?;
            for (name, value) in members {
                walk(entries, text, &key.member(&name), value, depth + 1)?;
            }
        }
        Some(b'[') => {
            let elements: Vec<&RawValue> = serde_json::from_str(json).map_err(unread)?;
            for (index, value) in elements.into_iter().enumerate() {
                walk(entries, text, &key.element(index), value, depth + 1)?;
            }
        }
        Some(b'"') => {
            let string = serde_json::from_str(json).map_err(unread)?;
            entries.string(key.clone(), line, line, string);
        }
        _ => entries.other(key.clone(), line),
    }
    Ok(())
}

const DEEPEST: usize = 128;

/// The members of an object as they stand, those that are given twice too.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

/// Puts spaces in the place of comments and of commas before a closing bracket; every place in the text stays what it is.
fn without_comments(text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    let mut comma = None;
    let mut at = 0;
    while at < bytes.len() {
        let end = match (bytes[at], bytes.get(at + 1)) {
            (b'"', _) => {
                comma = None;
                at = end_of_string(&bytes, at);
                continue;
            }
            (b'/', Some(b'/')) => text[at..].find('\n').map_or(bytes.len(), |length| at + length),
            (b'/', Some(b'*')) => text[at + 2..].find("*/").map_or(bytes.len(), |length| at + length + 4),
            (byte, _) => {
                match (byte, comma) {
                    (b',', _) => comma = Some(at),
                    (b'}' | b']', Some(comma)) => bytes[comma] = b' ',
                    _ => {}
                }
                if !byte.is_ascii_whitespace() && byte != b',' {
                    comma = None;
                }
                at += 1;
                continue;
            }
        };
        bytes[at..end].iter_mut().filter(|byte| **byte != b'\n').for_each(|byte| *byte = b' ');
        at = end;
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

fn end_of_string(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(byte) = bytes.get(at) {
        at += match byte {
            b'\\' => 2,
            b'"' => return at + 1,
            _ => 1,
        };
    }
    bytes.len()
}
