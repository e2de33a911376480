//! The secrets of the last successful load, each with its history.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::SystemTime;

use super::dates::Dates;
use crate::error::Error;
use crate::secret::{Secret, SecretId, SecretName, SecretProperties, SecretVersion, Vault};
use crate::time::Moment;

/// The secrets of the last successful load, each with its history. The next load compares the vaults' answers with it.
///
/// It changes in one step, after the settings of a load were published. A failed load leaves no mark in it.
#[derive(Clone, Default)]
pub(crate) struct KnownSecrets {
    secrets: BTreeMap<SecretId, KnownSecret>,
    absent: BTreeSet<SecretId>,
    mapped: BTreeSet<SecretId>,
    listing: Arc<Listing>,
}

/// The properties that a vault listed, by name.
pub(crate) type Listing = BTreeMap<SecretName, SecretProperties>;

/// One secret with its history.
#[derive(Clone)]
pub(crate) struct KnownSecret {
    secret: Arc<Secret>,
    /// The dates of the certificate in it.
    certificate: Dates,
    /// The version that was in use before, if this process used one.
    pub(super) previous: Option<Arc<Secret>>,
    /// Versions that the vault returned as the latest, the newest last.
    seen: VecDeque<SecretVersion>,
    /// Versions that a server refused, the newest last.
    rejected: VecDeque<SecretVersion>,
    state: VersionState,
    /// Whether the vault returned the version as the latest. A version fetched by its identifier may have a sibling of
    /// the same second.
    pub(super) is_proven: bool,
    /// When the last load began in which the vault showed that the version is the latest.
    read: Moment,
    /// Why the last load failed to read the secret, if the settings keep their version.
    pub(super) failure: Option<Error>,
}

/// How the version in use relates to the version that the vault returns as the latest.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) enum VersionState {
    /// It is the latest.
    #[default]
    Latest,
    /// It is newer than the vault's latest, because the vault went back to an older state.
    Ahead(Option<SecretVersion>),
    /// It precedes the latest, which a server refused.
    Previous,
}

/// The decision about a version that a vault returns as the latest.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verdict {
    /// Use the offered version: it is the latest.
    Take,
    /// Keep the known version: the offered one was the latest before it.
    Keep,
    /// The offered version is older by its date, but a clock may have gone back. If the vault still has the known
    /// version, the vault is right.
    Doubt,
}

impl KnownSecret {
    fn new(secret: Arc<Secret>, read: Moment, is_proven: bool) -> Self {
        let seen = secret.id().version().cloned().into_iter().collect();
        Self {
            certificate: Dates::of_certificate(&secret),
            secret,
            previous: None,
            seen,
            rejected: VecDeque::new(),
            state: VersionState::Latest,
            is_proven,
            read,
            failure: None,
        }
    }

    /// Returns the version in use.
    pub(crate) fn secret(&self) -> &Arc<Secret> {
        &self.secret
    }

    /// Returns when the version in use is valid: by the vault, and by the certificate in it.
    pub(crate) fn dates(&self) -> Dates {
        Dates::of(self.secret.properties()).and(self.certificate)
    }

    /// Returns how the version in use relates to the vault's latest.
    pub(crate) fn state(&self) -> &VersionState {
        &self.state
    }

    /// Returns why the last load failed to read the secret, if the settings keep their version.
    pub(crate) fn failure(&self) -> Option<&Error> {
        self.failure.as_ref()
    }

    /// Returns whether a server refused `version`.
    pub(crate) fn is_rejected(&self, version: Option<&SecretVersion>) -> bool {
        version.is_some_and(|version| self.rejected.contains(version))
    }

    /// Returns whether `version` was the latest at some time.
    pub(crate) fn has_seen(&self, version: &SecretVersion) -> bool {
        self.seen.contains(version)
    }

    /// Decides about a version that the vault returns as the latest.
    ///
    /// Dates have whole seconds, so the vault's order decides between two versions of one second. A known version that
    /// a server refused, or that has expired, is not kept against the vault.
    pub(crate) fn judge(&self, offered: &Secret, now: SystemTime) -> Verdict {
        let (known, offered_version) = (self.secret.properties(), offered.id().version());
        if known.id().version() == offered_version {
            return Verdict::Take;
        }
        if self.is_rejected(offered_version) {
            return Verdict::Keep;
        }
        let is_expired = known.expires().is_some_and(|expires| expires <= now);
        if is_expired || self.is_rejected(known.id().version()) {
            return Verdict::Take;
        }
        match (offered.properties().created(), known.created()) {
            (Some(offered), Some(known)) if offered < known => {}
            _ => return Verdict::Take,
        }
        if offered_version.is_some_and(|version| self.seen.contains(version)) { Verdict::Keep } else { Verdict::Doubt }
    }

    /// Returns whether `other` was certainly created after the known version and was not refused.
    pub(crate) fn is_older_than(&self, other: &Secret) -> bool {
        let (known, created) = (self.secret.properties().created(), other.properties().created());
        known.is_some() && created > known && !self.is_rejected(other.id().version())
    }

    /// Returns when the last load began in which the vault showed that the version is the latest.
    pub(crate) fn read(&self) -> Moment {
        self.read
    }

    fn update(&mut self, secret: Arc<Secret>, state: Option<VersionState>, began: Moment, is_pinned: bool) {
        if let Some(state) = state {
            // A version that was fetched by its identifier may have been replaced long ago.
            if !is_pinned && began.instant > self.read.instant {
                self.read = began;
            }
            self.is_proven = state == VersionState::Latest && !is_pinned;
            if let VersionState::Ahead(Some(offered)) = &state {
                remember(&mut self.seen, offered);
            }
            self.state = state;
        }
        let is_same = secret.id().version() == self.secret.id().version();
        // A store without versions may have another value.
        if !is_same || secret.id().version().is_none() {
            self.certificate = Dates::of_certificate(&secret);
        }
        if is_same {
            self.secret = secret;
            return;
        }
        if let Some(version) = secret.id().version().filter(|version| !self.seen.contains(version)) {
            // A refused version may be valid again next to a new one: two credentials may alternate.
            self.rejected.clear();
            remember(&mut self.seen, version);
        }
        self.previous = Some(std::mem::replace(&mut self.secret, secret));
    }
}

impl KnownSecrets {
    /// Returns what is known of a secret.
    pub(crate) fn get(&self, id: &SecretId) -> Option<&KnownSecret> {
        self.secrets.get(id)
    }

    /// Returns every secret with what is known of it.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&SecretId, &KnownSecret)> {
        self.secrets.iter()
    }

    /// Returns whether the vault answered that it has no such secret.
    pub(crate) fn is_absent(&self, id: &SecretId) -> bool {
        self.absent.contains(id)
    }

    /// Returns whether the name map checks the dates of a secret.
    pub(crate) fn is_mapped(&self, id: &SecretId) -> bool {
        self.mapped.contains(id)
    }

    /// Returns what the default vault listed.
    pub(crate) fn listing(&self) -> &Arc<Listing> {
        &self.listing
    }

    /// Records that a server refused `version`.
    pub(crate) fn reject(&mut self, id: &SecretId, version: &SecretVersion) {
        if let Some(known) = self.secrets.get_mut(id) {
            remember(&mut known.rejected, version);
        }
    }

    /// Forgets which versions of a secret a server refused.
    pub(crate) fn clear_rejected(&mut self, id: &SecretId) {
        if let Some(known) = self.secrets.get_mut(id) {
            known.rejected.clear();
        }
    }

    /// Applies what a load observed that `began` at this time, after its settings were published. The load did not read
    /// the `kept` secrets.
    pub(crate) fn commit(&mut self, observed: Observed, began: Moment, kept: &BTreeSet<SecretId>) {
        // Refused versions and the order of versions stay valid until the vault can be asked again.
        self.secrets.retain(|id, known| {
            let is_read = observed.secrets.contains_key(id);
            known.failure = observed.failures.get(id).filter(|_| !is_read && kept.contains(id)).cloned();
            is_read || known.failure.is_some()
        });
        for (id, secret) in observed.secrets.iter() {
            let is_pinned = observed.pinned.contains(id);
            let new = || KnownSecret::new(Arc::clone(secret), began, !is_pinned);
            let known = self.secrets.entry(id.clone()).or_insert_with(new);
            known.update(Arc::clone(secret), observed.states.get(id).cloned(), began, is_pinned);
        }
        (self.absent, self.mapped) = (observed.absent(), observed.mapped);
        // The same listing stays the same, so that a load finds out whether another one listed anything new.
        if let Some(listing) = observed.listing.filter(|listing| *listing != self.listing) {
            self.listing = listing;
        }
    }
}

/// The observations of one load in the vaults.
#[derive(Default)]
pub(crate) struct Observed {
    /// Shared with the snapshot of the load.
    pub(crate) secrets: Arc<BTreeMap<SecretId, Arc<Secret>>>,
    /// The state of each secret that the vault was asked for.
    pub(crate) states: BTreeMap<SecretId, VersionState>,
    /// The secrets that were fetched by a version.
    pub(crate) pinned: BTreeSet<SecretId>,
    /// The secrets that could not be read.
    pub(crate) failures: BTreeMap<SecretId, Error>,
    pub(crate) listing: Option<Arc<Listing>>,
    /// The vault whose list began and did not end.
    pub(super) listed: Option<Vault>,
    /// The secrets whose dates the name map checks.
    pub(crate) mapped: BTreeSet<SecretId>,
    /// Versions that an event named and the vault does not have yet.
    pub(crate) awaited: BTreeMap<SecretId, BTreeSet<SecretVersion>>,
}

impl Observed {
    /// Returns the secrets that do not exist.
    pub(super) fn absent(&self) -> BTreeSet<SecretId> {
        self.failures.iter().filter(|(_, error)| error.is_missing()).map(|(id, _)| id.clone()).collect()
    }
}

fn remember(versions: &mut VecDeque<SecretVersion>, version: &SecretVersion) {
    if versions.contains(version) {
        return;
    }
    if versions.len() == MAX_VERSIONS {
        versions.pop_front();
    }
    versions.push_back(version.clone());
}

/// More versions than a secret gets between two refreshes.
const MAX_VERSIONS: usize = 8;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::error::ErrorKind;

    const BEGAN: u64 = 1_000_000;

    fn at(second: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(BEGAN + second)
    }

    fn moment() -> Moment {
        Moment { instant: tokio::time::Instant::now(), time: at(0) }
    }

    fn version(number: u64) -> SecretVersion {
        SecretVersion::parse(&format!("{number:032x}")).unwrap()
    }

    fn id() -> SecretId {
        SecretId::parse("https://contoso.vault.azure.net/secrets/a").unwrap()
    }

    fn secret(number: u64, created: u64) -> Arc<Secret> {
        let mut properties = SecretProperties::new(id().with_version(version(number)));
        properties.set_created(at(created));
        Arc::new(Secret::new(properties, "v", at(created)))
    }

    fn commit(known: &mut KnownSecrets, secret: Arc<Secret>) {
        known.commit(
            Observed { secrets: Arc::new([(id(), secret)].into()), ..Observed::default() },
            moment(),
            &BTreeSet::new(),
        );
    }

    #[test]
    fn a_version_is_judged_by_its_date_and_by_the_versions_seen() {
        let mut known = KnownSecrets::default();
        commit(&mut known, secret(1, 10));
        commit(&mut known, secret(2, 20));
        for (offered, verdict, why) in [
            (secret(2, 20), Verdict::Take, "the same"),
            (secret(3, 30), Verdict::Take, "a newer one"),
            (secret(3, 20), Verdict::Take, "another of the same second"),
            (secret(1, 10), Verdict::Keep, "the previous one"),
            (secret(9, 10), Verdict::Doubt, "an older one that was never seen"),
        ] {
            assert_eq!(known.get(&id()).unwrap().judge(&offered, at(50)), verdict, "{why}");
        }
    }

    #[test]
    fn a_refused_version_is_replaced_and_does_not_return() {
        let mut known = KnownSecrets::default();
        commit(&mut known, secret(1, 10));
        commit(&mut known, secret(2, 20));
        known.reject(&id(), &version(2));
        assert_eq!(known.get(&id()).unwrap().judge(&secret(1, 10), at(50)), Verdict::Take);
        commit(&mut known, secret(1, 10));
        assert_eq!(known.get(&id()).unwrap().judge(&secret(2, 20), at(50)), Verdict::Keep);
        assert!(!known.get(&id()).unwrap().is_older_than(&secret(2, 20)));
        assert_eq!(known.get(&id()).unwrap().judge(&secret(3, 30), at(50)), Verdict::Take);
    }

    #[test]
    fn knowledge_of_a_secret_survives_loads_that_cannot_read_it() {
        let mut known = KnownSecrets::default();
        commit(&mut known, secret(1, 10));
        commit(&mut known, secret(2, 20));
        known.reject(&id(), &version(2));
        commit(&mut known, secret(1, 10));
        for _ in 0..2 {
            let failures = [(id(), Error::new(ErrorKind::Unavailable, "down"))].into();
            known.commit(Observed { failures, ..Observed::default() }, moment(), &[id()].into());
            let found = known.get(&id()).unwrap();
            assert!(found.failure.is_some() && found.has_seen(&version(2)));
            assert_eq!(found.judge(&secret(2, 20), at(50)), Verdict::Keep);
        }
        commit(&mut known, secret(3, 30));
        assert!(known.get(&id()).unwrap().failure.is_none());
        known.commit(Observed::default(), moment(), &BTreeSet::new());
        assert!(known.get(&id()).is_none(), "a secret that no setting uses is forgotten");
    }

    #[test]
    fn an_expired_version_is_replaced() {
        let mut known = KnownSecrets::default();
        commit(&mut known, secret(1, 10));
        let mut properties = secret(2, 20).properties().clone();
        properties.set_expires(at(40));
        commit(&mut known, Arc::new(Secret::new(properties, "v", at(20))));
        assert_eq!(known.get(&id()).unwrap().judge(&secret(1, 10), at(39)), Verdict::Keep);
        assert_eq!(known.get(&id()).unwrap().judge(&secret(1, 10), at(40)), Verdict::Take);
    }

    #[test]
    fn the_previous_version_and_the_last_eight_are_remembered() {
        let mut known = KnownSecrets::default();
        for number in 1..=20 {
            commit(&mut known, secret(number, number));
        }
        let found = known.get(&id()).unwrap();
        assert_eq!(found.previous.as_ref().unwrap().id().version(), Some(&version(19)));
        assert!(found.has_seen(&version(13)) && !found.has_seen(&version(12)));
    }
}
