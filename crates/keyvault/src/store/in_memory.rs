//! A vault in this process.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use async_trait::async_trait;
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream};
use futures::{FutureExt, StreamExt};

use super::SecretStore;
use crate::error::{Error, ErrorKind, Result};
use crate::report::ReferenceStatus;
use crate::secret::{Secret, SecretId, SecretName, SecretProperties, SecretVersion, Vault};

/// A vault in this process, for tests, examples and programs that run without Azure.
///
/// It keeps versions, refuses disabled secrets, fails on request, and passes the same contract suite as the client. Its
/// calls never wait, except in a hook set by [`on_get`](InMemory::on_get). `Clone` shares the secrets.
///
/// # Examples
///
/// ```
/// use keyvault::{InMemory, SecretStore};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> keyvault::Result<()> {
/// let vault = InMemory::new("https://contoso.vault.azure.net".parse()?);
/// vault.set("db-password", "correct horse")?;
/// # let id = keyvault::SecretId::parse("https://contoso.vault.azure.net/secrets/db-password")?;
/// assert_eq!(vault.get(&id).await?.expose_secret(), "correct horse");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct InMemory {
    vault: Vault,
    state: Arc<Mutex<InMemoryState>>,
}

#[derive(Default)]
struct InMemoryState {
    /// The versions of each secret, the latest one last.
    secrets: BTreeMap<SecretName, Vec<Secret>>,
    /// Why every read fails.
    failure: Option<Error>,
    /// Why the reads of single secrets fail.
    failures: BTreeMap<SecretName, Error>,
    on_get: Option<GetHook>,
    reads: ReadCounts,
}

type GetHook = Arc<dyn Fn(SecretId) -> BoxFuture<'static, Result<()>> + Send + Sync>;

/// The number of reads of an [`InMemory`] vault.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ReadCounts {
    /// Calls of [`get`](SecretStore::get).
    pub gets: u64,
    /// Lists of secrets or versions that were begun.
    pub lists: u64,
}

impl InMemory {
    /// Creates an empty vault with the name of `vault`.
    pub fn new(vault: Vault) -> Self {
        Self { vault, state: Arc::default() }
    }

    /// Sets a secret and returns its new version, which becomes the latest.
    ///
    /// # Errors
    ///
    /// [`Invalid`](ErrorKind::Invalid) if `name` is not a valid secret name.
    pub fn set(&self, name: &str, value: impl Into<Box<str>>) -> Result<SecretVersion> {
        self.set_with(name, value, |_| {})
    }

    /// Sets a secret with changed properties, such as disabled, with an expiry date or with tags, and returns its new
    /// version.
    ///
    /// # Errors
    ///
    /// [`Invalid`](ErrorKind::Invalid) if `name` is not a valid secret name.
    pub fn set_with(
        &self,
        name: &str,
        value: impl Into<Box<str>>,
        change: impl FnOnce(&mut SecretProperties),
    ) -> Result<SecretVersion> {
        let name = SecretName::parse(name)?;
        let version = SecretVersion::parse(&format!("{:032x}", fastrand::u128(..)))?;
        let id = SecretId::new(self.vault.clone(), name.clone()).with_version(version.clone());
        let now = SystemTime::now();
        let mut properties = SecretProperties::new(id);
        properties.set_created(now);
        properties.set_updated(now);
        change(&mut properties);
        let secret = Secret::new(properties, value, now);
        self.state().secrets.entry(name).or_default().push(secret);
        Ok(version)
    }

    /// Deletes a secret with all its versions. Returns whether it existed.
    pub fn delete(&self, name: &str) -> bool {
        SecretName::parse(name).is_ok_and(|name| self.state().secrets.remove(&name).is_some())
    }

    /// Makes every read fail with `failure` from now on, or succeed again if `failure` is `None`.
    pub fn fail(&self, failure: impl Into<Option<Error>>) {
        self.state().failure = failure.into();
    }

    /// Makes each `get` of one secret fail with `failure` from now on, or succeed again if `failure` is `None`.
    ///
    /// Lists still contain the secret: the permissions to list and to get are separate. The secret need not exist.
    ///
    /// # Errors
    ///
    /// [`Invalid`](ErrorKind::Invalid) if `name` is not a valid secret name.
    ///
    /// # Examples
    ///
    /// ```
    /// use keyvault::{Error, ErrorKind, InMemory, SecretId, SecretStore};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> keyvault::Result<()> {
    /// let vault = InMemory::new("https://contoso.vault.azure.net".parse()?);
    /// vault.set("db-password", "correct horse")?;
    /// vault.fail_secret("db-password", Error::new(ErrorKind::Denied, "access denied"))?;
    /// let id = SecretId::parse("https://contoso.vault.azure.net/secrets/db-password")?;
    /// assert_eq!(vault.get(&id).await.unwrap_err().kind(), ErrorKind::Denied);
    /// # Ok(())
    /// # }
    /// ```
    pub fn fail_secret(&self, name: &str, failure: impl Into<Option<Error>>) -> Result<()> {
        let name = SecretName::parse(name)?;
        match failure.into() {
            Some(failure) => _ = self.state().failures.insert(name, failure),
            None => _ = self.state().failures.remove(&name),
        }
        Ok(())
    }

    /// Runs `hook` before each `get`: to delay it, to count it, or to fail it by another rule than
    /// [`fail_secret`](Self::fail_secret).
    ///
    /// The hook receives the requested identifier. If it returns an error, `get` returns that error. It replaces an
    /// earlier hook and applies to every clone of this vault. A hook that owns a clone of this vault keeps the vault
    /// alive. Listing does not run it.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # fn main() -> keyvault::Result<()> {
    /// let vault = keyvault::InMemory::new("https://contoso.vault.azure.net".parse()?);
    /// vault.on_get(|_id| async {
    ///     tokio::time::sleep(Duration::from_millis(20)).await;
    ///     Ok(())
    /// });
    /// # Ok(())
    /// # }
    /// ```
    pub fn on_get<F>(&self, hook: impl Fn(SecretId) -> F + Send + Sync + 'static)
    where
        F: Future<Output = Result<()>> + Send + 'static,
    {
        self.state().on_get = Some(Arc::new(move |id| hook(id).boxed()));
    }

    /// Returns the number of reads since the vault was created.
    pub fn reads(&self) -> ReadCounts {
        self.state().reads
    }

    fn state(&self) -> MutexGuard<'_, InMemoryState> {
        // A panic in another thread leaves no partial change, because each change is one assignment.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self, id: &SecretId) -> Result<Secret> {
        let state = self.state();
        if let Some(failure) = &state.failure {
            return Err(failure.clone());
        }
        if let Some(failure) = state.failures.get(id.name()) {
            return Err(failure.clone().about(id));
        }
        let versions = state.secrets.get(id.name()).map_or(&[][..], Vec::as_slice);
        let found = match id.version() {
            Some(version) => versions.iter().find(|secret| secret.id().version() == Some(version)),
            None => versions.last(),
        };
        match found {
            None => Err(Error::new(ErrorKind::NotFound, "secret not found").about(id)),
            Some(secret) if !secret.properties().enabled() => {
                Err(Error::new(ErrorKind::NotFound, "secret is disabled")
                    .with_status(ReferenceStatus::AccessToKeyVaultDenied)
                    .about(id))
            }
            Some(secret) => Ok(Secret::new(secret.properties().clone(), secret.expose_secret(), SystemTime::now())),
        }
    }

    fn listed(&self) -> Vec<Result<SecretProperties>> {
        let mut state = self.state();
        state.reads.lists += 1;
        if let Some(failure) = &state.failure {
            return vec![Err(failure.clone())];
        }
        let latest = state.secrets.values().filter_map(|versions| versions.last());
        latest.map(|secret| Ok(secret.properties().without_version())).collect()
    }

    fn listed_versions(&self, name: &SecretName) -> Vec<Result<SecretProperties>> {
        let mut state = self.state();
        state.reads.lists += 1;
        if let Some(failure) = &state.failure {
            return vec![Err(failure.clone())];
        }
        let versions = state.secrets.get(name).into_iter().flatten();
        versions.map(|secret| Ok(secret.properties().clone())).collect()
    }
}

#[async_trait]
impl SecretStore for InMemory {
    fn vault(&self) -> &Vault {
        &self.vault
    }

    async fn get(&self, id: &SecretId) -> Result<Secret> {
        let hook = {
            let mut state = self.state();
            state.reads.gets += 1;
            state.on_get.clone()
        };
        if let Some(hook) = hook {
            hook(id.clone()).await?;
        }
        self.read(id)
    }

    fn list(&self) -> BoxStream<'_, Result<SecretProperties>> {
        // Reads when the stream is polled, not when it is created, like a real vault.
        stream::once(async { stream::iter(self.listed()) }).flatten().boxed()
    }

    fn versions(&self, name: &SecretName) -> BoxStream<'_, Result<SecretProperties>> {
        let name = name.clone();
        stream::once(async move { stream::iter(self.listed_versions(&name)) }).flatten().boxed()
    }
}

impl fmt::Debug for InMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InMemory")
            .field("vault", &self.vault)
            .field("secrets", &self.state().secrets.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::{Instant, sleep};

    use super::*;

    fn vault_with_a_secret() -> (InMemory, SecretId) {
        let vault = InMemory::new("https://contoso.vault.azure.net".parse().unwrap());
        vault.set("a", "value").unwrap();
        (vault, SecretId::parse("https://contoso.vault.azure.net/secrets/a").unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn a_hook_delays_each_get_of_every_clone() {
        let (vault, id) = vault_with_a_secret();
        vault.clone().on_get(|_| sleep(Duration::from_secs(1)).map(Ok));
        let began = Instant::now();
        assert_eq!(vault.get(&id).await.unwrap().expose_secret(), "value");
        assert_eq!((began.elapsed(), vault.reads().gets), (Duration::from_secs(1), 1));
    }

    #[tokio::test]
    async fn a_failing_secret_fails_no_other_and_stays_in_the_list() {
        let (vault, id) = vault_with_a_secret();
        vault.set("other", "value").unwrap();
        let other = SecretId::parse("https://contoso.vault.azure.net/secrets/other").unwrap();
        vault.fail_secret("A", Error::new(ErrorKind::Denied, "access denied")).unwrap();
        let error = vault.clone().get(&id).await.unwrap_err();
        assert_eq!((error.kind(), error.secret()), (ErrorKind::Denied, Some(&id)));
        assert!(vault.get(&other).await.is_ok());
        let listed: Vec<_> = vault.list().collect().await;
        assert_eq!(listed.len(), 2);
        vault.fail_secret("a", None).unwrap();
        assert!(vault.get(&id).await.is_ok());
        assert_eq!(vault.fail_secret("no name", None).unwrap_err().kind(), ErrorKind::Invalid);
    }

    #[tokio::test]
    async fn a_failing_hook_fails_the_get_until_another_hook_replaces_it() {
        let (vault, id) = vault_with_a_secret();
        vault.on_get(|_| async { Err(Error::new(ErrorKind::Denied, "access denied")) });
        assert_eq!(vault.get(&id).await.unwrap_err().kind(), ErrorKind::Denied);
        vault.on_get(|_| async { Ok(()) });
        assert_eq!(vault.get(&id).await.unwrap().expose_secret(), "value");
    }
}
