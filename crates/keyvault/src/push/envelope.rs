//! What stands around an event in JSON, read leniently.

use std::fmt;

use serde::Deserializer;
use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// The members of one event that are of use, in either schema.
///
/// [Event Grid's](https://learn.microsoft.com/azure/event-grid/event-schema) and
/// [CloudEvents](https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md) differ in the names of
/// the envelope only, and the documented samples of Key Vault have names and values with spaces around them, and numbers
/// as text: all of it is read, and nothing of it is required here.
#[derive(Debug, Default)]
pub(super) struct Envelope {
    /// Names are trimmed and in lower case, values trimmed.
    members: Vec<(&'static str, String)>,
    data: Vec<(&'static str, String)>,
}

impl Envelope {
    /// Tells the type of the event.
    pub(super) fn kind(&self) -> Option<&str> {
        text(&self.members, "eventtype").or_else(|| text(&self.members, "type"))
    }

    /// Tells when it happened, as text.
    pub(super) fn time(&self) -> Option<&str> {
        text(&self.members, "eventtime").or_else(|| text(&self.members, "time"))
    }

    /// Tells the resource that it happened to, where the envelope tells.
    pub(super) fn topic(&self) -> Option<&str> {
        text(&self.members, "topic").or_else(|| text(&self.members, "source"))
    }

    /// Tells the URL of the object that it is about.
    pub(super) fn object(&self) -> Option<&str> {
        text(&self.data, "id")
    }

    pub(super) fn vault_name(&self) -> Option<&str> {
        text(&self.data, "vaultname")
    }

    pub(super) fn validation_code(&self) -> Option<&str> {
        text(&self.data, "validationcode")
    }
}

fn text<'a>(members: &'a [(&'static str, String)], name: &str) -> Option<&'a str> {
    members.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
}

/// The events of one body: an array of them, or one alone.
#[derive(Debug)]
pub(super) enum Batch {
    Events(Vec<Envelope>),
    TooMany,
}

impl Batch {
    /// Reads a body that is JSON; the error says nothing of the body.
    pub(super) fn parse(json: &[u8], most: usize) -> Option<Self> {
        let mut reader = serde_json::Deserializer::from_slice(json);
        let batch = reader.deserialize_any(BatchVisitor { most }).ok()?;
        reader.end().ok()?;
        Some(batch)
    }
}

struct BatchVisitor {
    most: usize,
}

impl<'de> Visitor<'de> for BatchVisitor {
    type Value = Batch;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("events")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Batch, A::Error> {
        let mut events = Vec::new();
        while let Some(event) = seq.next_element_seed(Loose { depth: 0 })? {
            if events.len() == self.most {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                return Ok(Batch::TooMany);
            }
            events.push(event.into_envelope());
        }
        Ok(Batch::Events(events))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Batch, A::Error> {
        Ok(Batch::Events(vec![Loose { depth: 0 }.visit_map(map)?.into_envelope()]))
    }
}

/// A value of which only known members are kept, two objects deep; what is below is skipped without recursion.
enum Value {
    Text(String),
    Members(Vec<(&'static str, Value)>),
    Nothing,
}

impl Value {
    fn into_envelope(self) -> Envelope {
        let mut envelope = Envelope::default();
        for (name, value) in self.into_members() {
            match value {
                Value::Text(value) => envelope.members.push((name, value)),
                data if name == "data" => {
                    let texts = data.into_members().into_iter().filter_map(|(name, value)| match value {
                        Value::Text(value) => Some((name, value)),
                        _ => None,
                    });
                    envelope.data.extend(texts);
                }
                _ => {}
            }
        }
        envelope
    }

    fn into_members(self) -> Vec<(&'static str, Value)> {
        match self {
            Value::Members(members) => members,
            _ => Vec::new(),
        }
    }
}

#[derive(Clone, Copy)]
struct Loose {
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for Loose {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Loose {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.trim().to_owned()))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Value, E> {
        Ok(Value::Nothing)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Value, E> {
        Ok(Value::Nothing)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Value, E> {
        Ok(Value::Nothing)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Value, E> {
        Ok(Value::Nothing)
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Nothing)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Value::Nothing)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut members = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            match known(&name) {
                Some(name) if self.depth < DEEPEST => {
                    members.push((name, map.next_value_seed(Loose { depth: self.depth + 1 })?));
                }
                _ => _ = map.next_value::<IgnoredAny>()?,
            }
            if members.len() > MOST_MEMBERS {
                return Err(A::Error::custom("a member is repeated"));
            }
        }
        Ok(Value::Members(members))
    }
}

fn known(name: &str) -> Option<&'static str> {
    let name = name.trim();
    KNOWN.into_iter().find(|known| known.eq_ignore_ascii_case(name))
}

const KNOWN: [&str; 10] =
    ["data", "eventtime", "eventtype", "id", "source", "time", "topic", "type", "validationcode", "vaultname"];

/// The event is one object, and its data another.
const DEEPEST: usize = 2;

/// Each of the known ones a few times; more is made to cost memory.
const MOST_MEMBERS: usize = 32;
