//! A snapshot: key-values as they were at one time, under a name.
//!
//! See [snapshots](https://learn.microsoft.com/azure/azure-app-configuration/rest-api-snapshot).

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::create_snapshot::{Composition, CreateSnapshot, SnapshotFilter};
use super::etag;
use super::key_value::{KeyValue, Tags};
use super::store::Store;
use super::view::View;

/// A snapshot.
#[derive(Clone, Deserialize, Serialize)]
pub(crate) struct Snapshot {
    pub(super) name: String,
    pub(super) etag: String,
    pub(super) filters: Vec<SnapshotFilter>,
    pub(super) composition: Composition,
    pub(super) retention: Duration,
    pub(super) description: Option<String>,
    pub(super) tags: Tags,
    pub(super) created: Duration,
    pub(super) modified: Duration,
    /// The time from which it can be read.
    pub(super) ready_at: Duration,
    /// The end of the retention of an archived snapshot.
    pub(super) expires: Option<Duration>,
    pub(super) items: Vec<KeyValue>,
}

/// The state of a snapshot.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Status {
    Provisioning,
    Ready,
    Archived,
    Failed,
}

impl Status {
    /// Every status.
    pub(super) const ALL: [Self; 4] = [Self::Provisioning, Self::Ready, Self::Archived, Self::Failed];

    /// Returns the name in requests and responses.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Provisioning => "provisioning",
            Self::Ready => "ready",
            Self::Archived => "archived",
            Self::Failed => "failed",
        }
    }
}

impl Snapshot {
    /// Creates a snapshot from the key-values of a store. It can be read after `transition`.
    pub(super) fn new(name: &str, create: CreateSnapshot, store: &Store, transition: Duration, now: Duration) -> Self {
        let items = items(&create, store);
        Self {
            name: name.to_owned(),
            etag: etag::random(),
            filters: create.filters.into_iter().map(|(written, _)| written).collect(),
            composition: create.composition,
            retention: create.retention,
            description: create.description,
            tags: create.tags,
            created: now,
            modified: now,
            ready_at: now + transition,
            expires: None,
            items,
        }
    }

    /// Returns the status at a time.
    pub(super) fn status(&self, now: Duration) -> Status {
        match self.expires {
            _ if self.ready_at > now => Status::Provisioning,
            _ if self.size() > MAX_SIZE => Status::Failed,
            Some(_) => Status::Archived,
            None => Status::Ready,
        }
    }

    /// Returns whether its key-values can be read.
    pub(super) fn is_readable(&self, now: Duration) -> bool {
        matches!(self.status(now), Status::Ready | Status::Archived)
    }

    /// Returns the number of bytes of its key-values.
    pub(super) fn size(&self) -> usize {
        self.items.iter().map(KeyValue::size).sum()
    }

    /// Archives a snapshot, which is deleted after its retention.
    pub(super) fn archive(&mut self, etag: &str, now: Duration) {
        // A data file can contain any retention.
        self.change(Some(now.saturating_add(self.retention)), etag, now);
    }

    /// Recovers an archived snapshot.
    pub(super) fn recover(&mut self, etag: &str, now: Duration) {
        self.change(None, etag, now);
    }

    fn change(&mut self, expires: Option<Duration>, etag: &str, now: Duration) {
        self.expires = expires;
        self.etag = etag.to_owned();
        self.modified = now;
    }
}

/// Returns the key-values that match, in the order of the service. A later filter has precedence.
fn items(create: &CreateSnapshot, store: &Store) -> Vec<KeyValue> {
    let mut items = BTreeMap::new();
    for (_, filter) in &create.filters {
        for (text, key_value) in store.key_values(filter.keys.common_prefix(), None, View::LATEST) {
            if filter.matches(key_value) {
                let id = match create.composition {
                    Composition::Key => key_value.key.as_str(),
                    Composition::KeyLabel => text,
                };
                items.insert(id.to_owned(), key_value.clone());
            }
        }
    }
    items.into_values().collect()
}

/// The maximum number of bytes of a snapshot's key-values.
const MAX_SIZE: usize = 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::super::api_version::ApiVersion;
    use super::*;

    #[test]
    fn the_retention_of_an_edited_data_file_saturates() {
        let (now, body) = (Duration::from_secs(5), br#"{"filters":[{"key":"*"}]}"#);
        let mut snapshot = Store::default().new_snapshot("s", body, ApiVersion::LATEST, Duration::ZERO, now).unwrap();
        snapshot.retention = Duration::MAX;
        snapshot.archive("etag", now);
        assert_eq!(snapshot.expires, Some(Duration::MAX));
    }
}
