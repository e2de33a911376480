//! The secrets that one load used.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use super::known_secrets::Listing;
use crate::secret::{Secret, SecretId};
use crate::settings::Key;

/// The secrets that one load used: complete and immutable.
///
/// Each is stored under the identifier by which it was requested; the secret's own identifier has the version that was
/// found.
#[derive(Clone, Default)]
pub struct Snapshot {
    secrets: Arc<BTreeMap<SecretId, Arc<Secret>>>,
    /// Earlier versions that stayed in use for one setting.
    kept: BTreeMap<(Key, SecretId), Arc<Secret>>,
    /// Secrets that were requested and do not exist.
    #[cfg_attr(not(feature = "sealed"), expect(dead_code, reason = "the sealed snapshot reads it"))]
    absent: BTreeSet<SecretId>,
    /// The listing of the default vault, if the load listed it.
    #[cfg_attr(not(feature = "sealed"), expect(dead_code, reason = "the sealed snapshot reads it"))]
    listed: Option<Arc<Listing>>,
}

impl Snapshot {
    pub(crate) fn new(
        secrets: Arc<BTreeMap<SecretId, Arc<Secret>>>,
        absent: BTreeSet<SecretId>,
        listed: Option<Arc<Listing>>,
    ) -> Self {
        Self { secrets, kept: BTreeMap::new(), absent, listed }
    }

    /// Adds a version that stays in use for the setting at `key`, which requested it as `id`.
    pub(super) fn keep(&mut self, key: Key, id: SecretId, secret: Arc<Secret>) {
        if !self.secrets.contains_key(&id) {
            Arc::make_mut(&mut self.secrets).insert(id.clone(), Arc::clone(&secret));
        }
        self.kept.insert((key, id), secret);
    }

    /// Returns the version in use at `key` of the secret that was requested as `id`.
    pub(super) fn last_good(&self, key: &Key, id: &SecretId) -> Option<&Arc<Secret>> {
        self.kept.get(&(key.clone(), id.clone())).or_else(|| self.secrets.get(id))
    }

    /// Returns the secret that was requested as `id`.
    pub fn get(&self, id: &SecretId) -> Option<&Secret> {
        self.secrets.get(id).map(|secret| &**secret)
    }

    /// Returns every secret with the identifier by which it was requested, in the order of these identifiers.
    pub fn iter(&self) -> impl Iterator<Item = (&SecretId, &Secret)> {
        self.secrets.iter().map(|(id, secret)| (id, &**secret))
    }

    #[cfg(feature = "sealed")]
    pub(crate) fn absent(&self) -> &BTreeSet<SecretId> {
        &self.absent
    }

    #[cfg(feature = "sealed")]
    pub(crate) fn listed(&self) -> Option<&Listing> {
        self.listed.as_deref()
    }

    /// Returns the number of secrets.
    pub fn len(&self) -> usize {
        self.secrets.len()
    }

    /// Returns whether there are no secrets.
    pub fn is_empty(&self) -> bool {
        self.secrets.is_empty()
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().map(|(_, secret)| secret.id())).finish()
    }
}
