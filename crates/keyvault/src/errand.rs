//! What a refresh asks the vaults for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use futures::future::join_all;
use futures::{StreamExt, TryStreamExt};

use crate::cache::Freshness;
use crate::error::{Error, ErrorKind, Result};
use crate::held::{Found, Held, Holding, Judgement, Listing, Standing};
use crate::name::SecretVersion;
use crate::named::is_disabled;
use crate::properties::SecretProperties;
use crate::resolver::Resolver;
use crate::secret::{Secret, SecretId};
use crate::status::ReferenceStatus;

/// One way to the vaults: what is asked for anew. Everything else counts as read at the last pass.
pub(crate) struct Errand {
    held: Arc<Held>,
    /// Whether everything is asked for, but for what is spared.
    is_complete: bool,
    spared: BTreeSet<SecretId>,
    due: BTreeMap<SecretId, Wanted>,
    /// Secrets of which the version before is wanted in the place of the one that is held.
    reverting: BTreeSet<SecretId>,
    now: SystemTime,
    found: Mutex<Found>,
}

/// What is wanted of a secret that is due: versions that it is known to have, or else the latest.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Wanted {
    pub(crate) versions: BTreeSet<SecretVersion>,
    pub(crate) latest: bool,
}

impl Wanted {
    /// Wants the latest version.
    pub(crate) fn latest() -> Self {
        Self { latest: true, ..Self::default() }
    }

    /// Wants what both want. More versions than a few cost more than they tell.
    pub(crate) fn join(&mut self, other: Wanted) {
        self.latest |= other.latest;
        self.versions.extend(other.versions);
        if self.versions.len() > MOST_VERSIONS {
            *self = Self::latest();
        }
    }
}

/// Versions of one secret that are fetched each by its name.
const MOST_VERSIONS: usize = 4;
/// Versions of one secret that are listed to find the one before the last.
const MOST_VERSIONS_LISTED: usize = 500;

impl Errand {
    /// Asks for everything.
    pub(crate) fn complete(held: Arc<Held>, now: SystemTime) -> Self {
        Self { is_complete: true, ..Self::partial(held, now, BTreeMap::new()) }
    }

    /// Asks for what is due and for nothing else.
    pub(crate) fn partial(held: Arc<Held>, now: SystemTime, due: BTreeMap<SecretId, Wanted>) -> Self {
        let found = Found::of_about(held.len());
        Self {
            held,
            is_complete: false,
            spared: BTreeSet::new(),
            due,
            reverting: BTreeSet::new(),
            now,
            found: Mutex::new(found),
        }
    }

    /// Asks for `due` in the way that it is wanted.
    pub(crate) fn with_due(mut self, due: BTreeMap<SecretId, Wanted>) -> Self {
        self.due.extend(due);
        self
    }

    /// Does not ask for `spared`, which have a schedule of their own.
    pub(crate) fn sparing(mut self, spared: BTreeSet<SecretId>) -> Self {
        self.spared = spared;
        self
    }

    /// Takes the versions before those that are held, where there are any.
    pub(crate) fn reverting(mut self, secrets: BTreeSet<SecretId>) -> Self {
        self.reverting = secrets;
        self
    }

    /// Tells whether everything is asked for.
    pub(crate) fn is_complete(&self) -> bool {
        self.is_complete
    }

    /// Tells which secrets are due.
    pub(crate) fn due(&self) -> &BTreeMap<SecretId, Wanted> {
        &self.due
    }

    /// Gives the last listing, where the vault need not be listed anew.
    pub(crate) fn listing(&self) -> Option<&Listing> {
        (!self.is_complete).then(|| &**self.held.listing())
    }

    /// Tells whether a list may prove that the secret did not change: not if something is known that a list may not show.
    pub(crate) fn believes_list(&self, id: &SecretId) -> bool {
        self.is_complete && !self.due.contains_key(id)
    }

    /// Gives what is held of a secret, if a list may prove that it is still the latest.
    pub(crate) fn proven(&self, id: &SecretId) -> Option<&Arc<Secret>> {
        self.read_before(id).filter(|holding| holding.is_proven()).map(Holding::secret)
    }

    fn read_before(&self, id: &SecretId) -> Option<&Holding> {
        self.held.get(id).filter(|holding| !holding.is_kept())
    }

    /// Tells how many secrets there were before, which is about how many there will be.
    pub(crate) fn size(&self) -> usize {
        self.held.len()
    }

    /// Tells what time it is for everything that is asked.
    pub(crate) fn now(&self) -> SystemTime {
        self.now
    }

    /// Reads one secret, or tells what was read last if it is not asked for.
    pub(crate) async fn read(&self, resolver: &Resolver, id: &SecretId, fresh: Freshness) -> Result<Arc<Secret>> {
        if id.version().is_some() {
            return resolver.get_fresh(id, Freshness::Any).await;
        }
        if self.reverting.contains(id)
            && let Some(holding) = self.held.get(id)
        {
            return self.revert(resolver, id, holding).await;
        }
        match self.due.get(id) {
            Some(wanted) if !wanted.versions.is_empty() => self.read_versions(resolver, id, wanted, fresh).await,
            None if !self.is_asked_for(id) => self.recall(resolver, id, fresh).await,
            _ => {
                let offered = resolver.get_fresh(id, fresh).await?;
                self.judge(resolver, id, offered).await
            }
        }
    }

    /// Tells whether a secret is asked for anew.
    fn is_asked_for(&self, id: &SecretId) -> bool {
        self.due.contains_key(id) || self.reverting.contains(id) || (self.is_complete && !self.spared.contains(id))
    }

    /// Gives what is held of a secret that is not asked for. A newer one that a failed pass may have read is no news: what
    /// was to come with it did not.
    pub(crate) fn recalled(&self, id: &SecretId) -> Option<&Arc<Secret>> {
        self.read_before(id).filter(|_| !self.is_asked_for(id)).map(Holding::secret)
    }

    async fn recall(&self, resolver: &Resolver, id: &SecretId, fresh: Freshness) -> Result<Arc<Secret>> {
        if let Some(secret) = self.recalled(id) {
            return Ok(Arc::clone(secret));
        }
        if self.held.lacks(id) {
            return Err(Error::new(ErrorKind::NotFound, "secret not found").about(id));
        }
        let offered = resolver.get_fresh(id, fresh).await?;
        self.judge(resolver, id, offered).await
    }

    /// Fetches versions by their names, which no machine of the vault can answer with an older one. The newest is the
    /// latest, unless dates leave a doubt: then the vault is asked.
    async fn read_versions(
        &self,
        resolver: &Resolver,
        id: &SecretId,
        wanted: &Wanted,
        fresh: Freshness,
    ) -> Result<Arc<Secret>> {
        let pinned: Vec<SecretId> = wanted.versions.iter().map(|version| id.with_version(version.clone())).collect();
        let reads = join_all(pinned.iter().map(|pinned| resolver.get_fresh(pinned, Freshness::Any))).await;
        let mut newest: Option<Arc<Secret>> = None;
        let mut is_certain = !wanted.latest;
        let mut missing = BTreeSet::new();
        for (read, version) in reads.into_iter().zip(&wanted.versions) {
            match read {
                Ok(secret) => {
                    let created = secret.properties().created();
                    match newest.as_ref().map(|newest| created.cmp(&newest.properties().created())) {
                        Some(std::cmp::Ordering::Equal) => is_certain = false,
                        Some(std::cmp::Ordering::Less) => {}
                        Some(std::cmp::Ordering::Greater) | None => newest = Some(secret),
                    }
                }
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    if error.status() == ReferenceStatus::SecretVersionNotFound {
                        missing.insert(version.clone());
                    }
                }
                Err(error) => return Err(error),
            }
        }
        let holding = self.held.get(id);
        let newest = newest.filter(|newest| is_certain && holding.is_none_or(|holding| holding.is_older_than(newest)));
        let secret = match newest {
            Some(newest) => {
                self.stand(id, Standing::Latest);
                self.found().by_version.insert(id.clone());
                newest
            }
            None => {
                let offered = resolver.get_fresh(id, fresh).await?;
                self.judge(resolver, id, offered).await?
            }
        };
        missing.retain(|version| secret.id().version() != Some(version));
        if !missing.is_empty() {
            self.found().awaited.insert(id.clone(), missing);
        }
        Ok(secret)
    }

    /// Gives the version before the one that is held: what this process held, or else what the vault knows. What is held
    /// stays if there is none that was not refused as well.
    async fn revert(&self, resolver: &Resolver, id: &SecretId, holding: &Holding) -> Result<Arc<Secret>> {
        let held = holding.previous().filter(|previous| !holding.is_rejected(previous.id().version()));
        let previous = match held {
            Some(previous) => Some(Arc::clone(previous)),
            None => self.version_before(resolver, holding).await?,
        };
        let Some(previous) = previous else {
            return Ok(Arc::clone(holding.secret()));
        };
        self.stand(id, Standing::Previous);
        Ok(previous)
    }

    async fn version_before(&self, resolver: &Resolver, holding: &Holding) -> Result<Option<Arc<Secret>>> {
        let held = holding.secret().properties();
        let mut before: Option<SecretProperties> = None;
        let mut versions = resolver.versions(held.id())?.take(MOST_VERSIONS_LISTED);
        while let Some(version) = versions.try_next().await? {
            let is_candidate = version.enabled()
                && version.id().version() != held.id().version()
                && version.created() <= held.created()
                && !holding.is_rejected(version.id().version());
            if is_candidate && before.as_ref().is_none_or(|before| before.created() < version.created()) {
                before = Some(version);
            }
        }
        match before {
            Some(before) => resolver.get_fresh(before.id(), Freshness::Any).await.map(Some),
            None => Ok(None),
        }
    }

    /// Gives `offered`, which the vault calls the latest, or what is held if that is newer.
    pub(crate) async fn judge(&self, resolver: &Resolver, id: &SecretId, offered: Arc<Secret>) -> Result<Arc<Secret>> {
        let Some(holding) = self.held.get(id) else {
            return Ok(offered);
        };
        let keep = match holding.judge(&offered, self.now) {
            Judgement::Take => false,
            Judgement::Keep => true,
            Judgement::Doubt => self.was_lost(resolver, holding).await,
        };
        if !keep {
            self.stand(id, Standing::Latest);
            return Ok(offered);
        }
        self.stand(
            id,
            match holding.standing() {
                Standing::Previous => Standing::Previous,
                _ => Standing::Ahead(offered.id().version().cloned()),
            },
        );
        Ok(Arc::clone(holding.secret()))
    }

    /// Asks the vault for the version that is held. One that was disabled is not lost; in an outage, or where the vault may
    /// not be asked, nothing is known, and what is held stays.
    async fn was_lost(&self, resolver: &Resolver, holding: &Holding) -> bool {
        match resolver.ask(holding.secret().id()).await {
            Ok(_) => false,
            Err(error) => !is_disabled(&error),
        }
    }

    /// Writes down that a list shows what is held as the latest.
    pub(crate) fn confirm(&self, id: &SecretId) {
        self.stand(id, Standing::Latest);
    }

    fn stand(&self, id: &SecretId, standing: Standing) {
        self.found().standings.insert(id.clone(), standing);
    }

    /// Writes down what a pass took.
    pub(crate) fn took(&self, id: &SecretId, result: &Result<Arc<Secret>>) {
        let mut found = self.found();
        match result {
            Ok(secret) => _ = found.secrets.insert(id.clone(), Arc::clone(secret)),
            Err(error) if error.status() == ReferenceStatus::SecretNotFound => _ = found.absent.insert(id.clone()),
            Err(_) => {}
        }
    }

    /// Writes down what the default vault listed.
    pub(crate) fn listed(&self, listing: &Arc<Listing>) {
        if self.is_complete {
            self.found().listing = Some(Arc::clone(listing));
        }
    }

    /// Tells whether a secret could be read.
    pub(crate) fn has_read(&self, id: &SecretId) -> bool {
        self.found().secrets.contains_key(id)
    }

    /// Writes down that the name map looked at the dates of a secret, and warns of them where it is told to.
    pub(crate) fn judged_by_name(&self, id: &SecretId) {
        self.found().by_name.insert(id.clone());
    }

    /// Tells how long until the first of the new versions becomes valid, if one is not yet.
    pub(crate) fn until_valid(&self) -> Option<Duration> {
        let found = self.found();
        let begins = self.news(&found).filter_map(|(_, secret)| secret.properties().not_before());
        begins.filter_map(|begin| begin.duration_since(self.now).ok()).min()
    }

    /// Tells whether a secret has a new version that is not due by itself.
    pub(crate) fn has_other_news(&self) -> bool {
        let found = self.found();
        self.news(&found).any(|(id, _)| !self.due.contains_key(id))
    }

    fn news<'f>(&self, found: &'f Found) -> impl Iterator<Item = (&'f SecretId, &'f Arc<Secret>)> {
        found
            .secrets
            .iter()
            .filter(|(id, secret)| self.held.get(id).is_none_or(|held| held.secret().id() != secret.id()))
    }

    /// Gives the versions of which events told, and which the vault did not have.
    pub(crate) fn awaited(&self) -> BTreeMap<SecretId, BTreeSet<SecretVersion>> {
        std::mem::take(&mut self.found().awaited)
    }

    /// Tells whether a secret that was mapped by its name is not listed any more, or was disabled.
    pub(crate) fn has_lost_a_name(&self) -> bool {
        let found = self.found();
        let Some(listing) = &found.listing else { return false };
        let was_listed = self.held.iter().filter(|(id, _)| {
            id.version().is_none() && self.held.listing().get(id.name()).is_some_and(|item| item.id() == *id)
        });
        let is_gone = |id: &SecretId| listing.get(id.name()).is_none_or(|item| !item.enabled());
        was_listed.into_iter().any(|(id, _)| is_gone(id))
    }

    /// Ends the errand with everything that was found.
    pub(crate) fn into_found(self) -> Found {
        self.found.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn found(&self) -> MutexGuard<'_, Found> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
