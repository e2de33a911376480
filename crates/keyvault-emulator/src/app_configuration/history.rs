//! The states of one key and label over time.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::key_value::KeyValue;

/// The states of one key and label, oldest first. It has at least one.
#[derive(Clone, Default, Deserialize, Serialize)]
#[serde(transparent)]
pub(super) struct History(Vec<Change>);

#[derive(Clone, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum Change {
    Set(KeyValue),
    Deleted { at: Duration },
}

impl Change {
    fn time(&self) -> Duration {
        match self {
            Self::Set(key_value) => key_value.modified,
            Self::Deleted { at } => *at,
        }
    }

    fn key_value(&self) -> Option<&KeyValue> {
        match self {
            Self::Set(key_value) => Some(key_value),
            Self::Deleted { .. } => None,
        }
    }
}

impl History {
    /// Returns the state at a time, or now. `None` if there is no key-value then.
    pub(super) fn at(&self, time: Option<Duration>) -> Option<&KeyValue> {
        let change = self.0.iter().rev().find(|change| time.is_none_or(|time| change.time() <= time))?;
        change.key_value()
    }

    /// Returns the states until a time, newest first, with their numbers. A deletion is no state, and a state whose
    /// retention has ended is not listed unless it is the newest.
    pub(super) fn revisions(&self, time: Option<Duration>, now: Duration) -> impl Iterator<Item = (usize, &KeyValue)> {
        let last = self.0.len() - 1;
        let changes = self.0.iter().enumerate().rev();
        let is_kept = move |at: usize, change: &Change| at == last || change.time() + RETENTION > now;
        changes.filter_map(move |(at, change)| {
            let is_visible = is_kept(at, change) && time.is_none_or(|time| change.time() <= time);
            change.key_value().filter(|_| is_visible).map(|key_value| (at, key_value))
        })
    }

    /// Returns the ETag of the newest state.
    pub(super) fn latest_etag(&self) -> Option<&str> {
        self.0.iter().rev().find_map(Change::key_value).map(|key_value| key_value.etag.as_str())
    }

    /// Adds a state.
    pub(super) fn set(&mut self, key_value: KeyValue) {
        self.0.push(Change::Set(key_value));
    }

    /// Adds a deletion.
    pub(super) fn delete(&mut self, now: Duration) {
        self.0.push(Change::Deleted { at: now });
    }

    /// Returns whether this program could have written the history of a key and label.
    pub(super) fn is_valid(&self, sort_text: &str) -> bool {
        let is_of_key = |change: &Change| change.key_value().is_none_or(|found| found.id().sort_text() == sort_text);
        !self.0.is_empty() && self.0.iter().all(is_of_key)
    }
}

/// The retention of revisions in the standard tier.
///
/// See [revisions](https://learn.microsoft.com/azure/azure-app-configuration/rest-api-revisions).
const RETENTION: Duration = Duration::from_secs(30 * 86_400);
