//! One reading of the vaults.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::join_all;
use zeroize::Zeroizing;

use crate::cache::Freshness;
use crate::error::{Error, ErrorKind, Result};
use crate::name::SecretName;
use crate::named::NameNote;
use crate::reference::Reference;
use crate::resolver::Resolver;
use crate::secret::{Secret, SecretId, SecretProperties};
use crate::snapshot::Snapshot;
use crate::store::SecretStore;
use crate::template::Template;
use crate::vault::Vault;

/// One reading of the vaults: each secret at most once, and none older than the beginning of the pass.
///
/// A secret that the vault's own list shows unchanged counts as read, as does a version that is named.
pub(crate) struct Pass<'r> {
    resolver: &'r Resolver,
    freshness: Freshness,
    listed: BTreeMap<SecretName, SecretProperties>,
    notes: Vec<NameNote>,
    taken: Mutex<BTreeMap<SecretId, Result<Arc<Secret>>>>,
}

/// Text in which secrets stand in the place of references.
///
/// The text leaves through [`expose_secret`](Resolved::expose_secret) only, and is zeroized on drop.
pub struct Resolved {
    text: Zeroizing<String>,
    secrets: Vec<SecretId>,
}

impl Resolved {
    pub(crate) fn literal(text: &str) -> Self {
        Self::filled(Zeroizing::new(text.to_owned()), Vec::new())
    }

    pub(crate) fn filled(text: Zeroizing<String>, secrets: Vec<SecretId>) -> Self {
        Self { text, secrets }
    }

    /// Gives out the plaintext.
    pub fn expose_secret(&self) -> &str {
        &self.text
    }

    /// Tells which secrets are in the text, with their versions.
    pub fn secrets(&self) -> &[SecretId] {
        &self.secrets
    }
}

impl fmt::Debug for Resolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolved").field("secrets", &self.secrets).finish_non_exhaustive()
    }
}

impl<'r> Pass<'r> {
    /// Begins a pass that takes nothing older than now.
    pub(crate) fn begin(resolver: &'r Resolver) -> Self {
        Self::new(resolver, resolver.newer_than_now())
    }

    /// Begins a pass that takes what is fresh enough.
    pub(crate) fn new(resolver: &'r Resolver, freshness: Freshness) -> Self {
        Self { resolver, freshness, listed: BTreeMap::new(), notes: Vec::new(), taken: Mutex::default() }
    }

    /// Tells the vault that names without a vault are looked up in.
    pub(crate) fn vault(&self) -> &Vault {
        self.resolver.vault()
    }

    pub(crate) fn default_store(&self) -> &'r dyn SecretStore {
        self.resolver.default_store()
    }

    /// Keeps what the default vault listed, which tells of the same secrets by reference whether they changed.
    pub(crate) fn keep_list(&mut self, listed: BTreeMap<SecretName, SecretProperties>) {
        self.listed = listed;
    }

    /// Keeps what was found about secrets by name, for the report.
    pub(crate) fn keep_notes(&mut self, notes: &[NameNote]) {
        self.notes = notes.to_vec();
    }

    pub(crate) fn notes(&self) -> &[NameNote] {
        &self.notes
    }

    /// Tells whether nothing was said of this yet.
    pub(crate) fn is_news(&self, note: &NameNote) -> bool {
        self.resolver.is_news(note)
    }

    /// Fetches every secret that `templates` refer to, all at once and each once.
    pub(crate) async fn fetch<'t>(&self, templates: impl IntoIterator<Item = &'t Template>) {
        let references = templates.into_iter().flat_map(Template::references);
        let ids: BTreeSet<SecretId> = references.filter_map(|reference| self.id(reference).ok()).collect();
        join_all(ids.into_iter().map(|id| self.fetch_one(id))).await;
    }

    pub(crate) async fn fetch_listed(&self, item: SecretProperties) {
        let id = item.id().clone();
        let result = match self.unchanged(&item).await {
            Some(secret) => Ok(secret),
            None => self.resolver.get_fresh(&id, self.freshness).await,
        };
        self.take(id, result);
    }

    pub(crate) async fn fetch_one(&self, id: SecretId) {
        let of_default = id.version().is_none() && id.vault() == self.resolver.vault();
        match self.listed.get(id.name()).filter(|_| of_default) {
            Some(item) => self.fetch_listed(item.clone()).await,
            None => {
                let result = self.resolver.get_fresh(&id, self.freshness).await;
                self.take(id, result);
            }
        }
    }

    /// Gives the secret that was fetched earlier, if the list proves that it is still the latest.
    async fn unchanged(&self, item: &SecretProperties) -> Option<Arc<Secret>> {
        let secret = self.resolver.cached(item.id()).await?;
        (item.enabled && secret.is_settled() && secret.properties().same_dates(item)).then_some(secret)
    }

    fn take(&self, id: SecretId, result: Result<Arc<Secret>>) {
        self.lock().insert(id, result);
    }

    pub(crate) fn taken(&self, id: &SecretId) -> Result<Arc<Secret>> {
        let missing = || Err(Error::new(ErrorKind::Unavailable, "secret was not fetched").about(id));
        self.lock().get(id).cloned().unwrap_or_else(missing)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<SecretId, Result<Arc<Secret>>>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Names the secret that a reference means.
    pub(crate) fn id(&self, reference: &Reference) -> Result<SecretId> {
        self.resolver.secret_id(reference)
    }

    /// Gives the secret that a reference means, if it was fetched.
    pub(crate) fn secret(&self, reference: &Reference) -> Result<Arc<Secret>> {
        self.taken(&self.id(reference)?)
    }

    /// Ends the pass: everything that it took, as one.
    pub(crate) fn into_snapshot(self) -> Snapshot {
        let taken = self.taken.into_inner().unwrap_or_else(PoisonError::into_inner);
        let secrets = taken.into_iter().filter_map(|(id, result)| Some((id, result.ok()?)));
        Snapshot::new(secrets.collect())
    }
}
