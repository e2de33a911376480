//! The client itself: reading secrets, and what every operation is built from.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use azure_core::credentials::TokenCredential;
use futures::StreamExt;
use futures::stream::BoxStream;
use serde::de::DeserializeOwned;
use url::Url;

use super::bundle::{ListItem, SecretBundle};
use super::challenge::cloud_scope;
use super::operation::Operation;
use super::vault_service::VaultService;
use crate::error::{Error, Result};
use crate::http::{Authorizer, ClientStats, Pipeline, PipelineSettings, Request};
use crate::secret::{Cloud, Secret, SecretId, SecretName, SecretProperties, SecretVersion, Vault};
use crate::store::SecretStore;

/// A client for the secrets of one vault.
///
/// The client sends its token to the vault's origin and to no other, checks names before it builds a URL, follows no
/// redirect, bounds the size of bodies and pages, retries in one layer only, and ends every operation within its
/// [timeout](super::SecretClientBuilder::timeout). `Clone` is cheap and shares the connections and the token.
///
/// The client runs on a tokio runtime. It caches no secrets; [`Resolver`](crate::Resolver) does.
///
/// # Errors
///
/// Each operation documents the errors of its own. In addition, every request can fail with
/// [`Denied`](crate::ErrorKind::Denied) (no token, or no permission), [`NotFound`](crate::ErrorKind::NotFound) (no such
/// secret or version, or it is disabled), [`Throttled`](crate::ErrorKind::Throttled) (the rate limit is exhausted) or
/// [`Unavailable`](crate::ErrorKind::Unavailable) (the vault cannot be reached, fails, or does not respond in time).
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
    pub(super) pipeline: Arc<Pipeline>,
    /// The cloud that the program has set.
    cloud: Option<Cloud>,
}

impl SecretClient {
    pub(super) fn new(
        vault: Vault,
        cloud: Option<Cloud>,
        credential: Arc<dyn TokenCredential>,
        settings: PipelineSettings,
    ) -> Result<Self> {
        let (service, scope) = service(&vault, cloud);
        let pipeline = Pipeline::new(vault, service, Some(Authorizer::new(credential, scope)), settings)?;
        Ok(Self { pipeline: Arc::new(pipeline), cloud })
    }

    /// Copies the client for another vault, with the same credential and settings: its URL, its host, or its name in
    /// the cloud of this one.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) if `vault` is not a vault's name or URL.
    pub fn with_vault(&self, vault: &str) -> Result<Self> {
        let vault = Vault::from_name_or_url(vault, cloud_of(self.vault(), self.cloud))?;
        let (service, scope) = service(&vault, self.cloud);
        Ok(Self { pipeline: Arc::new(self.pipeline.with_origin(vault, service, scope)?), cloud: self.cloud })
    }

    /// Returns the vault that this client talks to.
    pub fn vault(&self) -> &Vault {
        self.pipeline.origin()
    }

    /// Returns how much the client and its clones have sent to the vault so far. Does not wait.
    pub fn stats(&self) -> ClientStats {
        self.pipeline.stats()
    }

    /// Fetches the latest version of a secret.
    ///
    /// Costs one request. An expired secret is returned like any other; the vault refuses to return a disabled one.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) if `name` is not a valid name, or an [error of the
    /// request](SecretClient#errors).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cancels the request. If the future was fetching a token that other requests wait for, the
    /// next of them fetches it.
    pub async fn get(&self, name: &str) -> Result<Secret> {
        self.fetch(&self.id(name, None)?).await
    }

    /// Fetches one version of a secret. Costs and fails like [`get`](SecretClient::get).
    pub async fn get_version(&self, name: &str, version: &str) -> Result<Secret> {
        self.fetch(&self.id(name, Some(version))?).await
    }

    /// Fetches the latest version of a certificate's secret, converted to PEM.
    ///
    /// The secret of a certificate that was created as PKCS #12 is PKCS #12 in base64. Since API version `2025-07-01`
    /// the vault converts it to the private key and the certificates [in
    /// PEM](https://learn.microsoft.com/rest/api/keyvault/secrets/get-secret/get-secret#contenttype). Costs and fails
    /// like [`get`](SecretClient::get); fails with [`Invalid`](crate::ErrorKind::Invalid) for any other secret.
    pub async fn get_pem(&self, name: &str) -> Result<Secret> {
        let id = self.id(name, None)?;
        let mut url = self.secret_url(&id)?;
        url.query_pairs_mut().append_pair("outContentType", "application/x-pem-file");
        self.send_for_secret(&Request::new(&Operation::Get, url).about(&id), &id).await
    }

    /// Fetches the latest version, or the one that `id` names.
    pub(super) async fn fetch(&self, id: &SecretId) -> Result<Secret> {
        let request = Request::new(&Operation::Get, self.secret_url(id)?).about(id);
        self.send_for_secret(&request, id).await
    }

    /// Sends a request that the vault answers with the secret `id`.
    pub(super) async fn send_for_secret(&self, request: &Request, id: &SecretId) -> Result<Secret> {
        let response = self.pipeline.send(request).await?;
        let bundle: SecretBundle = response.json().map_err(|error| error.about(id))?;
        bundle.into_secret(id, response.as_of)
    }

    /// Sends a request that the vault answers with the properties of the secret `id`.
    pub(super) async fn send_for_item<T: ListItem>(&self, request: &Request, id: &SecretId) -> Result<T> {
        let bundle: SecretBundle = self.send_for(request).await?;
        bundle.into_item(id)
    }

    /// Sends a request and parses the body of the response.
    pub(super) async fn send_for<T: DeserializeOwned>(&self, request: &Request) -> Result<T> {
        let response = self.pipeline.send(request).await?;
        response.json().map_err(|error| request.annotate(error))
    }

    /// Returns the identifier of a secret in this vault, after checking name and version.
    pub(super) fn id(&self, name: &str, version: Option<&str>) -> Result<SecretId> {
        let id = SecretId::new(self.vault().clone(), SecretName::parse(name)?);
        Ok(match version {
            Some(version) => id.with_version(SecretVersion::parse(version)?),
            None => id,
        })
    }

    /// Returns the URL of a version. The URL of the latest ends with a slash, as in the official clients.
    pub(super) fn secret_url(&self, id: &SecretId) -> Result<Url> {
        let version = id.version().map(ToString::to_string).unwrap_or_default();
        self.pipeline.url(&["secrets", id.name().as_str(), &version])
    }
}

/// Returns the service of `vault`, and the scope of its tokens, for a client that is set to `cloud`.
fn service(vault: &Vault, cloud: Option<Cloud>) -> (Arc<VaultService>, String) {
    let cloud = cloud_of(vault, cloud);
    (Arc::new(VaultService { vault: vault.clone(), cloud }), cloud_scope(cloud))
}

/// Returns the cloud whose tokens `vault` accepts.
fn cloud_of(vault: &Vault, cloud: Option<Cloud>) -> Cloud {
    vault.cloud().or(cloud).unwrap_or_default()
}

#[async_trait]
impl SecretStore for SecretClient {
    fn vault(&self) -> &Vault {
        self.pipeline.origin()
    }

    async fn get(&self, id: &SecretId) -> Result<Secret> {
        if id.vault() != self.vault() {
            return Err(Error::invalid("secret belongs to another vault than the client").about(id));
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
