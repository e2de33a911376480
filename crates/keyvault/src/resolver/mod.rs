//! From references to secrets: the cache, one load of the vaults, and the resolution of references.
//!
//! Read [`Resolver`] first, which its `builder` creates: it knows which vaults are allowed and coalesces concurrent
//! fetches in the `cache`, where `freshness` decides whether an answer is recent enough. One load goes through `load`:
//! `fetch_plan` decides what to fetch, comparing with the `known_secrets` of the previous load; `loader` fetches each
//! secret at most once, and `fetch` is its way to one secret; `mapped` maps the default vault's secrets by name;
//! `resolve` replaces the references in the values of a tree. `referred` removes the secrets that are settings by
//! reference alone, `unused_secret` finds those whose keys the settings type spells otherwise, `hidden_secret` those
//! that a value set in code hides, and `near_name` the name that a missing secret may mean. `report_rows` describes the
//! outcome; `snapshot` holds the secrets that one load used, and `dates` when they are valid. `setting_layer` puts the
//! settings of stores outside the process over the mapped secrets. `check` resolves values only for their report.

mod builder;
mod cache;
mod check;
mod dates;
mod fetch;
mod fetch_plan;
mod freshness;
mod hidden_secret;
mod known_secrets;
mod load;
mod loader;
mod mapped;
mod near_name;
mod referred;
mod report_rows;
mod resolve;
mod setting_layer;
mod snapshot;
mod unused_secret;

use std::any::Any;
use std::collections::HashSet;
use std::fmt;
use std::hash::Hash;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::Instant;

pub use self::builder::ResolverBuilder;
use self::cache::SecretCache;
pub use self::check::Checked;
pub(crate) use self::dates::Dates;
pub(crate) use self::fetch_plan::{FetchPlan, Want};
use self::freshness::Freshness;
#[cfg(feature = "sealed")]
pub(crate) use self::known_secrets::Listing;
pub(crate) use self::known_secrets::{KnownSecret, KnownSecrets, VersionState};
pub use self::load::Loaded;
pub(crate) use self::load::{Facts, Replacements, Resolvable, load};
pub(crate) use self::resolve::ResolveContext;
pub(crate) use self::setting_layer::SettingLayer;
pub use self::snapshot::Snapshot;
use crate::error::{Error, ErrorKind, Result};
use crate::metrics;
use crate::reference::Reference;
use crate::secret::{Cloud, PRIVATE_LINK_HELP, Secret, SecretId, Vault};
use crate::settings::Fingerprint;
use crate::store::{InMemory, SecretStore};

/// Resolves references against the vaults that the program allows.
///
/// The resolver fetches a secret once, however many settings and tasks need it, fetches at most 100 secrets
/// concurrently, and keeps fetched secrets up to a bound. Giving a vault's store to the builder allows the vault; a
/// reference to any other vault is refused before a request is made.
///
/// `Clone` is cheap and shares everything. One store converts into a resolver with `into()`.
///
/// # Examples
///
/// ```
/// use keyvault::{InMemory, Resolver};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> keyvault::Result<()> {
/// let contoso = InMemory::new("https://contoso.vault.azure.net".parse()?);
/// let shared = InMemory::new("https://shared.vault.azure.net".parse()?);
/// contoso.set("user", "app")?;
/// shared.set("password", "correct horse")?;
///
/// let resolver = Resolver::builder(contoso).vault(shared).build()?;
/// let text = "User=@KeyVault(SecretName=user);Password=@KeyVault(VaultName=shared;SecretName=password)";
/// let resolved = resolver.resolve(text).await?.expect("no reference is optional");
/// assert_eq!(resolved.expose_secret(), "User=app;Password=correct horse");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Resolver {
    inner: Arc<ResolverInner>,
    app_configuration: bool,
    /// The layers that stores outside the process keep, the lowest one first.
    layers: Arc<[SettingLayer]>,
}

struct ResolverInner {
    default: Arc<dyn SecretStore>,
    others: Vec<Arc<dyn SecretStore>>,
    cloud: Cloud,
    cache: SecretCache,
    concurrency: usize,
    permits: Semaphore,
    max_age: Duration,
    remote_requests: AtomicU64,
    /// The notes that were logged, because each refresh finds them again.
    logged: Mutex<HashSet<Fingerprint>>,
}

impl Resolver {
    /// Creates a builder of a resolver whose default vault is that of `store`.
    pub fn builder(store: impl SecretStore) -> ResolverBuilder {
        ResolverBuilder::new(Arc::new(store))
    }

    /// Returns the default vault, in which names without a vault are looked up.
    pub fn vault(&self) -> &Vault {
        self.inner.default.vault()
    }

    /// Returns a secret, from the cache if it is recent enough there.
    ///
    /// Costs at most one request. A pinned version never changes and is fetched once.
    ///
    /// # Errors
    ///
    /// [`Denied`](ErrorKind::Denied) if the program does not allow the vault; otherwise the store's error.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the fetch to the other callers that wait for it.
    pub async fn get(&self, id: &SecretId) -> Result<Arc<Secret>> {
        self.get_fresh(id, self.max_age()).await
    }

    /// Returns the identifier of the secret that a reference means.
    pub(crate) fn secret_id(&self, reference: &Reference) -> Result<SecretId> {
        reference.secret_id(self.vault(), self.inner.cloud)
    }

    /// Returns a copy that reads App Configuration's references too.
    pub(crate) fn with_app_configuration(self) -> Self {
        Self { app_configuration: true, ..self }
    }

    /// Returns the freshness required outside a load. A clock younger than the maximum age makes every fetch recent
    /// enough.
    fn max_age(&self) -> Freshness {
        Instant::now().checked_sub(self.inner.max_age).map_or(Freshness::Any, Freshness::Since)
    }

    /// Returns how many requests were made to stores outside this process.
    pub(crate) fn remote_requests(&self) -> u64 {
        self.inner.remote_requests.load(Ordering::Relaxed)
    }

    /// Counts a request to a store.
    fn count_request(&self, store: &dyn SecretStore) {
        if !(store as &dyn Any).is::<InMemory>() {
            self.inner.remote_requests.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Returns every allowed vault: the default one first, then the others in order.
    #[cfg(feature = "sealed")]
    pub(crate) fn vaults(&self) -> Vec<Vault> {
        let mut vaults: Vec<Vault> = self.inner.others.iter().map(|store| store.vault().clone()).collect();
        vaults.sort();
        vaults.insert(0, self.vault().clone());
        vaults
    }

    /// Creates a resolver for the same vaults that uses other stores, with an empty cache.
    #[cfg(feature = "sealed")]
    pub(crate) fn with_stores(&self, replace: impl Fn(&Vault) -> Arc<dyn SecretStore>) -> Self {
        let inner = &self.inner;
        let mut builder = ResolverBuilder::new(replace(inner.default.vault())).cloud(inner.cloud);
        for store in &inner.others {
            builder = builder.store(replace(store.vault()));
        }
        let layers = self.layers_with(&replace);
        Self { app_configuration: self.app_configuration, layers, ..builder.make() }
    }

    /// Returns whether a note was not logged yet, and remembers it.
    fn is_new(&self, note: impl Hash) -> bool {
        let mut logged = self.inner.logged.lock().unwrap_or_else(PoisonError::into_inner);
        // Logging a note again is harmless; remembering every note for ever is not.
        if logged.len() >= MAX_LOGGED_NOTES {
            logged.clear();
        }
        logged.insert(Fingerprint::of(note))
    }

    /// Logs a warning, unless it was logged before.
    fn warn_once(&self, warning: &str) {
        if self.is_new(warning) {
            tracing::warn!("{warning}");
        }
    }

    /// Returns a secret that is fresh enough. A pinned version always is.
    async fn get_fresh(&self, id: &SecretId, freshness: Freshness) -> Result<Arc<Secret>> {
        self.store(id)?;
        let fetch = || async {
            let fetched = self.fetch(id).await;
            metrics::fetched(id.vault(), fetched.as_ref().err());
            fetched
        };
        // Other settings that use this cache may have another layer of the same store.
        if id.name().is_of_store() {
            return fetch().await.map(Arc::new);
        }
        self.inner.cache.get(id, freshness, fetch).await
    }

    /// Fetches a secret, whatever is in the cache.
    async fn fetch(&self, id: &SecretId) -> Result<Secret> {
        let store = self.store(id)?;
        // The semaphore is never closed, so this waits and does not fail.
        let _permit = self.inner.permits.acquire().await;
        self.count_request(store);
        store.get(id).await
    }

    fn store(&self, id: &SecretId) -> Result<&dyn SecretStore> {
        if let Some(store) = self.document_store(id) {
            return Ok(store);
        }
        let allowed = std::iter::once(&self.inner.default).chain(&self.inner.others);
        let mut allowed = allowed.filter(|store| store.vault() == id.vault());
        allowed.next().map(|store| &**store).ok_or_else(|| {
            if let Some(own) = Cloud::own_host(id.vault().host()) {
                let clause = format!("{PRIVATE_LINK_HOST}; the vault's own host is {own}");
                let error = Error::from_clause(ErrorKind::Denied, PRIVATE_LINK_HOST, clause);
                return error.about(id).with_help(PRIVATE_LINK_HELP);
            }
            let clause = match id.vault().cloud() {
                Some(_) => "vault is not one that this program allows",
                None => "host is not a Key Vault host and not one that this program allows",
            };
            Error::new(ErrorKind::Denied, clause)
                .about(id)
                .with_help("allow the vault: Resolver::builder(…).vault(…) in code, --vault on the command line")
        })
    }
}

const MAX_LOGGED_NOTES: usize = 10_000;

const PRIVATE_LINK_HOST: &str = "host is the name of a private endpoint";

impl<S: SecretStore> From<S> for Resolver {
    fn from(store: S) -> Self {
        Self::builder(store).make()
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver")
            .field("default", &self.inner.default)
            .field("others", &self.inner.others)
            .finish_non_exhaustive()
    }
}
