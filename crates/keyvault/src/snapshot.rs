//! All secrets of one moment.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use crate::held::Listing;
use crate::ids::IdMap;
use crate::key::Key;
use crate::secret::{Secret, SecretId};

/// The secrets that one load used: complete, and never changed afterwards.
///
/// Each stands under the id by which it was asked for; the secret's own id has the version that was found.
#[derive(Clone, Default)]
pub struct Snapshot {
    secrets: IdMap<Arc<Secret>>,
    /// Earlier versions that stayed in use for one setting.
    kept: BTreeMap<(Key, SecretId), Arc<Secret>>,
    /// Secrets that were asked for and do not exist.
    #[cfg_attr(not(feature = "sealed"), expect(dead_code, reason = "read where it is sealed"))]
    absent: BTreeSet<SecretId>,
    /// What the default vault listed, if it was asked to.
    #[cfg_attr(not(feature = "sealed"), expect(dead_code, reason = "read where it is sealed"))]
    listed: Option<Arc<Listing>>,
}

impl Snapshot {
    pub(crate) fn new(secrets: IdMap<Arc<Secret>>, absent: BTreeSet<SecretId>, listed: Option<Arc<Listing>>) -> Self {
        Self { secrets, kept: BTreeMap::new(), absent, listed }
    }

    /// Adds a version that stays in use for the setting at `key`, where `id` was asked for.
    pub(crate) fn keep(&mut self, key: Key, id: SecretId, secret: Arc<Secret>) {
        self.secrets.entry(id.clone()).or_insert_with(|| Arc::clone(&secret));
        self.kept.insert((key, id), secret);
    }

    /// Finds what the setting at `key` has of the secret that was asked for as `id`.
    pub(crate) fn last_good(&self, key: &Key, id: &SecretId) -> Option<&Arc<Secret>> {
        self.kept.get(&(key.clone(), id.clone())).or_else(|| self.secrets.get(id))
    }

    /// Finds the secret that was asked for as `id`.
    pub fn get(&self, id: &SecretId) -> Option<&Secret> {
        self.secrets.get(id).map(|secret| &**secret)
    }

    /// Gives every secret, with the id by which it was asked for, in the order of these ids: they are sorted for it.
    pub fn iter(&self) -> impl Iterator<Item = (&SecretId, &Secret)> {
        let mut secrets: Vec<(&SecretId, &Secret)> = self.secrets.iter().map(|(id, secret)| (id, &**secret)).collect();
        secrets.sort_unstable_by_key(|(id, _)| *id);
        secrets.into_iter()
    }

    /// Gives every secret, in no order.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &Secret> {
        self.secrets.values().map(|secret| &**secret)
    }

    #[cfg(feature = "sealed")]
    pub(crate) fn absent(&self) -> &BTreeSet<SecretId> {
        &self.absent
    }

    #[cfg(feature = "sealed")]
    pub(crate) fn listed(&self) -> Option<&Listing> {
        self.listed.as_deref()
    }

    /// Tells how many secrets there are.
    pub fn len(&self) -> usize {
        self.secrets.len()
    }

    /// Tells whether there are none.
    pub fn is_empty(&self) -> bool {
        self.secrets.is_empty()
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().map(|(_, secret)| secret.id())).finish()
    }
}
