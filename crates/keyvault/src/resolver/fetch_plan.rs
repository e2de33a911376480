//! The plan of one load: pure decisions on which secrets it fetches, and a record of its observations.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use super::known_secrets::{KnownSecret, KnownSecrets, Observed, VersionState};
use crate::error::Result;
use crate::secret::{Secret, SecretId, SecretVersion};

/// The plan of one load: which secrets it fetches. Every other secret counts as read by the previous load.
pub(crate) struct FetchPlan {
    pub(crate) known: Arc<KnownSecrets>,
    /// Whether the load fetches every secret but the excluded ones.
    pub(crate) is_full: bool,
    /// Secrets that have a schedule of their own.
    pub(crate) excluded: BTreeSet<SecretId>,
    /// Secrets that are fetched, each as it is wanted.
    pub(crate) due: BTreeMap<SecretId, Want>,
    /// Secrets whose previous version, if there is one, replaces the one in use.
    pub(crate) reverting: BTreeSet<SecretId>,
    /// The time at which this load checks the dates of secrets.
    pub(crate) now: SystemTime,
    pub(crate) observed: Mutex<Observed>,
}

/// The versions of a due secret that a load wants: those that an event named, or the latest.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Want {
    pub(crate) versions: BTreeSet<SecretVersion>,
    pub(crate) latest: bool,
}

impl Want {
    /// Wants the latest version.
    pub(crate) fn latest() -> Self {
        Self { latest: true, ..Self::default() }
    }

    /// Adds what `other` wants. Fetching many versions costs more than it helps, so beyond a few it wants the latest.
    pub(crate) fn join(&mut self, other: Want) {
        self.latest |= other.latest;
        self.versions.extend(other.versions);
        if self.versions.len() > MAX_WANTED_VERSIONS {
            *self = Self::latest();
        }
    }
}

/// Versions of one secret that are fetched individually.
const MAX_WANTED_VERSIONS: usize = 4;

impl FetchPlan {
    /// Creates the plan of a load that fetches every secret.
    pub(crate) fn full(known: Arc<KnownSecrets>, now: SystemTime) -> Self {
        Self { is_full: true, ..Self::partial(known, now, BTreeMap::new()) }
    }

    /// Creates the plan of a load that fetches the `due` secrets and no others.
    pub(crate) fn partial(known: Arc<KnownSecrets>, now: SystemTime, due: BTreeMap<SecretId, Want>) -> Self {
        Self {
            known,
            is_full: false,
            excluded: BTreeSet::new(),
            due,
            reverting: BTreeSet::new(),
            now,
            observed: Mutex::default(),
        }
    }

    /// Returns whether a list may prove that the secret is unchanged. An event may announce a change that a list does
    /// not show yet.
    pub(super) fn trusts_list(&self, id: &SecretId) -> bool {
        self.is_full && !self.due.contains_key(id)
    }

    /// Returns the known version of a secret that this load does not fetch.
    ///
    /// A failed load may have read a newer version. It does not count, because the settings built from it were not
    /// published.
    pub(super) fn recalled(&self, id: &SecretId) -> Option<&Arc<Secret>> {
        self.read_before(id).filter(|_| !self.fetches(id)).map(KnownSecret::secret)
    }

    /// Returns what is known of a secret, if the previous load read it.
    pub(super) fn read_before(&self, id: &SecretId) -> Option<&KnownSecret> {
        self.known.get(id).filter(|known| !known.is_kept)
    }

    /// Returns whether this load fetches a secret that the previous one read.
    pub(super) fn fetches(&self, id: &SecretId) -> bool {
        self.due.contains_key(id) || self.reverting.contains(id) || (self.is_full && !self.excluded.contains(id))
    }

    /// Records how the version in use relates to the vault's latest.
    pub(super) fn set_state(&self, id: &SecretId, state: VersionState) {
        self.observed().states.insert(id.clone(), state);
    }

    /// Records the result of reading a secret.
    pub(crate) fn set_read(&self, id: SecretId, result: Result<Arc<Secret>>) {
        let mut observed = self.observed();
        match result {
            Ok(secret) => _ = Arc::make_mut(&mut observed.secrets).insert(id, secret),
            Err(error) => {
                // A store of the application need not name the secret that failed.
                let error = if error.secret().is_some() { error } else { error.about(&id) };
                observed.failures.insert(id, error);
            }
        }
    }

    /// Returns whether this load read a secret.
    pub(crate) fn has_read(&self, id: &SecretId) -> bool {
        self.observed().secrets.contains_key(id)
    }

    /// Returns how long until the first of the new versions becomes valid, if one is not valid yet.
    pub(crate) fn until_valid(&self) -> Option<Duration> {
        let observed = self.observed();
        let begins = self.new_versions(&observed).filter_map(|(_, secret)| secret.properties().not_before());
        begins.filter_map(|begin| begin.duration_since(self.now).ok()).min()
    }

    /// Returns whether a secret that is not itself due has a new version.
    pub(crate) fn has_other_changes(&self) -> bool {
        let observed = self.observed();
        self.new_versions(&observed).any(|(id, _)| !self.due.contains_key(id))
    }

    fn new_versions<'o>(&self, observed: &'o Observed) -> impl Iterator<Item = (&'o SecretId, &'o Arc<Secret>)> {
        let is_new = |id: &SecretId, secret: &Secret| self.known.get(id).is_none_or(|k| k.secret().id() != secret.id());
        observed.secrets.iter().filter(move |(id, secret)| is_new(id, secret))
    }

    /// Takes the versions that events named and the vault did not have.
    pub(crate) fn take_awaited(&self) -> BTreeMap<SecretId, BTreeSet<SecretVersion>> {
        std::mem::take(&mut self.observed().awaited)
    }

    /// Returns whether a secret that was mapped by name is no longer listed, or was disabled.
    pub(crate) fn has_lost_mapped_secret(&self) -> bool {
        let observed = self.observed();
        let Some(listing) = observed.listing.as_ref().filter(|_| self.is_full) else { return false };
        let was_listed = |id: &SecretId| self.known.listing().get(id.name()).is_some_and(|item| item.id() == id);
        let is_gone = |id: &SecretId| listing.get(id.name()).is_none_or(|item| !item.enabled());
        self.known.iter().any(|(id, _)| id.version().is_none() && was_listed(id) && is_gone(id))
    }

    /// Ends the load and returns everything that it observed.
    pub(crate) fn into_observed(self) -> Observed {
        self.observed.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns what this load observed so far.
    pub(super) fn observed(&self) -> MutexGuard<'_, Observed> {
        self.observed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
