//! Events of Event Grid about key-values.

use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::date;
use super::key_value::KeyId;
use super::store::Store;
use crate::random;

/// Returns the event about the latest change of a key-value, in the Event Grid schema: a modification, or a deletion
/// if there is no such key-value.
///
/// See [the schema](https://learn.microsoft.com/azure/event-grid/event-schema-app-configuration).
pub(crate) fn event(store: &Store, id: &KeyId, endpoint: &str, topic: &str, now: Duration) -> Value {
    let existing = store.get(id);
    let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let mut subject = format!("{endpoint}/kv/{}", encode(&id.key));
    let mut data = json!({ "key": id.key, "syncToken": store.sync_token() });
    if let Some(label) = &id.label {
        subject.push_str(&format!("?label={}", encode(label)));
        data["label"] = label.as_str().into();
    }
    if let Some(etag) = store.latest_etag(id) {
        data["etag"] = etag.into();
    }
    json!({
        "id": random::uuid(),
        "topic": topic,
        "subject": subject,
        "data": data,
        "eventType": match existing {
            Some(_) => "Microsoft.AppConfiguration.KeyValueModified",
            None => "Microsoft.AppConfiguration.KeyValueDeleted",
        },
        "eventTime": date::iso(existing.map_or(now, |existing| existing.modified)),
        "dataVersion": "1",
        "metadataVersion": "1",
    })
}
