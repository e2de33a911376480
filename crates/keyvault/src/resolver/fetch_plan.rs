//! The plan of one load: pure decisions on which secrets it fetches, and a record of its observations.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use super::known_secrets::{KnownSecret, KnownSecrets, Observed, VersionState};
use crate::error::{Error, Result};
use crate::secret::{Secret, SecretId, SecretVersion, Vault};

/// The plan of one load: which secrets it fetches. Every other secret counts as read by the previous load.
pub(crate) struct FetchPlan {
    pub(crate) known: Arc<KnownSecrets>,
    /// Whether the load fetches every secret but the excluded ones.
    pub(crate) is_full: bool,
    /// Vaults that a full load leaves out, because they failed while others answered.
    pub(crate) left_out: BTreeSet<Vault>,
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
            left_out: BTreeSet::new(),
            excluded: BTreeSet::new(),
            due,
            reverting: BTreeSet::new(),
            now,
            observed: Mutex::default(),
        }
    }

    /// Returns whether the load fetches every secret of `vault` but the excluded ones.
    pub(crate) fn covers(&self, vault: &Vault) -> bool {
        self.is_full && !self.left_out.contains(vault)
    }

    /// Returns whether the load covers every vault.
    pub(crate) fn is_complete(&self) -> bool {
        self.is_full && self.left_out.is_empty()
    }

    /// Returns whether a list may prove that the secret is unchanged. An event may announce a change that a list does
    /// not show yet.
    pub(super) fn trusts_list(&self, id: &SecretId) -> bool {
        self.covers(id.vault()) && !self.due.contains_key(id)
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
        self.known.get(id).filter(|known| known.failure.is_none())
    }

    /// Returns whether this load fetches a secret that the previous one read.
    pub(crate) fn fetches(&self, id: &SecretId) -> bool {
        let is_covered = self.covers(id.vault()) && !self.excluded.contains(id);
        self.due.contains_key(id) || self.reverting.contains(id) || is_covered
    }

    /// Returns why a secret that this load does not fetch could not be read before.
    pub(super) fn failed_before(&self, id: &SecretId) -> Option<&Error> {
        self.known.get(id).filter(|_| !self.fetches(id)).and_then(|known| known.failure.as_ref())
    }

    /// Moves a load that ended onto newer knowledge, because another refresh ended in the meantime. A repeated load
    /// fetches nothing again: it takes what this one fetched, unless the other refresh found something newer.
    pub(crate) fn rebase(&mut self, known: &Arc<KnownSecrets>) {
        let before = std::mem::replace(&mut self.known, Arc::clone(known));
        let observed = self.observed.get_mut().unwrap_or_else(PoisonError::into_inner);
        let version = |known: &KnownSecrets, id: &SecretId| known.get(id).map(|known| known.secret().id().clone());
        let asked = observed.states.keys().chain(observed.failures.keys()).cloned();
        let overtaken: BTreeSet<SecretId> = asked
            .filter(|id| version(&before, id) != version(known, id))
            .filter(|id| {
                let found = observed.secrets.get(id).zip(known.get(id));
                found.is_none_or(|(found, known)| !known.is_older_than(found))
            })
            .collect();
        for id in &overtaken {
            observed.states.remove(id);
            observed.failures.remove(id);
            observed.pinned.remove(id);
            observed.awaited.remove(id);
            self.due.remove(id);
            self.reverting.remove(id);
        }
        if !Arc::ptr_eq(before.listing(), known.listing()) {
            observed.listing = Some(Arc::clone(known.listing()));
        }
        let states = &observed.states;
        let is_fetched = |id: &SecretId| id.version().is_some() || states.contains_key(id);
        Arc::make_mut(&mut observed.secrets).retain(|id, _| is_fetched(id) && !overtaken.contains(id));
        self.excluded.extend(overtaken);
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
                let error = match error.secret() {
                    // Only the settings of a store depend on any failure of it.
                    _ if id.name().is_of_store() => error.all_about(&id),
                    Some(_) => error,
                    // A store of the application need not name the secret that failed.
                    None => error.about(&id),
                };
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

    /// Returns the known secrets of which this load read a newer version.
    pub(crate) fn renewed(&self) -> BTreeSet<SecretId> {
        let observed = self.observed();
        let is_renewed = |id: &&SecretId| self.known.get(id).is_some() && !self.reverting.contains(*id);
        self.new_versions(&observed).map(|(id, _)| id).filter(is_renewed).cloned().collect()
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

    /// Returns whether an earlier load read a secret, or found that it does not exist.
    pub(crate) fn is_known(&self, id: &SecretId) -> bool {
        self.known.get(id).is_some() || self.known.is_absent(id)
    }

    /// Returns the vaults that this load reads.
    pub(crate) fn vaults(&self) -> BTreeSet<Vault> {
        let observed = self.observed();
        let known = self.known.iter().map(|(id, _)| id).filter(|id| id.version().is_none() && self.fetches(id));
        known.chain(observed.secrets.keys()).chain(observed.failures.keys()).map(SecretId::vault).cloned().collect()
    }

    /// Returns the vaults that this load waited for when it ended: the one whose list did not end, or else those of the
    /// secrets that were not read.
    pub(crate) fn unread(&self) -> BTreeSet<Vault> {
        let observed = self.observed();
        if let Some(vault) = &observed.listed {
            return [vault.clone()].into();
        }
        let is_read = |id: &SecretId| observed.secrets.contains_key(id) || observed.failures.contains_key(id);
        let known = self.known.iter().map(|(id, _)| id).filter(|id| id.version().is_none() && self.fetches(id));
        known.filter(|id| !is_read(id)).map(SecretId::vault).cloned().collect()
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
