//! The last successful read of a store.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

use crate::client::PageToken;
use crate::key_value::KeyValue;

/// The key-values and ETags of the last successful read, with which the next one asks only for changes.
#[derive(Default)]
pub(super) struct Known {
    /// The ETag of each sentinel; `None` for one that does not exist.
    pub(super) sentinels: Vec<Option<String>>,
    /// The pages of each selection.
    pub(super) selections: Vec<Vec<KnownPage>>,
    /// Each snapshot in use, by its name.
    pub(super) snapshots: HashMap<String, KnownSnapshot>,
}

/// One snapshot, which never changes. Its ETag changes with its state; a snapshot of the same name that was created at
/// another time is another one.
#[derive(Clone)]
pub(super) struct KnownSnapshot {
    pub(super) etag: Option<String>,
    pub(super) created: Option<SystemTime>,
    pub(super) key_values: KeyValues,
}

/// Key-values that reads share.
pub(super) type KeyValues = Arc<[Arc<KeyValue>]>;

/// One page of a list.
#[derive(Clone)]
pub(super) struct KnownPage {
    /// The token that requested the page; `None` for the first one.
    pub(super) at: Option<PageToken>,
    pub(super) etag: Option<String>,
    pub(super) key_values: KeyValues,
    /// The token of the page after this one.
    pub(super) next: Option<PageToken>,
}

impl Known {
    /// Returns the page of a selection that was requested by the same token.
    pub(super) fn page(&self, selection: usize, at: Option<&PageToken>) -> Option<&KnownPage> {
        self.selections.get(selection)?.iter().find(|page| page.at.as_ref() == at)
    }
}
