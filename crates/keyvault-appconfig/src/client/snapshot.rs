//! A snapshot: a named, immutable copy of key-values.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::key_value::date;

/// The properties of a snapshot. [`Selector::snapshot`](crate::Selector::snapshot) selects its key-values.
///
/// [Snapshots](https://learn.microsoft.com/azure/azure-app-configuration/concept-snapshots).
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
pub struct Snapshot {
    name: String,
    #[serde(default)]
    status: SnapshotStatus,
    #[serde(default)]
    composition_type: SnapshotComposition,
    #[serde(default)]
    etag: Option<String>,
    #[serde(default, deserialize_with = "date")]
    created: Option<SystemTime>,
    #[serde(default, deserialize_with = "date")]
    expires: Option<SystemTime>,
    #[serde(default)]
    retention_period: u64,
    #[serde(default)]
    size: u64,
    #[serde(default)]
    items_count: u64,
}

/// The state of a snapshot.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum SnapshotStatus {
    /// The store copies the key-values.
    Provisioning,
    /// The snapshot can be read.
    Ready,
    /// The snapshot can be read until it [expires](Snapshot::expires).
    Archived,
    /// The store could not create the snapshot.
    Failed,
    /// A state that this version of the crate does not know.
    #[default]
    #[serde(other)]
    Unknown,
}

/// How a snapshot treats labels.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SnapshotComposition {
    /// Each key occurs once. Of two filters that select it, the later one wins.
    #[default]
    Key,
    /// A key can occur several times, with different labels. A layer cannot read such a snapshot.
    KeyLabel,
    /// A composition that this version of the crate does not know.
    #[serde(other)]
    Unknown,
}

impl Snapshot {
    /// Returns the name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the state.
    pub fn status(&self) -> SnapshotStatus {
        self.status
    }

    /// Returns how the snapshot treats labels.
    pub fn composition(&self) -> SnapshotComposition {
        self.composition_type
    }

    /// Returns the ETag, without quotes. It changes with the state.
    pub fn etag(&self) -> Option<&str> {
        self.etag.as_deref()
    }

    /// Returns the time of its creation.
    pub fn created(&self) -> Option<SystemTime> {
        self.created
    }

    /// Returns the time at which the store removes it. `None` unless it is archived.
    pub fn expires(&self) -> Option<SystemTime> {
        self.expires
    }

    /// Returns how long the store retains it once it is archived.
    pub fn retention(&self) -> Duration {
        Duration::from_secs(self.retention_period)
    }

    /// Returns its size in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Returns the number of its key-values.
    pub fn items_count(&self) -> u64 {
        self.items_count
    }
}

/// The content of a snapshot to create: 1 to 3 filters, and how they are put together.
#[must_use]
#[derive(Clone, Debug, Default, Serialize)]
pub struct NewSnapshot {
    filters: Vec<Filter>,
    composition_type: SnapshotComposition,
    #[serde(skip_serializing_if = "Option::is_none")]
    retention_period: Option<u64>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    tags: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Serialize)]
struct Filter {
    key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<String>,
}

impl NewSnapshot {
    /// Creates the content of a snapshot: the key-values that a key filter selects, with a label or without one.
    pub fn of(key_filter: impl Into<String>, label: Option<&str>) -> Self {
        Self::default().and(key_filter, label)
    }

    /// Adds the key-values that another filter selects. It wins over the filters before. At most three.
    pub fn and(mut self, key_filter: impl Into<String>, label: Option<&str>) -> Self {
        self.filters.push(Filter { key: key_filter.into(), label: label.map(str::to_owned) });
        self
    }

    /// Sets how the snapshot treats labels. Default: [`SnapshotComposition::Key`].
    pub fn composition(mut self, composition: SnapshotComposition) -> Self {
        self.composition_type = composition;
        self
    }

    /// Sets how long the store retains the snapshot once it is archived, in whole seconds. Default: 30 days, 7 in a
    /// free store. 1 hour to 90 days.
    pub fn retention(mut self, retention: Duration) -> Self {
        self.retention_period = Some(retention.as_secs());
        self
    }

    /// Adds a tag to the snapshot.
    pub fn tag(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.tags.insert(name.into(), value.into());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_is_read_from_the_answer_of_a_store() {
        let json = r#"{"etag":"4f6d","name":"release-7","status":"archived","filters":[{"key":"*"}],
            "composition_type":"key_label","created":"2026-11-01T00:00:00+00:00","expires":"2026-12-01T00:00:00+00:00",
            "retention_period":2592000,"size":2000,"items_count":4,"tags":{}}"#;
        let found: Snapshot = serde_json::from_str(json).unwrap();
        assert_eq!((found.name(), found.status()), ("release-7", SnapshotStatus::Archived));
        assert_eq!((found.composition(), found.items_count()), (SnapshotComposition::KeyLabel, 4));
        let month = Duration::from_secs(30 * 24 * 3_600);
        assert_eq!((found.retention(), found.size(), found.etag()), (month, 2_000, Some("4f6d")));
        assert_eq!(found.expires(), found.created().map(|created| created + month));
        let absent: Snapshot = serde_json::from_str(r#"{"name":"a"}"#).unwrap();
        assert_eq!((absent.status(), absent.composition()), (SnapshotStatus::Unknown, SnapshotComposition::Key));
        let unknown = r#"{"name":"a","status":"frozen","composition_type":"key_tag"}"#;
        let unknown: Snapshot = serde_json::from_str(unknown).unwrap();
        assert_eq!((unknown.status(), unknown.composition()), (SnapshotStatus::Unknown, SnapshotComposition::Unknown));
    }

    #[test]
    fn only_what_was_set_is_sent() {
        let hour = Duration::from_millis(3_600_999);
        for (content, expected) in [
            (NewSnapshot::of("*", None), r#"{"filters":[{"key":"*"}],"composition_type":"key"}"#),
            (
                NewSnapshot::of("a*", None)
                    .and("b", Some("prod"))
                    .composition(SnapshotComposition::KeyLabel)
                    .retention(hour)
                    .tag("t", "v"),
                r#"{"filters":[{"key":"a*"},{"key":"b","label":"prod"}],"composition_type":"key_label","retention_period":3600,"tags":{"t":"v"}}"#,
            ),
        ] {
            assert_eq!(serde_json::to_string(&content).unwrap(), expected);
        }
    }
}
