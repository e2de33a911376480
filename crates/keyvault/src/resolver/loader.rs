//! One load of the vaults: each secret at most once, and none older than the start of the load.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use futures::stream::{self, BoxStream, StreamExt};

use super::Resolver;
use super::cache::Freshness;
use super::fetch_plan::FetchPlan;
use super::known_secrets::Listing;
use super::snapshot::Snapshot;
use crate::error::{Error, ErrorKind, Result};
use crate::reference::Reference;
use crate::secret::{Secret, SecretId, SecretProperties};
use crate::settings::MappingNote;

/// Fetches the secrets of one load, as its [`FetchPlan`] decides.
///
/// A secret that the vault's list shows unchanged counts as read, and so does a pinned version.
pub(crate) struct Loader<'r> {
    pub(super) resolver: &'r Resolver,
    pub(super) plan: &'r FetchPlan,
    pub(super) freshness: Freshness,
    /// What the default vault listed in this load.
    listing: Option<Arc<Listing>>,
    notes: Arc<[MappingNote]>,
    failures: Mutex<BTreeMap<SecretId, Error>>,
}

impl<'r> Loader<'r> {
    /// Starts a load that accepts nothing older than now.
    pub(crate) fn new(resolver: &'r Resolver, plan: &'r FetchPlan) -> Self {
        Self::with_freshness(resolver, plan, resolver.newer_than_now())
    }

    /// Starts a load that accepts what is fresh enough.
    pub(super) fn with_freshness(resolver: &'r Resolver, plan: &'r FetchPlan, freshness: Freshness) -> Self {
        Self { resolver, plan, freshness, listing: None, notes: Arc::default(), failures: Mutex::default() }
    }

    /// Lists the default vault, or repeats the previous listing if the plan is partial: the due secrets first, because
    /// they have to be fetched.
    pub(super) fn list(&self) -> BoxStream<'r, Result<SecretProperties>> {
        let Some(listing) = self.plan.listing() else {
            return self.resolver.list();
        };
        let due = self.plan.due();
        let first = due.keys().filter_map(|id| listing.get(id.name()).filter(|item| item.id() == id));
        let rest = listing.values().filter(|item| !due.contains_key(item.id()));
        stream::iter(first.chain(rest).cloned().map(Ok)).boxed()
    }

    /// Keeps what the default vault listed. It shows whether secrets that are referred to changed.
    pub(super) fn set_listing(&mut self, listing: Listing) {
        let listing = Arc::new(listing);
        self.plan.set_listing(&listing);
        self.listing = Some(listing);
    }

    /// Keeps the notes on mapped secrets, for the report.
    pub(super) fn set_notes(&mut self, notes: &Arc<[MappingNote]>) {
        self.notes = Arc::clone(notes);
    }

    pub(super) fn notes(&self) -> Arc<[MappingNote]> {
        Arc::clone(&self.notes)
    }

    /// Fetches every secret that is referred to, concurrently and each once.
    pub(super) async fn fetch<'t>(&self, references: impl IntoIterator<Item = &'t Reference>) {
        let ids: BTreeSet<SecretId> = references.into_iter().filter_map(|reference| self.id(reference).ok()).collect();
        self.fetch_all(ids).await;
    }

    /// Fetches every secret, concurrently. The limit keeps the number of futures that tokio polls in one turn small.
    pub(super) async fn fetch_all(&self, ids: impl IntoIterator<Item = SecretId>) {
        let fetches: Vec<_> = ids.into_iter().map(|id| self.fetch_one(id)).collect();
        stream::iter(fetches).buffer_unordered(self.resolver.concurrency()).collect::<()>().await;
    }

    /// Fetches one secret, unless the list of this load proves that the known version is the latest.
    pub(super) async fn fetch_one(&self, id: SecretId) {
        let may_be_listed = id.version().is_none() && id.vault() == self.resolver.vault();
        let listed = self.listing.as_ref().and_then(|listing| listing.get(id.name()));
        match listed.filter(|_| may_be_listed) {
            Some(item) => self.fetch_listed(item).await,
            None if self.has_read(&id) => {}
            None => {
                let result = self.read(&id).await;
                self.set_read(id, result);
            }
        }
    }

    /// Fetches one listed secret, unless the list proves that a known or cached version is the latest.
    pub(super) async fn fetch_listed(&self, item: &SecretProperties) {
        if self.read_known(item) {
            return;
        }
        let id = item.id();
        let result = match self.cached(item).await {
            Some(secret) => Ok(secret),
            None => self.read(id).await,
        };
        self.set_read(id.clone(), result);
    }

    /// Reads a listed secret without a request, if the known version is sufficient. Returns whether the secret is read.
    pub(super) fn read_known(&self, item: &SecretProperties) -> bool {
        let id = item.id();
        if self.has_read(id) {
            return true;
        }
        let known = self.known(item);
        let is_known = known.is_some();
        if let Some(secret) = known {
            self.set_read(id.clone(), Ok(secret));
        }
        is_known
    }

    /// Returns whether this load read a secret already. Reading it twice could give two settings different versions.
    fn has_read(&self, id: &SecretId) -> bool {
        self.plan.has_read(id) || self.failures().contains_key(id)
    }

    fn set_read(&self, id: SecretId, result: Result<Arc<Secret>>) {
        // A store of the application need not name the secret that failed.
        let result = result.map_err(|error| if error.secret().is_some() { error } else { error.about(&id) });
        self.plan.set_read(&id, &result);
        if let Err(error) = result {
            self.failures().insert(id, error);
        }
    }

    /// Returns the result of reading a secret in this load.
    pub(super) fn result(&self, id: &SecretId) -> Result<Arc<Secret>> {
        self.plan.read(id).ok_or_else(|| match self.failures().get(id) {
            Some(error) => error.clone(),
            None => Error::new(ErrorKind::Unavailable, "secret was not fetched").about(id),
        })
    }

    /// Returns the secret that a reference means, if it was read.
    pub(super) fn secret(&self, reference: &Reference) -> Result<Arc<Secret>> {
        self.result(&self.id(reference)?)
    }

    /// Returns the identifier of the secret that a reference means.
    pub(super) fn id(&self, reference: &Reference) -> Result<SecretId> {
        self.resolver.secret_id(reference)
    }

    /// Returns the time at which this load checks the dates of secrets.
    pub(super) fn now(&self) -> SystemTime {
        self.plan.now()
    }

    /// Ends the load and returns everything that it read.
    pub(super) fn into_snapshot(self) -> Snapshot {
        let (secrets, absent) = self.plan.secrets();
        Snapshot::new(secrets, absent, self.listing)
    }

    fn failures(&self) -> std::sync::MutexGuard<'_, BTreeMap<SecretId, Error>> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
