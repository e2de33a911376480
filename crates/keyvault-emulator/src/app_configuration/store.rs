//! A store: key-values with their revisions, and snapshots.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::api_version::ApiVersion;
use super::create_snapshot::CreateSnapshot;
use super::history::History;
use super::key_value::{KeyId, KeyValue};
use super::problem::Problem;
use super::set_key_value::{SetKeyValue, has_control};
use super::snapshot::Snapshot;
use super::view::{self, View};

/// A store, empty at first. The keys of the histories are the [sort texts](KeyId::sort_text) of key and label.
#[derive(Clone, Default, Deserialize, Serialize)]
pub(crate) struct Store {
    histories: BTreeMap<String, History>,
    pub(super) snapshots: BTreeMap<String, Snapshot>,
    /// The number of changes, which is the sequence number of the sync token.
    sequence: u64,
}

impl Store {
    /// Returns a key-value as it is now.
    pub(crate) fn get(&self, id: &KeyId) -> Option<&KeyValue> {
        self.get_in(id, &View::LATEST)
    }

    /// Returns whether there is or was a key-value with this key and label.
    pub(crate) fn contains(&self, id: &KeyId) -> bool {
        self.histories.contains_key(&id.sort_text())
    }

    /// Returns a key-value in a view.
    pub(super) fn get_in(&self, id: &KeyId, view: &View) -> Option<&KeyValue> {
        self.histories.get(&id.sort_text())?.state(view)
    }

    /// Returns the ETag of a key-value, or that of its last state before it was deleted.
    pub(super) fn latest_etag(&self, id: &KeyId) -> Option<&str> {
        self.histories.get(&id.sort_text())?.latest_etag()
    }

    /// Sets a key-value. Returns the existing one if nothing changes.
    pub(crate) fn set(&mut self, id: &KeyId, set: SetKeyValue, now: Duration) -> Result<&KeyValue, Problem> {
        let existing = self.get(id);
        if !existing.is_some_and(|existing| existing.equals(&set)) {
            let new = KeyValue::new(id, set, now);
            if new.size() > MAX_SIZE {
                return Err(Problem::empty(413));
            }
            self.push(id, Some(new), now);
        }
        self.get(id).ok_or_else(|| Problem::empty(404))
    }

    /// Locks or unlocks a key-value, with a new ETag. `None` if it does not exist.
    pub(crate) fn lock(&mut self, id: &KeyId, locked: bool, etag: &str, now: Duration) -> Option<&KeyValue> {
        let existing = self.get(id)?;
        if existing.locked != locked {
            let new = KeyValue { locked, etag: etag.to_owned(), modified: now, ..existing.clone() };
            self.push(id, Some(new), now);
        }
        self.get(id)
    }

    /// Deletes a key-value and returns it. Its revisions stay. `None` if it does not exist.
    pub(crate) fn delete(&mut self, id: &KeyId, now: Duration) -> Option<KeyValue> {
        let deleted = self.get(id)?.clone();
        self.push(id, None, now);
        Some(deleted)
    }

    /// Returns the key-values in a view whose keys start with `prefix`, after a sort text. Each comes with its sort
    /// text.
    pub(super) fn key_values<'a>(
        &'a self,
        prefix: &'a str,
        after: Option<&'a str>,
        view: View,
    ) -> impl Iterator<Item = (&'a str, &'a KeyValue)> {
        let start = after.filter(|after| *after >= prefix).map_or(Bound::Included(prefix), Bound::Excluded);
        self.histories(prefix, start).filter_map(move |(text, history)| Some((text, history.state(&view)?)))
    }

    /// Returns the revisions in a view of the key-values whose keys start with `prefix`, each with its position: the
    /// sort text of its key-value and the number of its change. They are in the order of the service: by key-value,
    /// newest first.
    pub(super) fn revisions<'a>(
        &'a self,
        prefix: &'a str,
        after: Option<(&'a str, u64)>,
        view: View,
        now: Duration,
    ) -> impl Iterator<Item = ((&'a str, u64), &'a KeyValue)> {
        let start = after.map(|(text, _)| text).filter(|text| *text >= prefix).unwrap_or(prefix);
        self.histories(prefix, Bound::Included(start)).flat_map(move |(text, history)| {
            let is_after = move |number| after.is_none_or(|(last, at)| text != last || number < at);
            let revisions = history.revisions(view, now).filter(move |(number, _)| is_after(*number));
            revisions.map(move |(number, key_value)| ((text, number), key_value))
        })
    }

    /// Creates a snapshot of the key-values that a request body selects, without adding it. It can be read after
    /// `transition`.
    pub(crate) fn new_snapshot(
        &self,
        name: &str,
        body: &[u8],
        api: ApiVersion,
        transition: Duration,
        now: Duration,
    ) -> Result<Snapshot, Problem> {
        if name.is_empty() || name.chars().count() > MAX_SNAPSHOT_NAME || has_control(name) {
            return Err(Problem::invalid("name", ""));
        }
        let create = CreateSnapshot::parse(body, api)?;
        if self.snapshots.contains_key(name) {
            return Err(Problem::already_exists());
        }
        Ok(Snapshot::new(name, create, self, transition, now))
    }

    /// Adds a snapshot.
    pub(crate) fn add_snapshot(&mut self, snapshot: Snapshot) -> &Snapshot {
        self.sequence += 1;
        self.snapshots.entry(snapshot.name.clone()).or_insert(snapshot)
    }

    /// Archives or recovers a snapshot, with a new ETag. `None` if it does not exist.
    pub(crate) fn set_archived(&mut self, name: &str, archived: bool, etag: &str, now: Duration) -> Option<&Snapshot> {
        let snapshot = self.snapshots.get_mut(name)?;
        if archived {
            snapshot.archive(etag, now)
        } else {
            snapshot.recover(etag, now)
        }
        self.sequence += 1;
        Some(snapshot)
    }

    /// Removes the archived snapshots whose retention has ended, as the service does on its own.
    pub(super) fn remove_expired(&mut self, now: Duration) {
        self.snapshots.retain(|_, snapshot| snapshot.expires.is_none_or(|end| end > now));
    }

    /// Returns the value of the header `Sync-Token`.
    ///
    /// See [consistency](https://learn.microsoft.com/azure/azure-app-configuration/rest-api-consistency).
    pub(crate) fn sync_token(&self) -> String {
        view::sync_token(self.sequence)
    }

    /// Returns the value of the header `Sync-Token` after a read.
    pub(super) fn sync_token_of(&self, view: &View) -> String {
        if view.is_latest() {
            return self.sync_token();
        }
        let sequences = self.histories.values().filter_map(|history| history.sequence(view));
        view::sync_token(sequences.max().unwrap_or(0))
    }

    /// Returns whether this program could have written the store.
    pub(super) fn is_valid(&self) -> bool {
        self.histories.iter().all(|(text, history)| history.is_valid(text))
            && self.snapshots.iter().all(|(name, snapshot)| *name == snapshot.name)
    }

    fn histories<'a>(&'a self, prefix: &'a str, start: Bound<&'a str>) -> impl Iterator<Item = (&'a str, &'a History)> {
        let range = self.histories.range::<str, _>((start, Bound::Unbounded));
        let histories = range.map(|(text, history)| (text.as_str(), history));
        histories.take_while(move |(text, _)| text.starts_with(prefix))
    }

    fn push(&mut self, id: &KeyId, state: Option<KeyValue>, now: Duration) {
        self.sequence += 1;
        self.histories.entry(id.sort_text()).or_default().push(state, self.sequence, now);
    }
}

/// The maximum number of bytes of a key-value with its properties.
///
/// See [limits](https://learn.microsoft.com/azure/azure-app-configuration/faq#are-there-any-size-limitations-on-keys-and-values-stored-in-app-configuration).
const MAX_SIZE: usize = 10 * 1024;
/// Characters of a snapshot's name.
const MAX_SNAPSHOT_NAME: usize = 256;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    const NOW: Duration = Duration::from_secs(1_800_000_000);

    fn ids(store: &Store, prefix: &str, size: usize) -> Vec<(String, Option<String>)> {
        let (mut ids, mut after) = (Vec::new(), None::<String>);
        loop {
            let page: Vec<_> = store.key_values(prefix, after.as_deref(), View::LATEST).take(size).collect();
            ids.extend(page.iter().map(|(_, found)| (found.key.clone(), found.label.clone())));
            let Some((text, _)) = page.last() else { return ids };
            after = Some((*text).to_owned());
        }
    }

    #[test]
    fn only_a_name_that_the_service_accepts_names_a_snapshot() {
        let store = Store::default();
        let body = br#"{"filters":[{"key":"*"}]}"#;
        for (name, is_valid) in
            [("", false), ("a/b", true), ("a\n", false), (&"é".repeat(256), true), (&"é".repeat(257), false)]
        {
            let snapshot = store.new_snapshot(name, body, ApiVersion::LATEST, Duration::ZERO, NOW);
            assert_eq!(snapshot.is_ok(), is_valid, "{name}");
        }
    }

    proptest! {
        #[test]
        fn pages_list_each_key_value_once_in_the_order_of_key_and_label(
            changes in proptest::collection::vec(("[ab!]{1,2}", proptest::option::of("[ab!]{1,2}"), any::<bool>()), 0..40),
            prefix in "[ab]{0,2}",
            size in 1..4_usize,
        ) {
            let mut store = Store::default();
            let mut expected = BTreeMap::new();
            for (key, label, is_set) in changes {
                let id = KeyId::new(&key, label.as_deref());
                if is_set {
                    store.set(&id, SetKeyValue::new("v"), NOW).unwrap();
                    expected.insert((key, label), ());
                } else {
                    prop_assert_eq!(store.delete(&id, NOW).is_some(), expected.remove(&(key, label)).is_some());
                }
            }
            let expected: Vec<_> = expected.into_keys().filter(|(key, _)| key.starts_with(&prefix)).collect();
            prop_assert_eq!(ids(&store, &prefix, size), expected);
            prop_assert!(store.is_valid());
        }

        #[test]
        fn a_view_of_a_time_shows_the_state_of_that_time(
            changes in proptest::collection::vec((0..3_u64, any::<bool>()), 1..20),
            at in 0..40_u64,
        ) {
            let (mut store, id) = (Store::default(), KeyId::new("k", None));
            let (mut now, mut expected) = (NOW, None);
            let view = View::at(Some(NOW + Duration::from_secs(at)));
            for (number, (seconds, is_set)) in changes.into_iter().enumerate() {
                now += Duration::from_secs(seconds);
                let value = is_set.then(|| number.to_string());
                match &value {
                    Some(value) => drop(store.set(&id, SetKeyValue::new(value), now).unwrap()),
                    None => drop(store.delete(&id, now)),
                }
                if now <= NOW + Duration::from_secs(at) {
                    expected = value;
                }
            }
            let found = store.get_in(&id, &view).and_then(|found| found.value.clone());
            prop_assert_eq!(found, expected);
        }
    }
}
