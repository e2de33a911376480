//! The fields of a secret that both the official models and ours have.

use std::collections::BTreeMap;
use std::time::SystemTime;

use azure_core::time::OffsetDateTime;
use keyvault::SecretProperties;
use keyvault::client::DeletedSecret;

#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Model {
    pub(crate) id: String,
    pub(crate) value: Option<String>,
    pub(crate) content_type: Option<String>,
    pub(crate) enabled: bool,
    /// Created, updated, expires, not before, deleted, scheduled purge.
    pub(crate) seconds: [Option<u64>; 6],
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) managed: bool,
    pub(crate) recovery_level: Option<String>,
    pub(crate) recoverable_days: Option<u64>,
    pub(crate) recovery_id: Option<String>,
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

    /// Adds what only a deleted secret has.
    pub(crate) fn deleted(mut self, dates: [Option<OffsetDateTime>; 2], recovery_id: Option<String>) -> Self {
        [self.seconds[4], self.seconds[5]] = dates.map(|time| time.map(official_seconds));
        self.recovery_id = recovery_id;
        self
    }
}

/// Converts an official model. The official models have the same fields but no common trait, and their JSON omits those
/// that a program cannot set.
macro_rules! model_of_official {
    ($secret:expr, $value:expr) => {{
        let secret = $secret;
        let attributes = secret.attributes.unwrap();
        let dates = [attributes.created, attributes.updated, attributes.expires, attributes.not_before, None, None];
        $crate::official_model::Model {
            id: secret.id.unwrap(),
            value: $value,
            content_type: secret.content_type,
            enabled: attributes.enabled.unwrap(),
            seconds: dates.map(|time| time.map($crate::official_model::official_seconds)),
            tags: secret.tags.unwrap_or_default().into_iter().collect(),
            managed: secret.managed.unwrap_or(false),
            recovery_level: attributes.recovery_level.map(|level| level.to_string()),
            recoverable_days: attributes.recoverable_days.map(|days| days.try_into().unwrap()),
            recovery_id: None,
        }
    }};
}

pub(crate) use model_of_official;

pub(crate) fn official_seconds(time: OffsetDateTime) -> u64 {
    time.unix_timestamp().try_into().unwrap()
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
}
