//! JSON with comments and trailing commas, as settings files often have.

use std::fmt;

use keyvault::settings::Key;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::collector::EntryCollector;
use super::problem::SyntaxError;

pub(super) fn parse(collector: &mut EntryCollector<'_>) -> Result<(), SyntaxError> {
    let plain = without_comments(collector.text);
    let raw: &RawValue = serde_json::from_str(&plain)
        .map_err(|error| SyntaxError { line: error.line().max(1), message: "invalid JSON" })?;
    walk(collector, &plain, &Key::root(), raw, 0)
}

/// Walks raw values, which are slices of the text: their address is their position in it.
fn walk(
    collector: &mut EntryCollector<'_>,
    text: &str,
    key: &Key,
    raw: &RawValue,
    depth: usize,
) -> Result<(), SyntaxError> {
    let json = raw.get();
    let start = json.as_ptr() as usize - text.as_ptr() as usize;
    let line = collector.line(start);
    let invalid = |_| SyntaxError { line, message: "invalid JSON" };
    if depth > MAX_DEPTH {
        return Err(SyntaxError { line, message: "nested too deeply" });
    }
    match json.as_bytes().first() {
        Some(b'{') => {
            let Members(members) = serde_json::from_str(json).map_err(invalid)?;
            for (name, value) in members {
                walk(collector, text, &key.member(&name), value, depth + 1)?;
            }
        }
        Some(b'[') => {
            let elements: Vec<&RawValue> = serde_json::from_str(json).map_err(invalid)?;
            for (index, value) in elements.into_iter().enumerate() {
                walk(collector, text, &key.element(index), value, depth + 1)?;
            }
        }
        Some(b'"') => {
            let string = serde_json::from_str(json).map_err(invalid)?;
            collector.string(key.clone(), line, line, string);
        }
        _ => collector.other(key.clone(), line),
    }
    Ok(())
}

const MAX_DEPTH: usize = 128;

/// The members of an object in order, duplicates included.
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

/// Replaces comments and trailing commas by spaces, so that each offset stays the same.
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
