//! The Key Vault secrets REST API.

mod answer;
mod authorizer;
mod backup;
mod bucket;
mod builder;
mod call;
mod challenge;
mod deleted;
mod deletion;
mod exchange;
mod heard;
mod new_secret;
mod opening;
mod pace;
mod page;
mod patience;
mod recovery;
mod retry;
pub(crate) mod tls;
mod traffic;
pub(crate) mod transport;
mod update;
mod verb;
mod window;
mod wire;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::BoxStream;
use url::Url;

#[cfg(feature = "identity")]
pub(crate) use self::authorizer::{AnotherToken, credential_error};
pub use self::backup::SecretBackup;
pub use self::builder::SecretClientBuilder;
use self::call::Call;
#[cfg(feature = "identity")]
pub(crate) use self::challenge::cloud_scope;
pub use self::deleted::DeletedSecret;
pub use self::deletion::DeleteOperation;
use self::exchange::Exchange;
pub use self::new_secret::NewSecret;
pub use self::page::{PageToken, SecretList, SecretPage, SecretPages};
pub use self::recovery::RecoverOperation;
pub use self::traffic::ClientStats;
#[cfg(feature = "storage-queue")]
pub(crate) use self::transport::http_client;
pub use self::update::SecretUpdate;
use self::verb::Verb;
pub(crate) use self::wire::Item;
use crate::error::{Error, Result};
use crate::secret::{Secret, SecretId, SecretName, SecretProperties, SecretVersion, Vault};
use crate::store::SecretStore;

/// A client for the secrets of one vault.
///
/// It sends its token to the vault's origin and nowhere else, checks names before a URL is made of them, follows no
/// redirect, caps bodies and pages, retries in one place, and ends every call within its
/// [timeout](SecretClientBuilder::timeout). `Clone` is cheap and shares connections and token.
///
/// The client runs on a tokio runtime. It caches nothing; [`Resolver`](crate::Resolver) does.
///
/// # Examples
///
/// ```no_run
/// use std::sync::Arc;
/// use azure_core::credentials::TokenCredential;
/// use keyvault::SecretClient;
///
/// # async fn example(credential: Arc<dyn TokenCredential>) -> keyvault::Result<()> {
/// let client = SecretClient::builder("https://contoso.vault.azure.net")
///     .credential(credential)
///     .build()?;
/// let password = client.get("db-password").await?;
/// connect(password.expose_secret());
/// # Ok(())
/// # }
/// # fn connect(_: &str) {}
/// ```
#[derive(Clone)]
pub struct SecretClient {
    exchange: Arc<Exchange>,
}

impl SecretClient {
    /// Begins to build a client for the vault at `url`: `https://contoso.vault.azure.net`.
    ///
    /// Naming an origin here allows it: the client's token goes to this origin. That includes one under no Key Vault
    /// domain, such as an emulator's `https://127.0.0.1:8443`, so never take it from where secrets' references come from.
    pub fn builder(url: impl Into<String>) -> SecretClientBuilder {
        SecretClientBuilder::new(url.into())
    }

    /// Copies the client for another vault, with the same credential and settings.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) if `url` is not that of a vault.
    pub fn with_vault(&self, url: &str) -> Result<Self> {
        let exchange = self.exchange.with_vault(Vault::parse(url)?)?;
        Ok(Self { exchange: Arc::new(exchange) })
    }

    /// Tells which vault the client is for.
    pub fn vault(&self) -> &Vault {
        self.exchange.vault()
    }

    /// Tells how much was asked of the vault since the client was made. Does not wait.
    pub fn traffic(&self) -> ClientStats {
        self.exchange.traffic()
    }

    /// Fetches the latest version of a secret.
    ///
    /// One request; an expired secret is fetched like any other, a disabled one is refused by the vault.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) if `name` cannot be a secret's, else what the vault or the way to it said.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives up the request. A token that it was fetching for others is fetched by the next of them.
    pub async fn get(&self, name: &str) -> Result<Secret> {
        self.fetch(&self.id(name, None)?).await
    }

    /// Fetches one version of a secret. Costs and fails as [`get`](SecretClient::get).
    pub async fn get_version(&self, name: &str, version: &str) -> Result<Secret> {
        self.fetch(&self.id(name, Some(version))?).await
    }

    /// Fetches the latest version of a certificate's secret with its value turned into PEM.
    ///
    /// A certificate made for PKCS #12 keeps that, in base64, as its secret; from `2025-07-01` on the vault turns it into
    /// the private key and the certificates [in PEM](https://learn.microsoft.com/rest/api/keyvault/secrets/get-secret/get-secret#contenttype).
    /// Costs and fails as [`get`](SecretClient::get); of any other secret this is [`Invalid`](crate::ErrorKind::Invalid).
    pub async fn get_pem(&self, name: &str) -> Result<Secret> {
        let id = self.id(name, None)?;
        let mut url = self.secret_url(&id)?;
        url.query_pairs_mut().append_pair("outContentType", "application/x-pem-file");
        self.fetch_from(url, &id).await
    }

    /// Lists every secret of the vault, in the order in which the vault gives them.
    ///
    /// One request for 25 secrets; the timeout counts for each request. An item has no version and no value.
    pub fn list(&self) -> SecretList {
        SecretList::new(self, Verb::List, self.url(&["secrets"]))
    }

    /// Lists every version of a secret, in no order of time; none if the vault has no such secret.
    ///
    /// One request for 25 versions; the timeout counts for each request.
    pub fn list_versions(&self, name: &str) -> SecretList {
        let first = SecretName::parse(name)
            .map_err(Error::from)
            .and_then(|name| self.url(&["secrets", name.as_str(), "versions"]));
        SecretList::new(self, Verb::ListVersions, first)
    }

    async fn fetch(&self, id: &SecretId) -> Result<Secret> {
        self.fetch_from(self.secret_url(id)?, id).await
    }

    async fn fetch_from(&self, url: Url, id: &SecretId) -> Result<Secret> {
        let answer = self.exchange.call(&Call::new(Verb::Get, url).about(id)).await?;
        let as_of = answer.as_of();
        let bundle: wire::SecretBundle = answer.json().map_err(|error| error.about(id))?;
        bundle.into_secret(id, as_of).map_err(|error| error.about(id))
    }

    /// Names a secret of this vault, once name and version are checked.
    fn id(&self, name: &str, version: Option<&str>) -> Result<SecretId> {
        let id = SecretId::new(self.vault().clone(), SecretName::parse(name)?);
        Ok(match version {
            Some(version) => id.with_version(SecretVersion::parse(version)?),
            None => id,
        })
    }

    /// Makes the URL of a version. The latest one is named by a slash at the end, as the official clients do.
    fn secret_url(&self, id: &SecretId) -> Result<Url> {
        let version = id.version().map(ToString::to_string).unwrap_or_default();
        self.url(&["secrets", id.name().as_str(), &version])
    }

    /// Makes a URL of this vault. The segments were checked; they are pushed and never spliced.
    fn url(&self, segments: &[&str]) -> Result<Url> {
        let mut url = self.exchange.base();
        url.path_segments_mut().map_err(|()| Error::invalid("vault URL has no path"))?.extend(segments);
        url.query_pairs_mut().append_pair("api-version", self.exchange.api_version());
        Ok(url)
    }
}

#[async_trait]
impl SecretStore for SecretClient {
    fn vault(&self) -> &Vault {
        self.exchange.vault()
    }

    async fn get(&self, id: &SecretId) -> Result<Secret> {
        if id.vault() != self.vault() {
            return Err(Error::invalid("secret is of another vault than the client").about(id));
        }
        self.fetch(id).await
    }

    fn list(&self) -> BoxStream<'_, Result<SecretProperties>> {
        SecretClient::list(self).pages().items_ahead()
    }

    fn versions(&self, name: &SecretName) -> BoxStream<'_, Result<SecretProperties>> {
        self.list_versions(name.as_str()).boxed()
    }
}

impl fmt::Debug for SecretClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretClient").field("vault", self.vault()).finish_non_exhaustive()
    }
}
