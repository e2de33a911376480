//! The fields of a secret that both the official models and ours have.

use std::collections::BTreeMap;
use std::time::SystemTime;

use keyvault::SecretProperties;
use keyvault::client::DeletedSecret;
use serde::Serialize;
use serde_json::Value;

#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Model {
    id: String,
    value: Option<String>,
    content_type: Option<String>,
    enabled: bool,
    /// Created, updated, expires, not before, deleted, scheduled purge.
    seconds: [Option<u64>; 6],
    tags: BTreeMap<String, String>,
    managed: bool,
    recovery_level: Option<String>,
    recoverable_days: Option<u64>,
    recovery_id: Option<String>,
}

impl Model {
    pub(crate) fn of_ours(properties: &SecretProperties, value: Option<&str>) -> Self {
        let dates = [properties.created(), properties.updated(), properties.expires(), properties.not_before()];
        let [created, updated, expires, not_before] = dates.map(|time| time.map(seconds));
        Self {
            id: properties.id().url(),
            value: value.map(str::to_owned),
            content_type: properties.content_type().map(str::to_owned),
            enabled: properties.enabled(),
            seconds: [created, updated, expires, not_before, None, None],
            tags: properties.tags().clone(),
            managed: properties.managed(),
            recovery_level: properties.recovery_level().map(str::to_owned),
            recoverable_days: properties.recoverable_days().map(u64::from),
            recovery_id: None,
        }
    }

    pub(crate) fn of_our_deleted(deleted: &DeletedSecret) -> Self {
        let mut model = Self::of_ours(&deleted.properties, None);
        [model.seconds[4], model.seconds[5]] = [deleted.deleted, deleted.scheduled_purge].map(|time| time.map(seconds));
        model.recovery_id.clone_from(&deleted.recovery_id);
        model
    }

    /// Converts an official model by way of JSON: the official models have the same fields but no common trait.
    pub(crate) fn of_official(model: &impl Serialize) -> Self {
        let model = serde_json::to_value(model).unwrap();
        let attributes = &model["attributes"];
        let dates = ["created", "updated", "exp", "nbf"].map(|name| attributes[name].as_u64());
        let text = |value: &Value| value.as_str().map(str::to_owned);
        Self {
            id: text(&model["id"]).unwrap(),
            value: text(&model["value"]),
            content_type: text(&model["contentType"]),
            enabled: attributes["enabled"].as_bool().unwrap(),
            seconds: [
                dates[0],
                dates[1],
                dates[2],
                dates[3],
                model["deletedDate"].as_u64(),
                model["scheduledPurgeDate"].as_u64(),
            ],
            tags: serde_json::from_value(model["tags"].clone()).unwrap_or_default(),
            managed: model["managed"].as_bool().unwrap_or(false),
            recovery_level: text(&attributes["recoveryLevel"]),
            recoverable_days: attributes["recoverableDays"].as_u64(),
            recovery_id: text(&model["recoveryId"]),
        }
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
}
