//! How a load gets one secret: from a known version, by the latest version, or by the versions that an event named.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::sync::Arc;

use futures::TryStreamExt;
use futures::future::join_all;
use futures::stream::StreamExt;

use super::cache::Freshness;
use super::fetch_plan::{Source, Want, absent};
use super::known_secrets::{KnownSecret, Verdict, VersionState};
use super::loader::Loader;
use crate::error::{ErrorKind, Result};
use crate::report::ReferenceStatus;
use crate::secret::{Secret, SecretId, SecretProperties, SecretVersion};

impl Loader<'_> {
    /// Reads one secret, as the plan decides.
    pub(super) async fn read(&self, id: &SecretId) -> Result<Arc<Secret>> {
        if id.version().is_some() {
            return self.resolver.get_fresh(id, Freshness::Any).await;
        }
        match self.plan.source(id) {
            Source::Known(secret) => Ok(Arc::clone(secret)),
            Source::Absent => Err(absent(id)),
            Source::Latest => self.read_latest(id).await,
            Source::Versions(want) => self.read_versions(id, want).await,
            Source::Previous(known) => self.read_previous(id, known).await,
        }
    }

    /// Returns the known version of a listed secret, if the list proves that it is still the latest, or if the plan
    /// does not fetch the secret.
    pub(super) fn known(&self, item: &SecretProperties) -> Option<Arc<Secret>> {
        let id = item.id();
        let provable = self.plan.provable(id).filter(|known| self.plan.trusts_list(id) && proves(item, known));
        if let Some(known) = provable {
            self.plan.set_state(id, VersionState::Latest);
            return Some(Arc::clone(known));
        }
        self.plan.recalled(id).map(Arc::clone)
    }

    /// Returns the version that a failed load or another handle fetched, if the list proves that it is the latest.
    pub(super) async fn cached(&self, item: &SecretProperties) -> Option<Arc<Secret>> {
        let id = item.id();
        if !self.plan.trusts_list(id) {
            return None;
        }
        let cached = self.resolver.cached(id).filter(|secret| proves(item, secret))?;
        self.judge(id, cached).await.ok()
    }

    async fn read_latest(&self, id: &SecretId) -> Result<Arc<Secret>> {
        let offered = self.resolver.get_fresh(id, self.freshness).await?;
        self.judge(id, offered).await
    }

    /// Fetches versions by their identifiers, for which no replica of the vault can return an older one. The newest is
    /// the latest, unless the dates leave a doubt: then the vault is asked for the latest.
    async fn read_versions(&self, id: &SecretId, want: &Want) -> Result<Arc<Secret>> {
        let pinned: Vec<SecretId> = want.versions.iter().map(|version| id.with_version(version.clone())).collect();
        let reads = join_all(pinned.iter().map(|pinned| self.resolver.get_fresh(pinned, Freshness::Any))).await;
        let Versions { newest, is_certain, mut missing } = Versions::of(want.versions.iter().zip(reads))?;
        let is_newer = |newest: &Arc<Secret>| self.plan.known(id).is_none_or(|known| known.is_older_than(newest));
        let secret = match newest.filter(|newest| is_certain && !want.latest && is_newer(newest)) {
            Some(newest) => {
                self.plan.set_state(id, VersionState::Latest);
                self.plan.set_pinned(id);
                newest
            }
            None => self.read_latest(id).await?,
        };
        missing.retain(|version| secret.id().version() != Some(version));
        if !missing.is_empty() {
            self.plan.set_awaited(id, missing);
        }
        Ok(secret)
    }

    /// Returns the previous version: the one that this process used, or else the one that the vault lists. The version
    /// in use stays if a server refused every previous one too.
    async fn read_previous(&self, id: &SecretId, known: &KnownSecret) -> Result<Arc<Secret>> {
        let used = known.previous().filter(|previous| !known.is_rejected(previous.id().version()));
        let previous = match used {
            Some(previous) => Some(Arc::clone(previous)),
            None => self.list_previous(known).await?,
        };
        let Some(previous) = previous else {
            return Ok(Arc::clone(known.secret()));
        };
        self.plan.set_state(id, VersionState::Previous);
        Ok(previous)
    }

    async fn list_previous(&self, known: &KnownSecret) -> Result<Option<Arc<Secret>>> {
        let current = known.secret().properties();
        let mut previous: Option<SecretProperties> = None;
        let mut versions = self.resolver.versions(current.id())?.take(MAX_LISTED_VERSIONS);
        while let Some(version) = versions.try_next().await? {
            let is_candidate = version.enabled()
                && version.id().version() != current.id().version()
                && version.created() <= current.created()
                && !known.is_rejected(version.id().version());
            if is_candidate && previous.as_ref().is_none_or(|previous| previous.created() < version.created()) {
                previous = Some(version);
            }
        }
        match previous {
            Some(previous) => self.resolver.get_fresh(previous.id(), Freshness::Any).await.map(Some),
            None => Ok(None),
        }
    }

    /// Returns `offered`, which the vault returned as the latest, or the known version if that is newer.
    async fn judge(&self, id: &SecretId, offered: Arc<Secret>) -> Result<Arc<Secret>> {
        let Some(known) = self.plan.known(id) else {
            return Ok(offered);
        };
        let keep = match known.judge(&offered, self.now()) {
            Verdict::Take => false,
            Verdict::Keep => true,
            Verdict::Doubt => self.was_lost(known).await,
        };
        if !keep {
            self.plan.set_state(id, VersionState::Latest);
            return Ok(offered);
        }
        let state = match known.state() {
            VersionState::Previous => VersionState::Previous,
            _ => VersionState::Ahead(offered.id().version().cloned()),
        };
        self.plan.set_state(id, state);
        Ok(Arc::clone(known.secret()))
    }

    /// Asks the vault for the known version. A disabled version is not lost. In an outage, or if the vault denies
    /// access, nothing is known and the version stays in use.
    async fn was_lost(&self, known: &KnownSecret) -> bool {
        match self.resolver.fetch_uncached(known.secret().id()).await {
            Ok(_) => false,
            Err(error) => !error.is_disabled(),
        }
    }
}

/// The versions of one secret that an event named, as the vault returned them.
struct Versions {
    newest: Option<Arc<Secret>>,
    /// Whether no other version has the date of the newest.
    is_certain: bool,
    missing: BTreeSet<SecretVersion>,
}

impl Versions {
    fn of<'v>(reads: impl Iterator<Item = (&'v SecretVersion, Result<Arc<Secret>>)>) -> Result<Self> {
        let mut versions = Self { newest: None, is_certain: true, missing: BTreeSet::new() };
        for (version, read) in reads {
            match read {
                Ok(secret) => versions.add(secret),
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                Err(error) if error.status() == ReferenceStatus::SecretVersionNotFound => {
                    versions.missing.insert(version.clone());
                }
                Err(_) => {}
            }
        }
        Ok(versions)
    }

    fn add(&mut self, secret: Arc<Secret>) {
        let created = secret.properties().created();
        match self.newest.as_ref().map(|newest| created.cmp(&newest.properties().created())) {
            Some(Ordering::Equal) => self.is_certain = false,
            Some(Ordering::Less) => {}
            Some(Ordering::Greater) | None => self.newest = Some(secret),
        }
    }
}

/// Returns whether a list that shows `item` proves that `secret` is still the latest version.
fn proves(item: &SecretProperties, secret: &Secret) -> bool {
    item.enabled() && secret.is_settled() && secret.properties().same_dates(item)
}

/// Versions of one secret that are listed to find the previous one.
const MAX_LISTED_VERSIONS: usize = 500;
