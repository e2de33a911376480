//! One reading of the vaults.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use futures::future::join_all;
use futures::stream::{self, BoxStream, StreamExt};
use tokio::task::yield_now;
use zeroize::Zeroizing;

use crate::cache::Freshness;
use crate::check::is_missing;
use crate::errand::Errand;
use crate::error::{Error, ErrorKind, Result};
use crate::held::Listing;
use crate::ids::{Fixed, IdMap, IdSet};
use crate::named::NameNote;
use crate::properties::SecretProperties;
use crate::reference::Reference;
use crate::resolver::Resolver;
use crate::secret::{Secret, SecretId};
use crate::snapshot::Snapshot;
use crate::vault::Vault;

/// One reading of the vaults: each secret at most once, and none older than the beginning of the pass.
///
/// A secret that the vault's own list shows unchanged counts as read, as does a version that is named.
pub(crate) struct Pass<'r> {
    resolver: &'r Resolver,
    freshness: Freshness,
    errand: Option<&'r Errand>,
    listed: Arc<Listing>,
    /// Whether that is a list, which may be empty.
    is_listed: bool,
    notes: Arc<[NameNote]>,
    taken: Mutex<Taken>,
}

/// What came of the secrets that a pass asked for.
#[derive(Default)]
struct Taken {
    secrets: IdMap<Arc<Secret>>,
    failures: IdMap<Error>,
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
        Self {
            resolver,
            freshness,
            errand: None,
            listed: Arc::default(),
            is_listed: false,
            notes: Arc::default(),
            taken: Mutex::default(),
        }
    }

    /// Begins a pass of a refresh: what `errand` does not ask for counts as read.
    pub(crate) fn of(resolver: &'r Resolver, errand: &'r Errand) -> Self {
        let secrets = IdMap::with_capacity_and_hasher(errand.size(), Fixed::default());
        let taken = Mutex::new(Taken { secrets, ..Taken::default() });
        Self { errand: Some(errand), taken, ..Self::begin(resolver) }
    }

    /// Tells how many secrets the last pass took, which is about how many this one will.
    pub(crate) fn size(&self) -> usize {
        self.errand.map_or(0, Errand::size)
    }

    /// Tells the vault that names without a vault are looked up in.
    pub(crate) fn vault(&self) -> &'r Vault {
        self.resolver.vault()
    }

    /// Lists the default vault, or tells what it listed last if nothing more is asked for.
    pub(crate) fn list(&self) -> BoxStream<'r, Result<SecretProperties>> {
        match self.errand.and_then(|errand| Some((errand, errand.listing()?))) {
            // What is to be asked for comes first: the rest can be looked at while it is on its way.
            Some((errand, listing)) => {
                let due = errand.due().keys();
                let due = due.filter_map(|id| listing.get(id.name()).filter(|item| item.id() == id));
                let rest = listing.values().filter(|item| !errand.due().contains_key(item.id()));
                let pages = stream::iter(due.chain(rest).cloned().map(Ok)).chunks(AT_ONCE);
                let pages = pages.then(async |page| {
                    // Whoever sends the requests has a turn.
                    yield_now().await;
                    stream::iter(page)
                });
                pages.flatten().boxed()
            }
            None => self.resolver.default_store().list(),
        }
    }

    /// Tells what time it is, by which secrets are outside their dates or not.
    pub(crate) fn time(&self) -> SystemTime {
        self.errand.map_or_else(SystemTime::now, Errand::now)
    }

    /// Writes down that the name map looked at the dates of a secret.
    pub(crate) fn judged_by_name(&self, id: &SecretId) {
        if let Some(errand) = self.errand {
            errand.judged_by_name(id);
        }
    }

    /// Tells whether there is news of a secret that the last list cannot show.
    pub(crate) fn is_due(&self, id: &SecretId) -> bool {
        self.errand.is_some_and(|errand| errand.due().contains_key(id))
    }

    /// Keeps what the default vault listed, which tells of the same secrets by reference whether they changed.
    pub(crate) fn keep_list(&mut self, listed: Listing) {
        let listed = Arc::new(listed);
        if let Some(errand) = self.errand {
            errand.listed(&listed);
        }
        (self.listed, self.is_listed) = (listed, true);
    }

    /// Keeps what was found about secrets by name, for the report.
    pub(crate) fn keep_notes(&mut self, notes: &Arc<[NameNote]>) {
        self.notes = Arc::clone(notes);
    }

    pub(crate) fn notes(&self) -> Arc<[NameNote]> {
        Arc::clone(&self.notes)
    }

    /// Tells whether nothing was said of this yet.
    pub(crate) fn is_news(&self, note: &NameNote) -> bool {
        self.resolver.is_news(note)
    }

    /// Fetches every secret that is referred to, all at once and each once.
    pub(crate) async fn fetch<'t>(&self, references: impl IntoIterator<Item = &'t Reference>) {
        let ids: IdSet = references.into_iter().filter_map(|reference| self.id(reference).ok()).collect();
        join_all(ids.into_iter().map(|id| self.fetch_one(id))).await;
    }

    /// Takes what is known of a secret, if no vault need be asked for it.
    pub(crate) fn take_known(&self, item: &SecretProperties) -> bool {
        let id = item.id();
        if self.is_taken(id) {
            return true;
        }
        let known = self.known(item);
        let is_known = known.is_some();
        if let Some(secret) = known {
            self.take(id.clone(), Ok(secret));
        }
        is_known
    }

    pub(crate) async fn fetch_listed(&self, item: SecretProperties) {
        if self.take_known(&item) {
            return;
        }
        let id = item.id();
        let result = match self.judged(&item).await {
            Some(secret) => Ok(secret),
            None => self.read(id).await,
        };
        self.take(id.clone(), result);
    }

    pub(crate) async fn fetch_one(&self, id: SecretId) {
        let of_default = id.version().is_none() && id.vault() == self.resolver.vault();
        match self.listed.get(id.name()).filter(|_| of_default) {
            Some(item) => self.fetch_listed(item.clone()).await,
            None if self.is_taken(&id) => {}
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

    /// Gives what was fetched earlier, if the list proves that it is still the latest, or nothing newer is asked for.
    fn known(&self, item: &SecretProperties) -> Option<Arc<Secret>> {
        let id = item.id();
        let Some(errand) = self.errand else {
            return self.resolver.cached(id).filter(|secret| proves(item, secret));
        };
        if let Some(held) = errand.proven(id).filter(|held| errand.believes_list(id) && proves(item, held)) {
            errand.confirm(id);
            return Some(Arc::clone(held));
        }
        errand.recalled(id).map(Arc::clone)
    }

    /// Gives what another pass fetched, which came to nothing, if the list proves that it is the latest.
    async fn judged(&self, item: &SecretProperties) -> Option<Arc<Secret>> {
        let id = item.id();
        let errand = self.errand.filter(|errand| errand.believes_list(id))?;
        let cached = self.resolver.cached(id).filter(|secret| proves(item, secret))?;
        errand.judge(self.resolver, id, cached).await.ok()
    }

    /// Tells whether this pass asked for a secret already. To ask twice is to get two answers, of which a setting has one and
    /// another setting the other.
    fn is_taken(&self, id: &SecretId) -> bool {
        let taken = self.lock();
        taken.secrets.contains_key(id) || taken.failures.contains_key(id)
    }

    fn take(&self, id: SecretId, result: Result<Arc<Secret>>) {
        // A store of the application's need not say which secret failed.
        let result = result.map_err(|error| if error.secret().is_some() { error } else { error.about(&id) });
        if let Some(errand) = self.errand {
            errand.took(&id, &result);
        }
        let mut taken = self.lock();
        match result {
            Ok(secret) => _ = taken.secrets.insert(id, secret),
            Err(error) => _ = taken.failures.insert(id, error),
        }
    }

    pub(crate) fn taken(&self, id: &SecretId) -> Result<Arc<Secret>> {
        let taken = self.lock();
        let secret = taken.secrets.get(id).map(Arc::clone);
        secret.ok_or_else(|| match taken.failures.get(id) {
            Some(error) => error.clone(),
            None => Error::new(ErrorKind::Unavailable, "secret was not fetched").about(id),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn resolver(&self) -> &'r Resolver {
        self.resolver
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
        let Taken { secrets, failures } = self.taken.into_inner().unwrap_or_else(PoisonError::into_inner);
        let absent = failures.into_iter().filter(|(_, error)| is_missing(error)).map(|(id, _)| id).collect();
        let listed = self.is_listed.then_some(self.listed);
        Snapshot::new(secrets, absent, listed)
    }
}

/// How many secrets of a list from memory are looked at before others have a turn.
const AT_ONCE: usize = 25;

/// Tells whether a list that shows `item` proves that `secret` is still the latest.
fn proves(item: &SecretProperties, secret: &Secret) -> bool {
    item.enabled() && secret.is_settled() && secret.properties().same_dates(item)
}
