//! The JSON of an event, parsed leniently.

use std::fmt;

use serde::Deserializer;
use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// One event as its sender wrote it: the members that matter, in either schema. Each is optional.
///
/// [Event Grid's](https://learn.microsoft.com/azure/event-grid/event-schema) schema and
/// [CloudEvents](https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md) differ only in the
/// names of these members. The documented samples of Key Vault have names and values with spaces around them, so names
/// are compared without spaces and case, and values are trimmed. A member that is not text counts as absent.
#[derive(Debug, Default)]
pub(super) struct RawEvent {
    members: MemberList,
    data: MemberList,
}

/// Known members with their text, in the order of the JSON.
type MemberList = Vec<(&'static str, String)>;

impl RawEvent {
    /// Returns the type of the event.
    pub(super) fn kind(&self) -> Option<&str> {
        text(&self.members, "eventtype").or_else(|| text(&self.members, "type"))
    }

    /// Returns the time of the event.
    pub(super) fn time(&self) -> Option<&str> {
        text(&self.members, "eventtime").or_else(|| text(&self.members, "time"))
    }

    /// Returns the identifier of the Azure resource that sent the event.
    pub(super) fn topic(&self) -> Option<&str> {
        text(&self.members, "topic").or_else(|| text(&self.members, "source"))
    }

    /// Returns the URL of the object that the event is about.
    pub(super) fn object_url(&self) -> Option<&str> {
        text(&self.data, "id")
    }

    pub(super) fn vault_name(&self) -> Option<&str> {
        text(&self.data, "vaultname")
    }

    pub(super) fn validation_code(&self) -> Option<&str> {
        text(&self.data, "validationcode")
    }
}

fn text<'a>(members: &'a MemberList, name: &str) -> Option<&'a str> {
    members.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
}

/// Parses one event or an array of events; `None` if `json` is not valid.
///
/// An element that is not an object is an event without members. The result has at most `limit` + 1 events, so that the
/// caller notices a longer array.
pub(super) fn parse(json: &[u8], limit: usize) -> Option<Vec<RawEvent>> {
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let events = deserializer.deserialize_any(EventsVisitor { limit }).ok()?;
    deserializer.end().ok()?;
    Some(events)
}

struct EventsVisitor {
    limit: usize,
}

impl<'de> Visitor<'de> for EventsVisitor {
    type Value = Vec<RawEvent>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("events")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut events = Vec::new();
        while events.len() <= self.limit {
            let mut event = RawEvent::default();
            if seq.next_element_seed(ValueVisitor::Event(&mut event))?.is_none() {
                return Ok(events);
            }
            events.push(event);
        }
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(events)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        let mut event = RawEvent::default();
        ValueVisitor::Event(&mut event).visit_map(map)?;
        Ok(vec![event])
    }
}

/// Reads any JSON value, and stores the known members at the place where the value stands.
///
/// Everything else, of any depth, is skipped without recursion.
enum ValueVisitor<'e> {
    Event(&'e mut RawEvent),
    Data(&'e mut MemberList),
    Member(&'e mut MemberList, &'static str),
}

impl ValueVisitor<'_> {
    /// Returns the visitor of the member `name`.
    fn member(&mut self, name: &'static str) -> ValueVisitor<'_> {
        match self {
            Self::Event(RawEvent { members, data }) => match name {
                "data" => ValueVisitor::Data(data),
                _ => ValueVisitor::Member(members, name),
            },
            Self::Data(members) | Self::Member(members, _) => ValueVisitor::Member(members, name),
        }
    }
}

impl<'de> DeserializeSeed<'de> for ValueVisitor<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ValueVisitor<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        if let Self::Member(members, name) = self {
            members.push((name, text.trim().to_owned()));
        }
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        let mut known_members = 0;
        while let Some(name) = map.next_key::<String>()? {
            match known(&name) {
                Some(name) if !matches!(self, Self::Member(..)) => {
                    known_members += 1;
                    map.next_value_seed(self.member(name))?;
                }
                _ => _ = map.next_value::<IgnoredAny>()?,
            }
            if known_members > MOST_MEMBERS {
                return Err(A::Error::custom("a member is repeated"));
            }
        }
        Ok(())
    }
}

fn known(name: &str) -> Option<&'static str> {
    let name = name.trim();
    KNOWN.into_iter().find(|known| known.eq_ignore_ascii_case(name))
}

const KNOWN: [&str; 10] =
    ["data", "eventtime", "eventtype", "id", "source", "time", "topic", "type", "validationcode", "vaultname"];

/// The known members of one object: each a few times. The limit bounds the memory that a body costs.
const MOST_MEMBERS: usize = 32;
