//! What one load fetches from the vaults: pure decisions, and a record of what the load observed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use super::known_secrets::{KnownSecret, KnownSecrets, Listing, Observed, VersionState};
use crate::error::{Error, ErrorKind, Result};
use crate::secret::{Secret, SecretId, SecretVersion};

/// The plan of one load: which secrets it fetches. Every other secret counts as read by the previous load.
pub(crate) struct FetchPlan {
    known: Arc<KnownSecrets>,
    /// Whether the load fetches every secret but the excluded ones.
    is_full: bool,
    excluded: BTreeSet<SecretId>,
    due: BTreeMap<SecretId, Want>,
    /// Secrets whose previous version replaces the one in use.
    reverting: BTreeSet<SecretId>,
    now: SystemTime,
    observed: Mutex<Observed>,
}

/// What a load wants of a due secret: versions that an event named, or the latest.
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

/// How a load gets one secret.
pub(super) enum Source<'p> {
    /// The previous load read it.
    Known(&'p Arc<Secret>),
    /// The previous load found it absent.
    Absent,
    /// Fetch the latest version.
    Latest,
    /// Fetch these versions and use the newest.
    Versions(&'p Want),
    /// Replace the version in use by the previous one.
    Previous(&'p KnownSecret),
}

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

    /// Adds due secrets to a full plan, each fetched as it is wanted.
    pub(crate) fn with_due(mut self, due: BTreeMap<SecretId, Want>) -> Self {
        self.due.extend(due);
        self
    }

    /// Excludes secrets that have a schedule of their own.
    pub(crate) fn excluding(mut self, excluded: BTreeSet<SecretId>) -> Self {
        self.excluded = excluded;
        self
    }

    /// Replaces the versions in use by the previous ones, for secrets that have a previous version.
    pub(crate) fn reverting(mut self, secrets: BTreeSet<SecretId>) -> Self {
        self.reverting = secrets;
        self
    }

    /// Returns whether this is a full refresh.
    pub(crate) fn is_full(&self) -> bool {
        self.is_full
    }

    /// Returns the due secrets.
    pub(crate) fn due(&self) -> &BTreeMap<SecretId, Want> {
        &self.due
    }

    /// Returns the previous listing, if the vault need not be listed again.
    pub(super) fn listing(&self) -> Option<&Listing> {
        (!self.is_full).then(|| &**self.known.listing())
    }

    /// Returns whether a list may prove that the secret is unchanged. An event may announce a change that a list does
    /// not show yet.
    pub(super) fn trusts_list(&self, id: &SecretId) -> bool {
        self.is_full && !self.due.contains_key(id)
    }

    /// Returns the known version of a secret, if a list may prove that it is still the latest.
    pub(super) fn provable(&self, id: &SecretId) -> Option<&Arc<Secret>> {
        self.read_before(id).filter(|known| known.is_proven()).map(KnownSecret::secret)
    }

    /// Returns the known version of a secret that this load does not fetch.
    ///
    /// A failed load may have read a newer version. It does not count, because the settings built from it were not
    /// published.
    pub(super) fn recalled(&self, id: &SecretId) -> Option<&Arc<Secret>> {
        self.read_before(id).filter(|_| !self.fetches(id)).map(KnownSecret::secret)
    }

    fn read_before(&self, id: &SecretId) -> Option<&KnownSecret> {
        self.known.get(id).filter(|known| !known.is_kept())
    }

    fn fetches(&self, id: &SecretId) -> bool {
        self.due.contains_key(id) || self.reverting.contains(id) || (self.is_full && !self.excluded.contains(id))
    }

    /// Returns what is known of a secret.
    pub(super) fn known(&self, id: &SecretId) -> Option<&KnownSecret> {
        self.known.get(id)
    }

    /// Returns the time at which this load checks the dates of secrets.
    pub(super) fn now(&self) -> SystemTime {
        self.now
    }

    /// Decides how to get a secret without a version.
    pub(super) fn source(&self, id: &SecretId) -> Source<'_> {
        if let Some(known) = self.known.get(id).filter(|_| self.reverting.contains(id)) {
            return Source::Previous(known);
        }
        if let Some(want) = self.due.get(id).filter(|want| !want.versions.is_empty()) {
            return Source::Versions(want);
        }
        if self.fetches(id) {
            return Source::Latest;
        }
        match self.recalled(id) {
            Some(secret) => Source::Known(secret),
            None if self.known.is_absent(id) => Source::Absent,
            None => Source::Latest,
        }
    }

    /// Records how the version in use relates to the vault's latest.
    pub(super) fn set_state(&self, id: &SecretId, state: VersionState) {
        self.observed().states.insert(id.clone(), state);
    }

    /// Records that a secret was fetched by a version, which is the latest.
    pub(super) fn set_pinned(&self, id: &SecretId) {
        self.observed().pinned.insert(id.clone());
    }

    /// Records the versions that an event named and the vault does not have.
    pub(super) fn set_awaited(&self, id: &SecretId, versions: BTreeSet<SecretVersion>) {
        self.observed().awaited.insert(id.clone(), versions);
    }

    /// Records the result of reading a secret.
    pub(crate) fn set_read(&self, id: &SecretId, result: &Result<Arc<Secret>>) {
        let mut observed = self.observed();
        match result {
            Ok(secret) => _ = Arc::make_mut(&mut observed.secrets).insert(id.clone(), Arc::clone(secret)),
            Err(error) if error.is_missing() => _ = observed.absent.insert(id.clone()),
            Err(_) => {}
        }
    }

    /// Records what the default vault listed.
    pub(super) fn set_listing(&self, listing: &Arc<Listing>) {
        if self.is_full {
            self.observed().listing = Some(Arc::clone(listing));
        }
    }

    /// Records that the name map checks the dates of a secret, and logs a warning about them if it is set to.
    pub(super) fn set_mapped(&self, id: &SecretId) {
        self.observed().mapped.insert(id.clone());
    }

    /// Returns the secret if this load read it.
    pub(super) fn read(&self, id: &SecretId) -> Option<Arc<Secret>> {
        self.observed().secrets.get(id).map(Arc::clone)
    }

    /// Returns whether this load read a secret.
    pub(crate) fn has_read(&self, id: &SecretId) -> bool {
        self.observed().secrets.contains_key(id)
    }

    /// Returns every secret that this load read, and those that do not exist.
    pub(super) fn secrets(&self) -> (Arc<BTreeMap<SecretId, Arc<Secret>>>, BTreeSet<SecretId>) {
        let observed = self.observed();
        (Arc::clone(&observed.secrets), observed.absent.clone())
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
        let Some(listing) = &observed.listing else { return false };
        let was_listed = |id: &SecretId| self.known.listing().get(id.name()).is_some_and(|item| item.id() == id);
        let is_gone = |id: &SecretId| listing.get(id.name()).is_none_or(|item| !item.enabled());
        self.known.iter().any(|(id, _)| id.version().is_none() && was_listed(id) && is_gone(id))
    }

    /// Ends the load and returns everything that it observed.
    pub(crate) fn into_observed(self) -> Observed {
        self.observed.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn observed(&self) -> MutexGuard<'_, Observed> {
        self.observed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the error for a secret that the previous load found absent.
pub(super) fn absent(id: &SecretId) -> Error {
    Error::new(ErrorKind::NotFound, "secret not found").about(id)
}
