//! One reading of the vaults.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use futures::StreamExt;
use futures::future::join_all;
use futures::stream::{self, BoxStream, FuturesUnordered};
use zeroize::Zeroizing;

use crate::cache::Freshness;
use crate::check::is_missing;
use crate::errand::Errand;
use crate::error::{Error, ErrorKind, Result};
use crate::held::Listing;
use crate::key::Key;
use crate::name::SecretName;
use crate::name_map::NameMap;
use crate::reference::Reference;
use crate::resolver::Resolver;
use crate::secret::{Secret, SecretId, SecretProperties};
use crate::snapshot::Snapshot;
use crate::template::Template;

/// One reading of the vaults: each secret at most once, and none older than the beginning of the pass.
///
/// A secret that the vault's own list shows unchanged counts as read, as does a version that is named.
pub(crate) struct Pass<'r> {
    resolver: &'r Resolver,
    freshness: Freshness,
    errand: Option<&'r Errand>,
    listed: Listing,
    /// Whether that is a list, which may be empty.
    is_listed: bool,
    taken: Mutex<BTreeMap<SecretId, Result<Arc<Secret>>>>,
}

/// Secrets under the keys that their names give.
#[derive(Clone, Default)]
pub struct NamedSecrets {
    secrets: BTreeMap<Key, Arc<Secret>>,
}

impl NamedSecrets {
    /// Gives every secret with its key, in the order of the keys.
    pub fn iter(&self) -> impl Iterator<Item = (&Key, &Secret)> {
        self.secrets.iter().map(|(key, secret)| (key, &**secret))
    }
}

impl fmt::Debug for NamedSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter().map(|(key, secret)| (key.to_string(), secret.id()))).finish()
    }
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
        Self { resolver, freshness, errand: None, listed: Listing::new(), is_listed: false, taken: Mutex::default() }
    }

    /// Begins a pass of a refresh: what `errand` does not ask for counts as read.
    pub(crate) fn of(resolver: &'r Resolver, errand: &'r Errand) -> Self {
        Self { errand: Some(errand), ..Self::begin(resolver) }
    }

    /// Lists the default vault and gives the secrets that `map` takes, under their keys.
    ///
    /// One request for 25 secrets of the vault and one for each that changed; fetching begins while the list goes on.
    pub(crate) async fn named(&mut self, map: &NameMap) -> Result<NamedSecrets> {
        let mut listed = BTreeMap::new();
        let mut list = self.list().fuse();
        let mut fetches = FuturesUnordered::new();
        loop {
            tokio::select! {
                biased;
                item = list.next(), if !list.is_done() => {
                    let Some(item) = item else { continue };
                    let item = item.map_err(|error| self.unlisted(error))?;
                    if map.key(item.id().name()).is_some() && is_wanted(&item) {
                        fetches.push(self.fetch_listed(item.clone()));
                    }
                    listed.insert(item.id().name().clone(), item);
                }
                Some(()) = fetches.next() => {}
                else => break,
            }
        }
        drop(fetches);
        let wanted = listed.values().filter(|item| is_wanted(item)).map(|item| item.id().name());
        let keys = map.keys(wanted)?;
        let named = self.pick(keys)?;
        if let Some(errand) = self.errand {
            errand.listed(&listed);
        }
        (self.listed, self.is_listed) = (listed, true);
        Ok(named)
    }

    /// Lists the default vault, or tells what it listed last if nothing more is asked for.
    fn list(&self) -> BoxStream<'r, Result<SecretProperties>> {
        match self.errand.and_then(Errand::listing) {
            Some(listing) => stream::iter(listing.values().cloned().map(Ok)).boxed(),
            None => self.resolver.default_store().list(),
        }
    }

    /// Says what a list was for, which names no secret.
    fn unlisted(&self, error: Error) -> Error {
        let error = match error.kind() {
            ErrorKind::Denied => error.with_help(
                "let the identity list secrets (role Key Vault Secrets User, or List in an access policy), or load by \
                 reference only: references_only()",
            ),
            _ => error,
        };
        error.at("the secrets by name", format!("vault {}", self.resolver.vault()))
    }

    fn pick(&self, keys: BTreeMap<Key, &SecretName>) -> Result<NamedSecrets> {
        let vault = self.resolver.vault();
        let mut secrets = BTreeMap::new();
        let mut failures = Vec::new();
        for (key, name) in keys {
            let id = SecretId::new(vault.clone(), name.clone());
            match self.taken(&id) {
                Ok(secret) => _ = secrets.insert(key, secret),
                Err(error) => failures.push(error.at(key.to_string(), format!("the names in vault {vault}"))),
            }
        }
        match Error::join(failures) {
            Some(error) => Err(error),
            None => Ok(NamedSecrets { secrets }),
        }
    }

    /// Fetches every secret that `templates` refer to, all at once and each once.
    pub(crate) async fn fetch<'t>(&self, templates: impl IntoIterator<Item = &'t Template>) {
        let references = templates.into_iter().flat_map(Template::references);
        let ids: BTreeSet<SecretId> = references.filter_map(|reference| self.id(reference).ok()).collect();
        join_all(ids.into_iter().map(|id| self.fetch_one(id))).await;
    }

    async fn fetch_listed(&self, item: SecretProperties) {
        let id = item.id().clone();
        let result = match self.unchanged(&item).await {
            Some(secret) => Ok(secret),
            None => self.read(&id).await,
        };
        self.take(id, result);
    }

    async fn fetch_one(&self, id: SecretId) {
        let of_default = id.version().is_none() && id.vault() == self.resolver.vault();
        match self.listed.get(id.name()).filter(|_| of_default) {
            Some(item) => self.fetch_listed(item.clone()).await,
            None => {
                let result = self.read(&id).await;
                self.take(id, result);
            }
        }
    }

    async fn read(&self, id: &SecretId) -> Result<Arc<Secret>> {
        match self.errand {
            Some(errand) => errand.read(self.resolver, id, self.freshness).await,
            None => self.resolver.get_fresh(id, self.freshness).await,
        }
    }

    /// Gives the secret that was fetched earlier, if the list proves that it is still the latest.
    async fn unchanged(&self, item: &SecretProperties) -> Option<Arc<Secret>> {
        let id = item.id();
        let proves = |secret: &Secret| item.enabled && secret.is_settled() && secret.properties().same_dates(item);
        let Some(errand) = self.errand else {
            return self.resolver.cached(id).await.filter(|secret| proves(secret));
        };
        if !errand.believes_list(id) {
            return None;
        }
        if let Some(held) = errand.held(id).filter(|held| proves(held)) {
            errand.confirm(id);
            return Some(Arc::clone(held));
        }
        let cached = self.resolver.cached(id).await.filter(|secret| proves(secret))?;
        errand.judge(self.resolver, id, cached).await.ok()
    }

    fn take(&self, id: SecretId, result: Result<Arc<Secret>>) {
        if let Some(errand) = self.errand {
            errand.took(&id, &result);
        }
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
        let (mut secrets, mut absent) = (BTreeMap::new(), BTreeSet::new());
        for (id, result) in taken {
            match result {
                Ok(secret) => _ = secrets.insert(id, secret),
                Err(error) if is_missing(&error) => _ = absent.insert(id),
                Err(_) => {}
            }
        }
        let listed = self.is_listed.then(|| self.listed.into_values().collect());
        Snapshot::new(secrets, absent, listed)
    }
}

/// A certificate's secret holds a private key with its chain, which no setting of the same name wants.
fn is_wanted(item: &SecretProperties) -> bool {
    item.enabled && !item.managed
}
