//! One load of the vaults: each secret at most once, and none older than the start of the load.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::stream::{self, BoxStream, StreamExt};

use super::Resolver;
use super::fetch::proves;
use super::fetch_plan::FetchPlan;
use super::freshness::Freshness;
use super::known_secrets::VersionState;
use crate::error::{Error, ErrorKind, Result};
use crate::reference::Reference;
use crate::secret::{Secret, SecretId, SecretProperties};

/// Fetches the secrets of one load, as its [`FetchPlan`] decides.
///
/// A secret that the vault's list shows unchanged counts as read, and so does a pinned version.
pub(crate) struct Loader<'r> {
    pub(super) resolver: &'r Resolver,
    pub(super) plan: &'r FetchPlan,
    pub(super) freshness: Freshness,
}

impl<'r> Loader<'r> {
    /// Starts a load that accepts nothing older than now.
    pub(crate) fn new(resolver: &'r Resolver, plan: &'r FetchPlan) -> Self {
        Self { resolver, plan, freshness: Freshness::After(resolver.inner.cache.now()) }
    }

    /// Lists the default vault, or repeats the previous listing if the plan is partial: the due secrets first, because
    /// they have to be fetched.
    pub(super) fn list(&self) -> BoxStream<'r, Result<SecretProperties>> {
        // A repeated load has listed the vault already.
        if let Some(listing) = self.plan.observed().listing.clone() {
            return stream::iter(listing.values().cloned().map(Ok).collect::<Vec<_>>()).boxed();
        }
        if self.plan.covers(self.resolver.vault()) {
            self.plan.observed().listed = Some(self.resolver.vault().clone());
            let store = &*self.resolver.inner.default;
            self.resolver.count_request(store);
            return store.list();
        }
        let (due, listing) = (&self.plan.due, self.plan.known.listing());
        let first = due.keys().filter_map(|id| listing.get(id.name()).filter(|item| item.id() == id));
        let rest = listing.values().filter(|item| !due.contains_key(item.id()));
        stream::iter(first.chain(rest).cloned().map(Ok)).boxed()
    }

    /// Fetches every secret that is referred to, concurrently and each once.
    pub(super) async fn fetch<'t>(&self, references: impl IntoIterator<Item = &'t Reference>) {
        let ids = references.into_iter().filter_map(|reference| self.resolver.secret_id(reference).ok());
        let ids: BTreeSet<SecretId> = ids.collect();
        self.fetch_all(ids).await;
    }

    /// Fetches every secret, concurrently. The limit keeps the number of futures that tokio polls in one turn small.
    pub(super) async fn fetch_all(&self, ids: impl IntoIterator<Item = SecretId>) {
        let fetches: Vec<_> = ids.into_iter().map(|id| self.fetch_one(id)).collect();
        stream::iter(fetches).buffer_unordered(self.resolver.inner.concurrency).collect::<()>().await;
    }

    /// Fetches one secret, unless the list of this load proves that the known version is the latest.
    pub(super) async fn fetch_one(&self, id: SecretId) {
        let may_be_listed = id.version().is_none() && id.vault() == self.resolver.vault();
        let listing = self.plan.observed().listing.clone().filter(|_| may_be_listed);
        match listing.as_ref().and_then(|listing| listing.get(id.name())) {
            Some(item) => self.fetch_listed(item).await,
            None if self.has_read(&id) => {}
            None => {
                let result = self.read(&id).await;
                self.plan.set_read(id, result);
            }
        }
    }

    /// Fetches one listed secret, unless the list proves that a known version is the latest, or the version that a
    /// failed load or another handle fetched.
    pub(super) async fn fetch_listed(&self, item: &SecretProperties) {
        if self.read_known(item) {
            return;
        }
        let id = item.id();
        let cached = self.resolver.inner.cache.peek(id);
        let result = match cached.filter(|secret| self.plan.trusts_list(id) && proves(item, secret)) {
            Some(secret) => Ok(self.judge(id, secret).await),
            None => self.read(id).await,
        };
        self.plan.set_read(id.clone(), result);
    }

    /// Reads a listed secret without a request, if the list proves that the known version is still the latest, or if
    /// the plan does not fetch the secret. Returns whether the secret is read.
    pub(super) fn read_known(&self, item: &SecretProperties) -> bool {
        let (id, plan) = (item.id(), self.plan);
        if self.has_read(id) {
            return true;
        }
        let known = plan.read_before(id).filter(|known| known.is_proven && plan.trusts_list(id));
        if let Some(known) = known.filter(|known| proves(item, known.secret())) {
            plan.set_state(id, VersionState::Latest);
            plan.set_read(id.clone(), Ok(Arc::clone(known.secret())));
        } else if let Some(secret) = plan.recalled(id) {
            plan.set_read(id.clone(), Ok(Arc::clone(secret)));
        } else {
            return false;
        }
        true
    }

    /// Returns whether this load read a secret already. Reading it twice could give two settings different versions.
    fn has_read(&self, id: &SecretId) -> bool {
        let observed = self.plan.observed();
        observed.secrets.contains_key(id) || observed.failures.contains_key(id)
    }

    /// Returns the result of reading a secret in this load.
    pub(super) fn result(&self, id: &SecretId) -> Result<Arc<Secret>> {
        let observed = self.plan.observed();
        match (observed.secrets.get(id), observed.failures.get(id)) {
            (Some(secret), _) => Ok(Arc::clone(secret)),
            (None, Some(error)) => Err(error.clone()),
            (None, None) => Err(Error::new(ErrorKind::Unavailable, "secret was not fetched").about(id)),
        }
    }
}
