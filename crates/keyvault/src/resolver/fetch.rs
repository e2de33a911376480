//! The ways in which a load gets one secret: from a known version, by the latest version, or by the versions that an
//! event named.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::TryStreamExt;
use futures::future::join_all;
use futures::stream::StreamExt;

use super::fetch_plan::Want;
use super::known_secrets::{KnownSecret, Verdict, VersionState};
use super::loader::Loader;
use crate::error::{Error, ErrorKind, Result};
use crate::report::ReferenceStatus;
use crate::secret::{Secret, SecretId, SecretProperties};

impl Loader<'_> {
    /// Reads one secret, as the plan decides.
    pub(super) async fn read(&self, id: &SecretId) -> Result<Arc<Secret>> {
        let plan = self.plan;
        if id.version().is_some() {
            return self.get(id).await;
        }
        if let Some(known) = plan.known.get(id).filter(|_| plan.reverting.contains(id)) {
            return self.read_previous(id, known).await;
        }
        if let Some(want) = plan.due.get(id).filter(|want| !want.versions.is_empty()) {
            return self.read_versions(id, want).await;
        }
        if let Some(error) = plan.failed_before(id) {
            return Err(error.clone());
        }
        match plan.recalled(id) {
            Some(secret) => Ok(Arc::clone(secret)),
            None if !plan.fetches(id) && plan.known.is_absent(id) => {
                Err(Error::new(ErrorKind::NotFound, "secret not found").about(id))
            }
            None => self.read_latest(id).await,
        }
    }

    async fn get(&self, id: &SecretId) -> Result<Arc<Secret>> {
        self.resolver.get_fresh(id, self.freshness).await
    }

    async fn read_latest(&self, id: &SecretId) -> Result<Arc<Secret>> {
        let offered = self.get(id).await?;
        Ok(self.judge(id, offered).await)
    }

    /// Fetches versions by their identifiers, for which no replica of the vault can return an older one. The newest is
    /// the latest, unless the dates leave a doubt: then the vault is asked for the latest.
    async fn read_versions(&self, id: &SecretId, want: &Want) -> Result<Arc<Secret>> {
        let pinned: Vec<SecretId> = want.versions.iter().map(|version| id.with_version(version.clone())).collect();
        let reads = join_all(pinned.iter().map(|pinned| self.get(pinned))).await;
        let (mut found, mut missing) = (Vec::new(), BTreeSet::new());
        for (version, read) in want.versions.iter().zip(reads) {
            match read {
                Ok(secret) => found.push(secret),
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                Err(error) if error.status() == ReferenceStatus::SecretVersionNotFound => {
                    missing.insert(version.clone());
                }
                Err(_) => {}
            }
        }
        let created = |secret: &Arc<Secret>| secret.properties().created();
        found.sort_by_key(created);
        let newest = found.pop().filter(|newest| {
            let is_certain = found.last().is_none_or(|other| created(other) < created(newest));
            let is_newer = self.plan.known.get(id).is_none_or(|known| known.is_older_than(newest));
            is_certain && is_newer && !want.latest
        });
        let secret = match newest {
            Some(newest) => {
                self.plan.set_state(id, VersionState::Latest);
                self.plan.observed().pinned.insert(id.clone());
                newest
            }
            None => self.read_latest(id).await?,
        };
        missing.retain(|version| secret.id().version() != Some(version));
        if !missing.is_empty() {
            self.plan.observed().awaited.insert(id.clone(), missing);
        }
        Ok(secret)
    }

    /// Returns the previous version: the one that this process used, or else the one that the vault lists. The version
    /// in use stays if a server refused every previous one too.
    async fn read_previous(&self, id: &SecretId, known: &KnownSecret) -> Result<Arc<Secret>> {
        let used = known.previous.as_ref().filter(|previous| !known.is_rejected(previous.id().version()));
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
        let versions = self.resolver.store(current.id())?.versions(current.id().name());
        let versions: Vec<SecretProperties> = versions.take(MAX_LISTED_VERSIONS).try_collect().await?;
        let is_candidate = |version: &&SecretProperties| {
            version.enabled()
                && version.id().version() != current.id().version()
                && version.created() <= current.created()
                && !known.is_rejected(version.id().version())
        };
        match versions.iter().rev().filter(is_candidate).max_by_key(|version| version.created()) {
            Some(previous) => self.get(previous.id()).await.map(Some),
            None => Ok(None),
        }
    }

    /// Returns `offered`, which the vault returned as the latest, or the known version if that is newer.
    pub(super) async fn judge(&self, id: &SecretId, offered: Arc<Secret>) -> Arc<Secret> {
        let Some(known) = self.plan.known.get(id) else {
            return offered;
        };
        let keeps_known = match known.judge(&offered, self.plan.now) {
            Verdict::Take => false,
            Verdict::Keep => true,
            // A disabled version is not lost. In an outage, or if the vault denies access, nothing is known and the
            // version stays in use.
            Verdict::Doubt => {
                let known = self.resolver.fetch(known.secret().id()).await;
                known.is_err_and(|error| !error.is_disabled())
            }
        };
        let (state, secret) = match known.state() {
            _ if !keeps_known => (VersionState::Latest, offered),
            VersionState::Previous => (VersionState::Previous, Arc::clone(known.secret())),
            _ => (VersionState::Ahead(offered.id().version().cloned()), Arc::clone(known.secret())),
        };
        self.plan.set_state(id, state);
        secret
    }
}

/// Returns whether a list that shows `item` proves that `secret` is still the latest version.
pub(super) fn proves(item: &SecretProperties, secret: &Secret) -> bool {
    item.enabled() && secret.is_settled() && secret.properties().same_dates(item)
}

/// Versions of one secret that are listed to find the previous one.
const MAX_LISTED_VERSIONS: usize = 500;
