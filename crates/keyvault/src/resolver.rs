//! From references to secrets.

use std::collections::HashSet;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::stream::BoxStream;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::cache::{Freshness, SecretCache};
use crate::check::{self, Rules};
use crate::cloud::Cloud;
use crate::error::{Error, ErrorKind, Result};
use crate::layers::Tree;
use crate::load::{self, Loaded};
use crate::metrics;
use crate::name_map::NameMap;
use crate::named::{NameNote, NamedSecrets};
use crate::pass::Pass;
use crate::properties::SecretProperties;
use crate::secret::{Secret, SecretId};
use crate::store::SecretStore;
use crate::vault::Vault;

/// Resolves references against the vaults that the program allows.
///
/// A secret that several settings or tasks ask for is fetched once, at most 100 secrets are fetched at the same time, and
/// what was fetched is kept, up to a bound. A vault is allowed by giving its store to the builder; a reference to any
/// other vault is refused before a request is made.
///
/// `Clone` is cheap and shares everything. One store makes a resolver by `into()`.
///
/// # Examples
///
/// ```
/// use keyvault::{InMemory, Resolver, Template};
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
    inner: Arc<Inner>,
    app_configuration: bool,
}

struct Inner {
    default: Arc<dyn SecretStore>,
    others: Vec<Arc<dyn SecretStore>>,
    cloud: Cloud,
    cache: SecretCache,
    flights: Semaphore,
    max_age: Duration,
    requests: AtomicU64,
    /// What was warned of, for a refresh finds it again.
    told: Mutex<HashSet<NameNote>>,
}

impl Resolver {
    /// Begins to build a resolver whose default vault is that of `store`.
    pub fn builder(store: impl SecretStore) -> ResolverBuilder {
        ResolverBuilder {
            default: Arc::new(store),
            others: Vec::new(),
            cloud: None,
            concurrency: 100,
            cache_capacity: 10_000,
            max_age: Duration::from_secs(300),
            app_configuration: false,
        }
    }

    /// Tells the vault that names without a vault are looked up in.
    pub fn vault(&self) -> &Vault {
        self.inner.default.vault()
    }

    /// Gives a secret, from the cache if it is young enough there.
    ///
    /// Costs no request or one. A version that is named never changes and is fetched once.
    ///
    /// # Errors
    ///
    /// [`Denied`](ErrorKind::Denied) if the vault is not one that the program allows; else what the store said.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the fetch to the others who wait for it.
    pub async fn get(&self, id: &SecretId) -> Result<Arc<Secret>> {
        self.get_fresh(id, self.young_enough()).await
    }

    /// Gives text with every reference in it replaced; none if an optional reference has no secret.
    ///
    /// One request for each distinct secret that is not in the cache.
    ///
    /// # Errors
    ///
    /// As [`Reference::parse`](crate::Reference::parse) and [`get`](Resolver::get); all failures of the text in one error.
    pub async fn resolve(&self, text: &str) -> Result<Option<crate::Resolved>> {
        check::resolve_text(&Pass::new(self, self.young_enough()), text).await
    }

    /// Resolves every reference in the tree of a framework, as the start of live settings does.
    ///
    /// # Errors
    ///
    /// Every value whose references could not be resolved, with its place, in one error.
    pub async fn resolve_tree<R: Tree>(&self, tree: R) -> Result<Loaded<R>> {
        load::fill(Pass::begin(self), tree, Rules::default()).await
    }

    /// Gives the secrets of the default vault that `map` takes, under the keys of their names.
    ///
    /// Disabled secrets and those of certificates are left out, unless the map says otherwise;
    /// [`notes`](NamedSecrets::notes) tells which. Costs ⌈secrets / 25⌉ requests to list the vault and one for each secret
    /// that is not in the cache. A map of names or of known keys costs one request for each of them and no list.
    ///
    /// # Errors
    ///
    /// Everything that went wrong, in one error. [`Invalid`](ErrorKind::Invalid) if several names give one key, a key is
    /// both a value and a table, or the map cannot work; [`Rejected`](ErrorKind::Rejected) if JSON that is to be opened is
    /// none, or a secret is outside its dates and the map is strict about that; else what the store said.
    pub async fn named(&self, map: &NameMap) -> Result<NamedSecrets> {
        Pass::begin(self).named(map).await
    }

    /// Names the secret that a reference means.
    pub(crate) fn secret_id(&self, reference: &crate::Reference) -> Result<SecretId> {
        reference.secret_id(self.vault(), self.inner.cloud)
    }

    /// Copies the resolver, so that the copy reads App Configuration's references.
    pub(crate) fn with_app_configuration(self) -> Self {
        Self { app_configuration: true, ..self }
    }

    pub(crate) fn reads_app_configuration(&self) -> bool {
        self.app_configuration
    }

    /// Names the secret that a reference means, if its vault is one that the program allows.
    pub(crate) fn allowed(&self, reference: &crate::Reference) -> Result<SecretId> {
        let id = self.secret_id(reference)?;
        self.store(&id)?;
        Ok(id)
    }

    /// What is asked of a secret outside a pass. A clock that is younger than the age allowed makes everything new enough.
    fn young_enough(&self) -> Freshness {
        Instant::now().checked_sub(self.inner.max_age).map_or(Freshness::Any, Freshness::Since)
    }

    /// What is asked of a secret in a pass that begins now.
    pub(crate) fn newer_than_now(&self) -> Freshness {
        Freshness::After(self.inner.cache.now())
    }

    /// Gives the default vault to list it.
    pub(crate) fn default_store(&self) -> &dyn SecretStore {
        self.inner.requests.fetch_add(1, Ordering::Relaxed);
        &*self.inner.default
    }

    /// Tells how often a vault was asked so far.
    pub(crate) fn requests(&self) -> u64 {
        self.inner.requests.load(Ordering::Relaxed)
    }

    /// Tells every vault that is allowed: the default one first, then the others in order.
    #[cfg(feature = "sealed")]
    pub(crate) fn vaults(&self) -> Vec<Vault> {
        let mut vaults: Vec<Vault> = self.inner.others.iter().map(|store| store.vault().clone()).collect();
        vaults.sort();
        vaults.insert(0, self.vault().clone());
        vaults
    }

    /// Gives a resolver for the same vaults that asks others in their place, and knows nothing yet.
    #[cfg(feature = "sealed")]
    pub(crate) fn answered_by(&self, stand_in: impl Fn(&Vault) -> Arc<dyn SecretStore>) -> Self {
        let inner = &self.inner;
        let builder = ResolverBuilder {
            default: stand_in(inner.default.vault()),
            others: inner.others.iter().map(|store| stand_in(store.vault())).collect(),
            cloud: Some(inner.cloud),
            concurrency: 32,
            cache_capacity: 10_000,
            max_age: inner.max_age,
            app_configuration: self.app_configuration,
        };
        builder.make()
    }

    /// Tells whether nothing was said of this yet, and takes it as said.
    pub(crate) fn is_news(&self, note: &NameNote) -> bool {
        let mut told = self.inner.told.lock().unwrap_or_else(PoisonError::into_inner);
        // To say something again is no harm, and to remember everything for ever is.
        if told.len() >= MOST_TOLD {
            told.clear();
        }
        told.insert(note.clone())
    }

    pub(crate) fn cached(&self, id: &SecretId) -> Option<Arc<Secret>> {
        self.inner.cache.peek(id)
    }

    /// Gives a secret that is fresh enough; a version that is named always is.
    pub(crate) async fn get_fresh(&self, id: &SecretId, freshness: Freshness) -> Result<Arc<Secret>> {
        let store = self.store(id)?;
        let freshness = if id.version().is_some() { Freshness::Any } else { freshness };
        let fetch = || async {
            // Never closed, so this waits its turn and does not fail.
            let _turn = self.inner.flights.acquire().await;
            self.inner.requests.fetch_add(1, Ordering::Relaxed);
            let fetched = store.get(id).await;
            metrics::fetched(id.vault(), fetched.as_ref().err());
            fetched
        };
        self.inner.cache.get(id, freshness, fetch).await
    }

    /// Asks the vault, whatever is in the cache.
    pub(crate) async fn ask(&self, id: &SecretId) -> Result<Secret> {
        let store = self.store(id)?;
        let _turn = self.inner.flights.acquire().await;
        self.inner.requests.fetch_add(1, Ordering::Relaxed);
        store.get(id).await
    }

    /// Lists the versions of a secret.
    pub(crate) fn versions(&self, id: &SecretId) -> Result<BoxStream<'_, Result<SecretProperties>>> {
        Ok(self.store(id)?.versions(id.name()))
    }

    fn store(&self, id: &SecretId) -> Result<&dyn SecretStore> {
        let allowed = std::iter::once(&self.inner.default).chain(&self.inner.others);
        let mut allowed = allowed.filter(|store| store.vault() == id.vault());
        allowed.next().map(|store| &**store).ok_or_else(|| {
            let clause = match id.vault().cloud() {
                Some(_) => "vault is not one that this program allows",
                None => "host is no Key Vault's and not one that this program allows",
            };
            Error::new(ErrorKind::Denied, clause)
                .about(id)
                .with_help("allow the vault: Resolver::builder(…).vault(…) in code, --vault on the command line")
        })
    }
}

const MOST_TOLD: usize = 10_000;

impl<S: SecretStore> From<S> for Resolver {
    fn from(store: S) -> Self {
        Resolver::builder(store).make()
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

/// Builds a [`Resolver`].
#[derive(Debug)]
#[must_use]
pub struct ResolverBuilder {
    default: Arc<dyn SecretStore>,
    others: Vec<Arc<dyn SecretStore>>,
    cloud: Option<Cloud>,
    concurrency: usize,
    cache_capacity: u64,
    max_age: Duration,
    app_configuration: bool,
}

impl ResolverBuilder {
    /// Allows references to the vault of `store`, too.
    pub fn vault(mut self, store: impl SecretStore) -> Self {
        self.others.push(Arc::new(store));
        self
    }

    /// Sets the cloud that completes a `VaultName`. Default: that of the default vault, or the public one.
    pub fn cloud(mut self, cloud: Cloud) -> Self {
        self.cloud = Some(cloud);
        self
    }

    /// Sets how many secrets are fetched at the same time, from all vaults together.
    ///
    /// A [`SecretClient`](crate::SecretClient) bounds the requests to its vault, too, and fewer when that throttles.
    /// Default: 100. At least 1.
    pub fn concurrency(mut self, secrets: usize) -> Self {
        self.concurrency = secrets;
        self
    }

    /// Sets how many secrets are kept. Default: 10,000.
    pub fn cache_capacity(mut self, secrets: u64) -> Self {
        self.cache_capacity = secrets;
        self
    }

    /// Reads [App Configuration's references][schema], too: a string that is `{"uri":"https://…/secrets/…"}`, and a table
    /// whose one member is such a `uri`. Default: they are left as they are.
    ///
    /// [schema]: https://github.com/Azure/AppConfiguration/blob/main/docs/ConfigurationTypes/KeyVaultReference.v1.0.0.schema.json
    pub fn app_configuration_references(mut self) -> Self {
        self.app_configuration = true;
        self
    }

    /// Sets how old the latest version of a secret may be that [`Resolver::get`] and [`Resolver::resolve`] give. A refresh
    /// of live settings always asks anew. Default: 5 minutes.
    pub fn max_age(mut self, age: Duration) -> Self {
        self.max_age = age;
        self
    }

    /// Builds the resolver, without I/O.
    ///
    /// # Errors
    ///
    /// [`Invalid`](ErrorKind::Invalid) if two stores are for one vault, or nothing may be fetched at a time.
    pub fn build(self) -> Result<Resolver> {
        if self.concurrency == 0 || self.concurrency > Semaphore::MAX_PERMITS {
            return Err(Error::invalid("concurrency of a resolver is not at least 1"));
        }
        let vaults: Vec<&Vault> =
            std::iter::once(&self.default).chain(&self.others).map(|store| store.vault()).collect();
        if (1..vaults.len()).any(|i| vaults[..i].contains(&vaults[i])) {
            return Err(Error::invalid("two stores of a resolver are for the same vault"));
        }
        Ok(self.make())
    }

    fn make(self) -> Resolver {
        let cloud = self.cloud.or(self.default.vault().cloud()).unwrap_or_default();
        Resolver {
            app_configuration: self.app_configuration,
            inner: Arc::new(Inner {
                cloud,
                default: self.default,
                others: self.others,
                cache: SecretCache::new(usize::try_from(self.cache_capacity).unwrap_or(usize::MAX)),
                flights: Semaphore::new(self.concurrency),
                max_age: self.max_age,
                requests: AtomicU64::new(0),
                told: Mutex::default(),
            }),
        }
    }
}
