//! The filter of events: which of them make a secret due.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::names::NameMap;
use crate::push::{PushEvent, SecretEventKind};
use crate::resolver::{KnownSecrets, SettingLayer, Want};
use crate::secret::{SecretId, Vault};
use crate::settings::SettingChange;
use crate::time::{TokenBucket, TokenRate};

/// Sorts events by the known versions of the secrets in use, and limits how often events cause requests that find
/// nothing new.
pub(super) struct EventFilter {
    /// The default vault, and the map of its secrets.
    mapped: Option<(Vault, NameMap)>,
    /// The layers that stores outside the process keep.
    layers: Arc<[SettingLayer]>,
    known: Arc<KnownSecrets>,
    /// The versions whose expiry caused a request already, near expiry and expiry apart.
    expiries: BTreeSet<(SecretId, bool)>,
    /// How often events may still make a secret due, or everything.
    buckets: BTreeMap<Option<SecretId>, TokenBucket>,
}

/// The part of the settings that an event concerns.
pub(super) enum Relevance {
    Irrelevant,
    Secrets(Vec<(SecretId, Want)>),
    Everything,
}

impl EventFilter {
    /// Creates a filter that knows no secrets yet. `mapped` is the default vault with the map of its
    /// secrets, if there is one.
    pub(super) fn new(mapped: Option<(Vault, NameMap)>, layers: Arc<[SettingLayer]>) -> Self {
        Self { mapped, layers, known: Arc::default(), expiries: BTreeSet::new(), buckets: BTreeMap::new() }
    }

    /// Returns the part of the settings that `event` concerns.
    ///
    /// Secrets of vaults that the program does not allow are never known, and the name map is for the default vault.
    pub(super) fn relevance(&mut self, event: &PushEvent) -> Relevance {
        let event = match event {
            PushEvent::Secret(event) => event,
            PushEvent::Setting(change) => return self.relevance_of_change(change),
            PushEvent::MayHaveLost => return Relevance::Everything,
        };
        let id = event.id.latest();
        let is_new = event.kind == SecretEventKind::NewVersion;
        let want = match event.id.version() {
            Some(version) if is_new => Want { versions: [version.clone()].into(), latest: false },
            _ => Want::latest(),
        };
        match self.known.get(&id) {
            Some(known) => {
                let is_relevant = match event.id.version() {
                    None => true,
                    Some(version) if is_new => !known.has_seen(version),
                    // Only the first expiry event of the version in use counts.
                    Some(_) => {
                        let expiry = (event.id.clone(), event.kind == SecretEventKind::Expired);
                        known.secret().id() == &event.id && self.expiries.insert(expiry)
                    }
                };
                if is_relevant { Relevance::Secrets(vec![(id, want)]) } else { Relevance::Irrelevant }
            }
            None if is_new && self.known.is_absent(&id) => Relevance::Secrets(vec![(id, want)]),
            None if is_new && self.maps(&id) => Relevance::Everything,
            None => Relevance::Irrelevant,
        }
    }

    fn relevance_of_change(&self, change: &SettingChange) -> Relevance {
        let layers = self.layers.iter().filter(|layer| layer.announce(change));
        match layers.map(|layer| (layer.id.clone(), Want::latest())).collect::<Vec<_>>() {
            due if due.is_empty() => Relevance::Irrelevant,
            due => Relevance::Secrets(due),
        }
    }

    /// Returns whether the name map takes a secret that the settings do not use yet.
    fn maps(&self, id: &SecretId) -> bool {
        let is_a_certificate = self.known.listing().get(id.name()).is_some_and(|item| item.managed());
        let takes =
            |(vault, map): &(Vault, NameMap)| *id.vault() == *vault && map.may_take(id.name(), is_a_certificate);
        self.mapped.as_ref().is_some_and(takes)
    }

    /// Returns how long a secret, or everything for `None`, must wait because events made it due too often.
    pub(super) fn pause(&mut self, id: Option<&SecretId>, now: Instant) -> Duration {
        let rate = if id.is_some() { ONE_SECRET } else { EVERYTHING };
        let bucket = self.buckets.entry(id.cloned()).or_insert_with(|| TokenBucket::full(rate, now));
        bucket.take(now).err().unwrap_or_default()
    }

    /// Replaces the known secrets.
    ///
    /// An event that announced a new version is no flood, however many there are: its secret gets a full bucket.
    pub(super) fn learn(&mut self, known: Arc<KnownSecrets>) {
        let is_in_use = |id: &SecretId| known.get(&id.latest()).is_some_and(|secret| secret.secret().id() == id);
        self.expiries.retain(|(id, _)| is_in_use(id));
        let version = |known: &KnownSecrets, id: &SecretId| known.get(id).map(|secret| secret.secret().id().clone());
        let is_relevant = |id: &SecretId| known.get(id).is_some() || known.is_absent(id);
        let is_unchanged = |id: &SecretId| version(&self.known, id) == version(&known, id);
        self.buckets.retain(|id, _| id.as_ref().is_none_or(|id| is_relevant(id) && is_unchanged(id)));
        self.known = known;
    }
}

/// How often events may make one secret due without announcing a new version.
const ONE_SECRET: TokenRate = TokenRate { burst: 5, refill: Duration::from_secs(5) };
/// How often events may cause a full refresh.
const EVERYTHING: TokenRate = TokenRate { burst: 3, refill: Duration::from_secs(20) };
