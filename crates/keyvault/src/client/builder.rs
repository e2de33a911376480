//! The settings of a client.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use azure_core::credentials::TokenCredential;
use azure_core::http::ClientOptions;

use super::secret_client::SecretClient;
use crate::error::{Error, Result};
use crate::http::PipelineSettings;
use crate::secret::{Cloud, Vault};

impl SecretClient {
    /// Starts building a client for a vault: its URL `https://contoso.vault.azure.net`, its host, or its name `contoso`
    /// in the public cloud or the one that is [set](SecretClientBuilder::cloud).
    ///
    /// Naming an origin here allows it: the client sends its token to this origin, even if the origin is under no Key
    /// Vault domain, such as `https://127.0.0.1:8443` of an emulator. Never take it from where references to secrets
    /// come from.
    pub fn builder(vault: impl Into<String>) -> SecretClientBuilder {
        SecretClientBuilder {
            vault: vault.into(),
            credential: None,
            cloud: None,
            settings: PipelineSettings::new(DEFAULT_API_VERSION, DEFAULT_REQUESTS_PER_SECOND),
        }
    }
}

/// Builds a [`SecretClient`]. Nothing before [`build`](SecretClientBuilder::build) has an effect.
#[must_use]
pub struct SecretClientBuilder {
    vault: String,
    credential: Option<Arc<dyn TokenCredential>>,
    cloud: Option<Cloud>,
    settings: PipelineSettings,
}

impl SecretClientBuilder {
    /// Sets the credential that fetches tokens. Required.
    ///
    /// It is `default_credential`, a credential of `azure_identity`, or your own.
    ///
    /// When the vault rejects a token, because the token was revoked or lacks claims, the client asks the credential
    /// for another one and retries once. A credential that caches tokens may return the same token again: those of
    /// `azure_identity` do until it expires, `default_credential` fetches a new one.
    pub fn credential(mut self, credential: Arc<dyn TokenCredential>) -> Self {
        self.credential = Some(credential);
        self
    }

    /// Sets the cloud of a vault that is given by its name, and the cloud whose tokens an origin under no Key Vault
    /// domain accepts. Default: the cloud of the vault's domain, or the public cloud.
    pub fn cloud(mut self, cloud: Cloud) -> Self {
        self.cloud = Some(cloud);
        self
    }

    /// Sets the total time of an operation: its token, all attempts, and the pauses between them.
    ///
    /// Default: 30 seconds. At least 1 millisecond.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.settings.timeout = timeout;
        self
    }

    /// Sets the largest number of requests that the vault receives per second, on average.
    ///
    /// The worth of ten seconds can go at once. Beyond that, at most 16 requests are in flight until the vault has
    /// accepted 160 of them. After the vault has throttled a request for the first time, no ten seconds contain more
    /// than ten seconds' worth.
    ///
    /// All clients of one vault in a process share one rate limit, and the lowest value that any client sets applies. A
    /// client with a transport of its own has a rate limit of its own. Further requests wait for a permit; they fail
    /// with [`Throttled`](crate::ErrorKind::Throttled) if they get none within their
    /// [timeout](SecretClientBuilder::timeout). At most 100 requests are in flight over HTTP/2, and 64 over HTTP/1.1.
    ///
    /// A 429 stops all clients of the vault for the time that the vault asks for, at most 16 seconds, plus a random
    /// part. If the vault asks for no time, or keeps throttling, the pause is 1 second and doubles up to about a
    /// minute. Then one request probes the vault, and each success admits more.
    ///
    /// Default: 396, one percent below [the limit of the
    /// service](https://learn.microsoft.com/azure/key-vault/general/service-limits) of 4,000 requests in 10 seconds,
    /// which all programs that use the vault share. At least 1.
    pub fn requests_per_second(mut self, requests: u32) -> Self {
        self.settings.requests_per_second = requests;
        self
    }

    /// Sets the [version of the REST API](https://learn.microsoft.com/rest/api/keyvault/). Default: `2026-04-01`.
    ///
    /// It has the form of a date or of a number, such as `2025-07-01` or `7.4`. Any other text is
    /// [`Invalid`](crate::ErrorKind::Invalid).
    pub fn api_version(mut self, version: impl Into<String>) -> Self {
        self.settings.api_version = version.into();
        self
    }

    /// Trusts the certificate authorities in `pem` in addition to those of the platform, such as an emulator's or a
    /// proxy's.
    ///
    /// Does not apply to a transport in [`client_options`](SecretClientBuilder::client_options).
    pub fn certificate_authority(mut self, pem: impl Into<String>) -> Self {
        self.settings.certificate_authorities.push(pem.into());
        self
    }

    /// Uses HTTP/1.1 even if the vault or a proxy offers HTTP/2. Default: HTTP/2 if it is offered.
    ///
    /// Does not apply to a transport in [`client_options`](SecretClientBuilder::client_options).
    pub fn http1_only(mut self) -> Self {
        self.settings.http1_only = true;
        self
    }

    /// Sets the options of the Azure SDK's pipeline: transport, policies, user agent, OpenTelemetry.
    ///
    /// Their retry options are ignored, because only one layer may retry. A transport of your own must not follow
    /// redirects.
    pub fn client_options(mut self, options: ClientOptions) -> Self {
        self.settings.options = options;
        self
    }

    /// Builds the client. Sends nothing to the vault.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) if the name or URL is not a vault's, the credential is missing, or a
    /// setting is out of range.
    pub fn build(mut self) -> Result<SecretClient> {
        let vault = Vault::from_name_or_url(&self.vault, self.cloud.unwrap_or_default())?;
        let credential = self.credential.take().ok_or_else(|| Error::invalid("secret client has no credential"))?;
        if let (Some(cloud), Some(of_host)) = (self.cloud, vault.cloud())
            && cloud != of_host
        {
            return Err(Error::invalid("vault belongs to another cloud than the client is set to"));
        }
        self.settings.set_up()?;
        SecretClient::new(vault, self.cloud, credential, self.settings)
    }
}

/// The newest stable version, as of November 2026.
const DEFAULT_API_VERSION: &str = "2026-04-01";

/// One percent below 4,000 in 10 seconds.
const DEFAULT_REQUESTS_PER_SECOND: u32 = 396;

impl fmt::Debug for SecretClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The vault is not parsed yet and can be any text.
        f.debug_struct("SecretClientBuilder").field("timeout", &self.settings.timeout).finish_non_exhaustive()
    }
}
