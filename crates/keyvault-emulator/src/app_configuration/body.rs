//! Key-values and snapshots as JSON, with the selected fields in the order of the service.

use std::time::Duration;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::api_version::ApiVersion;
use super::create_snapshot::SnapshotFilter;
use super::date;
use super::fields::Fields;
use super::key_value::KeyValue;
use super::snapshot::{Snapshot, Status};

/// Writes the bodies of one response.
#[derive(Clone, Copy)]
pub(super) struct BodyWriter<'a> {
    pub(super) fields: &'a Fields,
    pub(super) api: ApiVersion,
    pub(super) now: Duration,
}

impl<'a> BodyWriter<'a> {
    /// Returns a key-value.
    pub(super) fn key_value(self, key_value: &'a KeyValue) -> KeyValueBody<'a> {
        KeyValueBody { writer: self, key_value }
    }

    /// Returns a snapshot.
    pub(super) fn snapshot(self, snapshot: &'a Snapshot) -> SnapshotBody<'a> {
        self.snapshot_with(snapshot, snapshot.status(self.now))
    }

    /// Returns a snapshot with another status.
    pub(super) fn snapshot_with(self, snapshot: &'a Snapshot, status: Status) -> SnapshotBody<'a> {
        SnapshotBody { writer: self, snapshot, status }
    }

    /// Returns whether the response contains a field that a version introduced.
    fn contains(self, field: &str, since: ApiVersion) -> bool {
        self.api >= since && self.fields.contains(field)
    }
}

/// A key-value in a response.
pub(super) struct KeyValueBody<'a> {
    writer: BodyWriter<'a>,
    key_value: &'a KeyValue,
}

impl Serialize for KeyValueBody<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let KeyValueBody { writer, key_value } = self;
        let mut object = Object { map: serializer.serialize_map(None)?, writer: *writer };
        object.field("etag", &key_value.etag)?;
        object.field("key", &key_value.key)?;
        object.field("label", &key_value.label)?;
        object.field("content_type", &key_value.content_type)?;
        object.field("value", &key_value.value)?;
        object.field("tags", &key_value.tags)?;
        object.field("locked", &key_value.locked)?;
        object.field("last_modified", &date::iso(key_value.modified))?;
        object.field_since(ApiVersion::V26_04, "description", &key_value.description)?;
        object.map.end()
    }
}

/// A snapshot in a response.
pub(super) struct SnapshotBody<'a> {
    writer: BodyWriter<'a>,
    snapshot: &'a Snapshot,
    status: Status,
}

impl Serialize for SnapshotBody<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let SnapshotBody { writer, snapshot, status } = self;
        let with_tags = writer.api >= ApiVersion::V23_11;
        let filters: Vec<FilterBody<'_>> =
            snapshot.filters.iter().map(|filter| FilterBody::new(filter, with_tags)).collect();
        let mut object = Object { map: serializer.serialize_map(None)?, writer: *writer };
        object.field("etag", &snapshot.etag)?;
        object.field("name", &snapshot.name)?;
        object.field("status", status.as_str())?;
        object.field("filters", &filters)?;
        object.field("composition_type", &snapshot.composition)?;
        object.field("created", &date::iso(snapshot.created))?;
        if let Some(expires) = snapshot.expires {
            object.field("expires", &date::iso(expires))?;
        }
        object.field("size", &snapshot.size())?;
        object.field("items_count", &snapshot.items.len())?;
        object.field("tags", &snapshot.tags)?;
        object.field("retention_period", &snapshot.retention.as_secs())?;
        object.field_since(ApiVersion::V26_04, "description", &snapshot.description)?;
        object.map.end()
    }
}

/// A filter of a snapshot in a response.
#[derive(Serialize)]
struct FilterBody<'a> {
    key: &'a str,
    label: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tags: Option<&'a [String]>,
}

impl<'a> FilterBody<'a> {
    fn new(filter: &'a SnapshotFilter, with_tags: bool) -> Self {
        let tags = with_tags.then_some(filter.tags.as_slice());
        Self { key: &filter.key, label: filter.label.as_deref(), tags }
    }
}

/// An object that contains the selected fields only.
struct Object<'a, M> {
    map: M,
    writer: BodyWriter<'a>,
}

impl<M: SerializeMap> Object<'_, M> {
    fn field<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), M::Error> {
        self.field_since(ApiVersion::V1, name, value)
    }

    fn field_since<T: Serialize + ?Sized>(&mut self, since: ApiVersion, name: &str, value: &T) -> Result<(), M::Error> {
        if self.writer.contains(name, since) { self.map.serialize_entry(name, value) } else { Ok(()) }
    }
}
