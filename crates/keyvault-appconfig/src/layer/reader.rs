//! One read of a store.

use std::collections::HashMap;
use std::sync::Arc;

use futures::future::try_join_all;
use keyvault::report::ReferenceStatus;
use keyvault::{Error, ErrorKind, Result};
use tokio::sync::Mutex;

use super::known::{KeyValues, Known, KnownPage, KnownSnapshot};
use crate::client::{AppConfigurationClient, PageToken, Snapshot, SnapshotComposition, SnapshotStatus, check_progress};
use crate::endpoint::Endpoint;
use crate::filter::Selector;
use crate::key_value::KeyValue;
use crate::mapping::{Selection, referenced_snapshot};

/// The selections and the sentinels of a layer.
#[derive(Clone, Debug, Default)]
pub(super) struct ReadPlan {
    pub(super) selections: Vec<PlannedSelection>,
    /// The key and the label of each key-value whose change announces a change of the settings.
    pub(super) sentinels: Vec<(String, Option<String>)>,
}

#[derive(Clone, Debug)]
pub(super) struct PlannedSelection {
    pub(super) selector: Selector,
    pub(super) is_of_feature_flags: bool,
}

impl ReadPlan {
    /// Returns whether a change may change the settings that a read finds. `key` is `None` for a change of a snapshot,
    /// which a read with sentinels does not see.
    pub(super) fn concerns(&self, key: Option<&str>, label: Option<&str>) -> bool {
        let Some(key) = key else { return self.sentinels.is_empty() };
        let is_sentinel = |(one, of): &(String, Option<String>)| one == key && of.as_deref() == label;
        let is_selected = |planned: &&PlannedSelection| planned.selector.may_match(key, label);
        let mut selections = self.selections.iter().filter(is_selected);
        self.sentinels.iter().any(is_sentinel)
            || selections.any(|planned| planned.is_of_feature_flags || self.sentinels.is_empty())
    }

    /// Returns a note for each sentinel that does not exist. A misspelt one would silently hide every change.
    pub(super) fn missing_sentinels(&self, etags: &[Option<String>], endpoint: &Endpoint) -> Vec<String> {
        let missing = self.sentinels.iter().zip(etags).filter(|(_, etag)| etag.is_none());
        let note = |((key, label), _): (&(String, Option<String>), _)| {
            let label = label.as_ref().map_or_else(|| "without a label".to_owned(), |label| format!("label {label}"));
            format!("sentinel does not exist, so no change is seen: key {key} {label} in App Configuration {endpoint}")
        };
        missing.map(note).collect()
    }
}

/// One read of a store through one of its endpoints.
pub(super) struct Reader<'r> {
    pub(super) plan: &'r ReadPlan,
    pub(super) client: &'r AppConfigurationClient,
    pub(super) known: &'r Known,
    /// The snapshots that this read has used. Concurrent selections that refer to one wait for it.
    snapshots: Mutex<HashMap<String, KnownSnapshot>>,
}

/// The result of one read.
pub(super) struct Read {
    pub(super) known: Known,
    /// `None` if nothing changed since the last read.
    pub(super) selections: Option<Vec<Selection>>,
}

/// More key-values than this in one selection are an error: a store that never ends its list must not fill the memory.
const MAX_KEY_VALUES: usize = 100_000;
const MAX_BYTES: usize = 64 << 20;

impl<'r> Reader<'r> {
    pub(super) fn new(plan: &'r ReadPlan, client: &'r AppConfigurationClient, known: &'r Known) -> Self {
        Self { plan, client, known, snapshots: Mutex::default() }
    }

    /// Reads the sentinels, then the pages of all selections concurrently.
    ///
    /// The sentinels come first: a change during the read is then seen by the next one. While none of them changes,
    /// only the feature flags are read.
    pub(super) async fn read(self) -> Result<Read> {
        let sentinels = self.sentinels().await?;
        let is_first = self.known.selections.is_empty();
        let skips_settings = !is_first && !sentinels.is_empty() && sentinels == self.known.sentinels;
        if skips_settings {
            self.snapshots.lock().await.clone_from(&self.known.snapshots);
        }
        let pages = self.plan.selections.iter().enumerate().map(|(number, planned)| {
            let is_skipped = skips_settings && !planned.is_of_feature_flags;
            self.pages(number, planned, is_skipped)
        });
        let (pages, unchanged): (Vec<_>, Vec<bool>) = try_join_all(pages).await?.into_iter().unzip();
        if !is_first
            && unchanged.into_iter().all(|unchanged| unchanged)
            && let Some(snapshots) = self.unchanged_snapshots().await?
        {
            return Ok(Read { known: Known { sentinels, selections: pages, snapshots }, selections: None });
        }
        let mut selections = Vec::with_capacity(pages.len());
        for (planned, pages) in self.plan.selections.iter().zip(&pages) {
            let key_values = self.expanded(planned, pages).await?;
            selections.push(Selection { key_values, is_of_feature_flags: planned.is_of_feature_flags });
        }
        let snapshots = self.snapshots.into_inner();
        Ok(Read { known: Known { sentinels, selections: pages, snapshots }, selections: Some(selections) })
    }

    /// Returns the ETag of each sentinel; `None` for one that does not exist.
    async fn sentinels(&self) -> Result<Vec<Option<String>>> {
        try_join_all((0..self.plan.sentinels.len()).map(|number| self.sentinel(number))).await
    }

    async fn sentinel(&self, number: usize) -> Result<Option<String>> {
        let (key, label) = &self.plan.sentinels[number];
        let known = self.known.sentinels.get(number).cloned().flatten();
        let fetched = match &known {
            Some(etag) => self.client.get_if_changed(key, label.as_deref(), etag).await,
            None => self.client.get(key, label.as_deref()).await.map(Some),
        };
        match fetched {
            Ok(None) => Ok(known),
            Ok(Some(key_value)) => Ok(key_value.etag().map(str::to_owned)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Returns the pages of a selection, and whether they are those of the last read.
    async fn pages(
        &self,
        number: usize,
        planned: &PlannedSelection,
        is_skipped: bool,
    ) -> Result<(Vec<KnownPage>, bool)> {
        let last = self.known.selections.get(number).map(Vec::as_slice).unwrap_or_default();
        if is_skipped {
            return Ok((last.to_vec(), true));
        }
        let pages = match planned.selector.snapshot_name() {
            Some(name) => {
                let key_values = self.snapshot(name).await?;
                vec![KnownPage { at: None, etag: None, key_values, next: None }]
            }
            None => self.list(&planned.selector, |at| self.known.page(number, at)).await?,
        };
        let is_unchanged = pages.len() == last.len()
            && pages.iter().zip(last).all(|(one, other)| Arc::ptr_eq(&one.key_values, &other.key_values));
        Ok((pages, is_unchanged))
    }

    /// Lists key-values, page by page. A page that has not changed since the last read is not transferred again.
    async fn list<'k>(
        &self,
        selector: &Selector,
        known: impl Fn(Option<&PageToken>) -> Option<&'k KnownPage>,
    ) -> Result<Vec<KnownPage>> {
        let (mut pages, mut at, mut count, mut bytes) = (Vec::<KnownPage>::new(), None::<PageToken>, 0, 0);
        loop {
            let last = known(at.as_ref());
            let etag = last.and_then(|page| page.etag.as_deref());
            let mut page = self.client.fetch_page(selector, at.as_ref(), etag).await?;
            // The link in a 304 may have been lost on the way, and the pages behind it must not be.
            if page.items.is_none() && page.next.is_none() && last.is_none_or(|last| last.next.is_some()) {
                page = self.client.fetch_page(selector, at.as_ref(), None).await?;
            }
            let page = match (page.items, last) {
                (None, Some(last)) => KnownPage { next: page.next, ..last.clone() },
                (items, _) => {
                    let key_values = items.unwrap_or_default().into_iter().map(Arc::new).collect();
                    KnownPage { at, etag: page.etag, key_values, next: page.next }
                }
            };
            count += page.key_values.len();
            bytes += size_of_all(&page.key_values);
            check_size(count, bytes)?;
            check_progress(pages.len() + 1, page.at.as_ref(), page.next.as_ref())?;
            at = page.next.clone();
            pages.push(page);
            if at.is_none() {
                return Ok(pages);
            }
        }
    }

    /// Returns the key-values of a selection, with those of a snapshot in place of each reference to it.
    async fn expanded(&self, planned: &PlannedSelection, pages: &[KnownPage]) -> Result<Vec<Arc<KeyValue>>> {
        let selector = &planned.selector;
        // A reference in a snapshot is not followed: .NET does not either, JavaScript does for a selected snapshot.
        let follows = !planned.is_of_feature_flags && selector.snapshot_name().is_none();
        let (mut found, mut bytes) = (Vec::new(), 0);
        for key_value in pages.iter().flat_map(|page| &*page.key_values) {
            if follows && let Some(name) = referenced_snapshot(key_value)? {
                let snapshot = self.snapshot(&name).await;
                let snapshot = snapshot.map_err(|error| error.at(key_value.key(), key_value.place()))?;
                bytes += size_of_all(&snapshot);
                found.extend(snapshot.iter().cloned());
            } else {
                bytes += key_value.size();
                found.push(Arc::clone(key_value));
            }
            // Each of many references can stand for a large snapshot.
            check_size(found.len(), bytes)?;
        }
        let is_empty = pages.iter().all(|page| page.key_values.is_empty());
        if is_empty && !planned.is_of_feature_flags && !selector.is_optional() {
            let clause = format!("selection matches no key-value: {selector}");
            return Err(Error::from_clause(ErrorKind::NotFound, "selection matches no key-value", clause)
                .with_status(ReferenceStatus::OtherReasons)
                .with_help("correct the key filter or the label, or leave the selection out; Selector::optional allows it to be empty"));
        }
        Ok(found)
    }

    /// Returns the snapshots of the last read, or `None` if another snapshot has taken the name of one.
    async fn unchanged_snapshots(&self) -> Result<Option<HashMap<String, KnownSnapshot>>> {
        for (name, known) in &self.known.snapshots {
            if !Arc::ptr_eq(&self.snapshot(name).await?, &known.key_values) {
                return Ok(None);
            }
        }
        Ok(Some(self.snapshots.lock().await.clone()))
    }

    /// Returns the key-values of a snapshot. They never change, but the name may be that of another snapshot by now.
    async fn snapshot(&self, name: &str) -> Result<KeyValues> {
        let mut snapshots = self.snapshots.lock().await;
        if let Some(read) = snapshots.get(name) {
            return Ok(Arc::clone(&read.key_values));
        }
        let snapshot = self.fetch_snapshot(name, self.known.snapshots.get(name)).await?;
        let key_values = Arc::clone(&snapshot.key_values);
        snapshots.insert(name.to_owned(), snapshot);
        Ok(key_values)
    }

    /// Fetches a snapshot, unless the one of this name is still that of the last read.
    async fn fetch_snapshot(&self, name: &str, known: Option<&KnownSnapshot>) -> Result<KnownSnapshot> {
        let snapshot = match known.and_then(|known| Some((known, known.etag.as_ref()?))) {
            Some((known, etag)) => match self.client.get_snapshot_if_changed(name, etag).await? {
                Some(snapshot) => snapshot,
                None => return Ok(known.clone()),
            },
            None => self.client.get_snapshot(name).await?,
        };
        check_snapshot(&snapshot)?;
        let (etag, created) = (snapshot.etag().map(str::to_owned), snapshot.created());
        // Archiving changes the ETag and not the content.
        let is_same = |known: &&KnownSnapshot| known.created.is_some() && known.created == created;
        let key_values = match known.filter(is_same) {
            Some(known) => Arc::clone(&known.key_values),
            None => {
                let pages = self.list(&Selector::snapshot(name), |_| None).await?;
                pages.iter().flat_map(|page| page.key_values.iter().cloned()).collect()
            }
        };
        Ok(KnownSnapshot { etag, created, key_values })
    }
}

/// Checks that a snapshot has each key once and can be read. The list of one that does not exist is empty.
fn check_snapshot(snapshot: &Snapshot) -> Result<()> {
    if snapshot.composition() != SnapshotComposition::Key {
        return Err(Error::new(ErrorKind::Invalid, "snapshot may have a key several times")
            .with_help("create the snapshot with the composition type key"));
    }
    match snapshot.status() {
        SnapshotStatus::Provisioning => Err(Error::new(ErrorKind::Unavailable, "snapshot is not ready")),
        SnapshotStatus::Failed => Err(Error::new(ErrorKind::NotFound, "snapshot could not be created")
            .with_status(ReferenceStatus::OtherReasons)
            .with_help("create the snapshot under another name")),
        _ => Ok(()),
    }
}

fn size_of_all(key_values: &[Arc<KeyValue>]) -> usize {
    key_values.iter().map(|one| one.size()).sum()
}

/// Checks the number of key-values of a selection and the size of their texts.
fn check_size(count: usize, bytes: usize) -> Result<()> {
    if count > MAX_KEY_VALUES || bytes > MAX_BYTES {
        return Err(Error::new(ErrorKind::InvalidSettings, "store has more key-values than the limit")
            .with_help("select fewer keys: a selection has at most 100,000 key-values and 64 MiB"));
    }
    Ok(())
}
