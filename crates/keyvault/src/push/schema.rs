//! The JSON of an event, parsed leniently.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// An event: its known members, and those of its `data`.
pub(super) struct RawEvent<'j> {
    pub(super) members: Parts<'j>,
    pub(super) data: Parts<'j>,
}

impl<'j> RawEvent<'j> {
    /// Parses one event. A value that is not an object is an event without members.
    fn parse(json: &'j RawValue) -> Self {
        let members = Parts::of(json);
        let data = members.get("data").map(Parts::of).unwrap_or_default();
        Self { members, data }
    }
}

/// Parses one event or an array of events; `None` if `json` is not valid.
///
/// The result has at most `MOST_EVENTS` + 1 events, so that the caller notices a longer array.
pub(super) fn parse(json: &[u8]) -> Option<Vec<RawEvent<'_>>> {
    let whole: &RawValue = serde_json::from_slice(json).ok()?;
    Some(match json.first() {
        Some(b'[') => Parts::of(whole).0.into_iter().map(|(_, element)| RawEvent::parse(element)).collect(),
        _ => vec![RawEvent::parse(whole)],
    })
}

/// The known members of an object, or the elements of an array, which have no names.
///
/// The number of parts is bounded. Every other value, of any depth, is skipped without recursion.
#[derive(Default)]
pub(super) struct Parts<'j>(Vec<(Option<&'static str>, &'j RawValue)>);

impl<'j> Parts<'j> {
    /// Returns the parts of `json`; no part unless it is an object or an array.
    fn of(json: &'j RawValue) -> Self {
        serde_json::from_str(json.get()).unwrap_or_default()
    }

    /// Returns the member called `name`, the first if it is repeated.
    fn get(&self, name: &'static str) -> Option<&'j RawValue> {
        self.0.iter().find(|(known, _)| *known == Some(name)).map(|(_, value)| *value)
    }

    /// Returns the trimmed text of a member, unless it is empty.
    pub(super) fn text(&self, name: &'static str) -> Option<String> {
        let text: String = serde_json::from_str(self.get(name)?.get()).ok()?;
        Some(text.trim().to_owned()).filter(|text| !text.is_empty())
    }
}

impl<'de> Deserialize<'de> for Parts<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PartsVisitor)
    }
}

struct PartsVisitor;

impl<'de> Visitor<'de> for PartsVisitor {
    type Value = Parts<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut elements = Parts::default();
        while elements.0.len() <= MOST_EVENTS {
            let Some(element) = seq.next_element()? else { return Ok(elements) };
            elements.0.push((None, element));
        }
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(elements)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Parts::default();
        while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
            let known = KNOWN.into_iter().find(|(written, _)| written.eq_ignore_ascii_case(name.trim()));
            if let Some((_, name)) = known.filter(|(_, name)| members.get(name).is_none()) {
                members.0.push((Some(name), value));
            }
        }
        Ok(members)
    }
}

/// The known members by their names in the schema of Event Grid and in CloudEvents, which are compared without case and
/// spaces, and the one name that both have here.
const KNOWN: [(&str, &str); 14] = [
    ("data", "data"),
    ("eventTime", "time"),
    ("eventType", "type"),
    ("id", "id"),
    ("key", "key"),
    ("label", "label"),
    ("source", "topic"),
    ("subject", "subject"),
    ("syncToken", "syncToken"),
    ("time", "time"),
    ("topic", "topic"),
    ("type", "type"),
    ("validationCode", "validationCode"),
    ("vaultName", "vaultName"),
];

/// The largest [batch of Event Grid](https://learn.microsoft.com/azure/event-grid/delivery-and-retry#output-batching).
pub(super) const MOST_EVENTS: usize = 5_000;
