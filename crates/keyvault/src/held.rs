//! What this process holds of each secret.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::SystemTime;

use crate::ids::{Fixed, IdMap, IdSet};
use crate::name::{SecretName, SecretVersion};
use crate::properties::SecretProperties;
use crate::secret::{Secret, SecretId};

/// What the last good reading of the vaults found, by which the next one judges what it is told.
///
/// It changes in one step, after the settings of a reading stand. A reading that came to nothing leaves no mark in it.
#[derive(Clone, Default)]
pub(crate) struct Held {
    holdings: IdMap<Holding>,
    absent: IdSet,
    by_name: IdSet,
    listing: Arc<Listing>,
}

/// What a vault listed, by name.
pub(crate) type Listing = HashMap<SecretName, SecretProperties, Fixed>;

/// What is held of one secret.
#[derive(Clone)]
pub(crate) struct Holding {
    secret: Arc<Secret>,
    previous: Option<Arc<Secret>>,
    /// Versions that the vault called the latest, the newest last.
    seen: VecDeque<SecretVersion>,
    /// Versions that a server refused, the newest last.
    rejected: VecDeque<SecretVersion>,
    standing: Standing,
    /// The vault called it the latest when it was asked; one that was asked for by its version may have been another's
    /// neighbour in the same second.
    is_proven: bool,
    /// The last reading did not get it, and the settings keep what they have.
    is_kept: bool,
}

/// What the version that is held is to the vault.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) enum Standing {
    /// The latest.
    #[default]
    Latest,
    /// Newer than what the vault calls the latest since it went back to an older state.
    Ahead(Option<SecretVersion>),
    /// The one before the latest, which a server refused.
    Previous,
}

/// What is to be believed when a vault names a version as the latest.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Judgement {
    /// It is the latest.
    Take,
    /// It was the latest before the one that is held.
    Keep,
    /// It is older by its date, but a clock may have gone back: a vault that knows the version that is held, too, is right.
    Doubt,
}

impl Holding {
    fn new(secret: Arc<Secret>, is_proven: bool) -> Self {
        let seen = secret.id().version().cloned().into_iter().collect();
        Self {
            secret,
            previous: None,
            seen,
            rejected: VecDeque::new(),
            standing: Standing::Latest,
            is_proven,
            is_kept: false,
        }
    }

    /// Gives the secret.
    pub(crate) fn secret(&self) -> &Arc<Secret> {
        &self.secret
    }

    /// Gives the version that was held before, as far as this process held one.
    pub(crate) fn previous(&self) -> Option<&Arc<Secret>> {
        self.previous.as_ref()
    }

    /// Tells what the version that is held is to the vault.
    pub(crate) fn standing(&self) -> &Standing {
        &self.standing
    }

    /// Tells whether the last reading did not get it, so that nothing is known of it since.
    pub(crate) fn is_kept(&self) -> bool {
        self.is_kept
    }

    /// Tells whether a list that has its dates proves that it is the latest.
    pub(crate) fn is_proven(&self) -> bool {
        self.is_proven
    }

    /// Tells whether a server refused `version`.
    pub(crate) fn is_rejected(&self, version: Option<&SecretVersion>) -> bool {
        version.is_some_and(|version| self.rejected.contains(version))
    }

    /// Tells whether `version` was the latest once.
    pub(crate) fn has_seen(&self, version: &SecretVersion) -> bool {
        self.seen.contains(version)
    }

    /// Judges a version that the vault calls the latest.
    ///
    /// Dates have whole seconds, so two versions of one second are believed in the vault's order. A version that a server
    /// refused, or that has expired, is no longer worth keeping against the vault.
    pub(crate) fn judge(&self, offered: &Secret, now: SystemTime) -> Judgement {
        let (held, offered_version) = (self.secret.properties(), offered.id().version());
        if held.id().version() == offered_version {
            return Judgement::Take;
        }
        if self.is_rejected(offered_version) {
            return Judgement::Keep;
        }
        let is_spent = held.expires().is_some_and(|expires| expires <= now);
        if is_spent || self.is_rejected(held.id().version()) {
            return Judgement::Take;
        }
        match (offered.properties().created(), held.created()) {
            (Some(offered), Some(held)) if offered < held => {}
            _ => return Judgement::Take,
        }
        if offered_version.is_some_and(|version| self.seen.contains(version)) {
            Judgement::Keep
        } else {
            Judgement::Doubt
        }
    }

    /// Tells whether `other` was certainly made after the version that is held.
    pub(crate) fn is_older_than(&self, other: &Secret) -> bool {
        let (held, other_made) = (self.secret.properties().created(), other.properties().created());
        held.is_some() && other_made > held && !self.is_rejected(other.id().version())
    }
}

impl Held {
    /// Finds what is held of a secret.
    pub(crate) fn get(&self, id: &SecretId) -> Option<&Holding> {
        self.holdings.get(id)
    }

    /// Tells how many secrets are held.
    pub(crate) fn len(&self) -> usize {
        self.holdings.len()
    }

    /// Gives what is held of every secret.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&SecretId, &Holding)> {
        self.holdings.iter()
    }

    /// Tells whether a secret was asked for and was not there.
    pub(crate) fn lacks(&self, id: &SecretId) -> bool {
        self.absent.contains(id)
    }

    /// Tells whether the name map looks after the dates of a secret.
    pub(crate) fn is_by_name(&self, id: &SecretId) -> bool {
        self.by_name.contains(id)
    }

    /// Gives what the default vault listed.
    pub(crate) fn listing(&self) -> &Arc<Listing> {
        &self.listing
    }

    /// Remembers that a server refused `version`.
    pub(crate) fn reject(&mut self, id: &SecretId, version: &SecretVersion) {
        if let Some(holding) = self.holdings.get_mut(id) {
            remember(&mut holding.rejected, version);
        }
    }

    /// Forgets what servers refused of a secret.
    pub(crate) fn acquit(&mut self, id: &SecretId) {
        if let Some(holding) = self.holdings.get_mut(id) {
            holding.rejected.clear();
        }
    }

    /// Takes over what a reading found, now that its settings stand; some of them with `kept` secrets, which it did not get.
    pub(crate) fn commit(&mut self, found: Found, kept: &BTreeSet<SecretId>) {
        // What a server refused, and which version followed which, is as true when the vault can be asked again.
        self.holdings.retain(|id, holding| {
            let is_found = found.secrets.contains_key(id);
            let is_kept = !is_found && kept.contains(id);
            holding.is_kept = is_kept;
            is_found || is_kept
        });
        for (id, secret) in found.secrets {
            let is_by_version = found.by_version.contains(&id);
            match self.holdings.entry(id) {
                Entry::Occupied(mut holding) => {
                    let standing = found.standings.get(holding.key()).cloned();
                    holding.get_mut().follow(secret, standing, is_by_version);
                }
                Entry::Vacant(place) => _ = place.insert(Holding::new(secret, !is_by_version)),
            }
        }
        (self.absent, self.by_name) = (found.absent, found.by_name);
        if let Some(listing) = found.listing {
            self.listing = listing;
        }
    }
}

impl Holding {
    fn follow(&mut self, secret: Arc<Secret>, standing: Option<Standing>, is_by_version: bool) {
        if let Some(standing) = standing {
            self.is_proven = standing == Standing::Latest && !is_by_version;
            if let Standing::Ahead(Some(offered)) = &standing {
                remember(&mut self.seen, offered);
            }
            self.standing = standing;
        }
        if secret.id().version() != self.secret.id().version() {
            if let Some(version) = secret.id().version().filter(|version| !self.seen.contains(version)) {
                // What was refused may be right again beside a new version: two credentials take turns.
                self.rejected.clear();
                remember(&mut self.seen, version);
            }
            self.previous = Some(std::mem::replace(&mut self.secret, secret));
        } else {
            self.secret = secret;
        }
    }
}

/// What one reading found.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) secrets: IdMap<Arc<Secret>>,
    /// What those that the vault was asked for are to it.
    pub(crate) standings: IdMap<Standing>,
    /// Those that were asked for by a version.
    pub(crate) by_version: IdSet,
    pub(crate) absent: IdSet,
    pub(crate) listing: Option<Arc<Listing>>,
    /// Those whose dates the name map looks after.
    pub(crate) by_name: IdSet,
    /// Versions of which an event told, and which the vault does not have yet.
    pub(crate) awaited: BTreeMap<SecretId, BTreeSet<SecretVersion>>,
}

impl Found {
    /// Makes room for `secrets`.
    pub(crate) fn of_about(secrets: usize) -> Self {
        let hash = Fixed::default;
        Self {
            secrets: IdMap::with_capacity_and_hasher(secrets, hash()),
            standings: IdMap::with_capacity_and_hasher(secrets, hash()),
            by_name: IdSet::with_capacity_and_hasher(secrets, hash()),
            ..Self::default()
        }
    }
}

fn remember(versions: &mut VecDeque<SecretVersion>, version: &SecretVersion) {
    if versions.contains(version) {
        return;
    }
    if versions.len() == MOST_VERSIONS {
        versions.pop_front();
    }
    versions.push_back(version.clone());
}

/// Versions of one secret that are told apart; who rotates more often than refreshes happen needs no more.
const MOST_VERSIONS: usize = 8;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const BEGAN: u64 = 1_000_000;

    fn at(second: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(BEGAN + second)
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

    fn commit(held: &mut Held, secret: Arc<Secret>) {
        held.commit(Found { secrets: [(id(), secret)].into_iter().collect(), ..Found::default() }, &BTreeSet::new());
    }

    #[test]
    fn a_version_is_judged_by_its_date_and_by_what_was_seen() {
        let mut held = Held::default();
        commit(&mut held, secret(1, 10));
        commit(&mut held, secret(2, 20));
        for (offered, judgement, why) in [
            (secret(2, 20), Judgement::Take, "the same"),
            (secret(3, 30), Judgement::Take, "a newer one"),
            (secret(3, 20), Judgement::Take, "another of the same second"),
            (secret(1, 10), Judgement::Keep, "the one before"),
            (secret(9, 10), Judgement::Doubt, "an older one that was never seen"),
        ] {
            assert_eq!(held.get(&id()).unwrap().judge(&offered, at(50)), judgement, "{why}");
        }
    }

    #[test]
    fn a_version_that_was_refused_gives_way_and_does_not_come_back() {
        let mut held = Held::default();
        commit(&mut held, secret(1, 10));
        commit(&mut held, secret(2, 20));
        held.reject(&id(), &version(2));
        assert_eq!(held.get(&id()).unwrap().judge(&secret(1, 10), at(50)), Judgement::Take);
        commit(&mut held, secret(1, 10));
        assert_eq!(held.get(&id()).unwrap().judge(&secret(2, 20), at(50)), Judgement::Keep);
        assert!(!held.get(&id()).unwrap().is_older_than(&secret(2, 20)));
        assert_eq!(held.get(&id()).unwrap().judge(&secret(3, 30), at(50)), Judgement::Take);
    }

    #[test]
    fn what_is_known_of_a_secret_outlives_readings_that_do_not_get_it() {
        let mut held = Held::default();
        commit(&mut held, secret(1, 10));
        commit(&mut held, secret(2, 20));
        held.reject(&id(), &version(2));
        commit(&mut held, secret(1, 10));
        for _ in 0..2 {
            held.commit(Found::default(), &[id()].into());
            let holding = held.get(&id()).unwrap();
            assert!(holding.is_kept() && holding.has_seen(&version(2)));
            assert_eq!(holding.judge(&secret(2, 20), at(50)), Judgement::Keep);
        }
        commit(&mut held, secret(3, 30));
        assert!(!held.get(&id()).unwrap().is_kept());
        held.commit(Found::default(), &BTreeSet::new());
        assert!(held.get(&id()).is_none(), "what no setting uses is forgotten");
    }

    #[test]
    fn a_version_that_has_expired_gives_way() {
        let mut held = Held::default();
        commit(&mut held, secret(1, 10));
        let mut properties = secret(2, 20).properties().clone();
        properties.set_expires(at(40));
        commit(&mut held, Arc::new(Secret::new(properties, "v", at(20))));
        assert_eq!(held.get(&id()).unwrap().judge(&secret(1, 10), at(39)), Judgement::Keep);
        assert_eq!(held.get(&id()).unwrap().judge(&secret(1, 10), at(40)), Judgement::Take);
    }

    #[test]
    fn the_version_before_is_remembered_and_few_are_told_apart() {
        let mut held = Held::default();
        for number in 1..=20 {
            commit(&mut held, secret(number, number));
        }
        let holding = held.get(&id()).unwrap();
        assert_eq!(holding.previous().unwrap().id().version(), Some(&version(19)));
        assert!(holding.has_seen(&version(13)) && !holding.has_seen(&version(12)));
    }
}
