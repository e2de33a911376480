//! What a client is made of.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use azure_core::credentials::TokenCredential;
use azure_core::http::ClientOptions;

use super::exchange::{Exchange, Way};
use super::{SecretClient, tls};
use crate::blocking;
use crate::error::{Error, Result};
use crate::secret::{Cloud, Vault};

/// Builds a [`SecretClient`]; nothing before [`build`](SecretClientBuilder::build) has an effect.
#[must_use]
pub struct SecretClientBuilder {
    url: String,
    credential: Option<Arc<dyn TokenCredential>>,
    settings: Settings,
    options: ClientOptions,
    certificate_authorities: Vec<String>,
    http1_only: bool,
}

/// What a client and its copies for other vaults have in common.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) cloud: Option<Cloud>,
    pub(super) api_version: String,
    pub(super) timeout: Duration,
    pub(super) requests_per_second: u32,
}

impl SecretClientBuilder {
    pub(super) fn new(url: String) -> Self {
        Self {
            url,
            credential: None,
            settings: Settings {
                cloud: None,
                api_version: NEWEST_API_VERSION.to_owned(),
                timeout: Duration::from_secs(30),
                requests_per_second: JUST_BELOW_THE_LIMIT,
            },
            options: ClientOptions::default(),
            certificate_authorities: Vec::new(),
            http1_only: false,
        }
    }

    /// Sets what gets the tokens: [`default_credential`](crate::default_credential), any credential of `azure_identity`, or
    /// your own. It must be given.
    ///
    /// A vault that refuses a token, because it was revoked or claims are missing, is shown one other token, once. A
    /// credential that keeps its tokens may have no other: those of `azure_identity` give the refused one until it
    /// expires, [`default_credential`](crate::default_credential) gets a new one.
    pub fn credential(mut self, credential: Arc<dyn TokenCredential>) -> Self {
        self.credential = Some(credential);
        self
    }

    /// Sets the cloud whose tokens an origin under no Key Vault domain wants. Default: the cloud that the vault's host
    /// is under, or the public one.
    pub fn cloud(mut self, cloud: Cloud) -> Self {
        self.settings.cloud = Some(cloud);
        self
    }

    /// Sets how long an operation may take in all: its token, every attempt and every pause between them.
    ///
    /// Default: 30 seconds. At least 1 millisecond.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.settings.timeout = timeout;
        self
    }

    /// Sets how many requests a second the vault is sent at most, ten seconds' worth of them at once. What is beyond that in
    /// ten seconds goes 16 at a time until it is plain that the vault grants it. Once the vault has refused something, no ten
    /// seconds see more.
    ///
    /// All clients of one vault in a process share one pace, and the slowest that any of them was given counts. Requests
    /// beyond it wait their turn, and fail as [`Throttled`](crate::ErrorKind::Throttled) if it does not come within their
    /// [timeout](SecretClientBuilder::timeout). A 429 stops all of them: for as long as the vault asks, at most 16 seconds,
    /// and a random part longer; or a second at first and then twice as long each time, up to about a minute where the
    /// vault goes on refusing. Then one request asks again, and each success lets more follow. At most 100 requests are
    /// under way over HTTP/2, and 64 over HTTP/1.1. A client with a transport of its own keeps a pace of its own.
    ///
    /// Default: 396, a hundredth below [the service's limit](https://learn.microsoft.com/azure/key-vault/general/service-limits)
    /// of 4,000 in 10 seconds, which all programs that ask the vault have in common. At least 1.
    pub fn requests_per_second(mut self, requests: u32) -> Self {
        self.settings.requests_per_second = requests;
        self
    }

    /// Sets the [version of the REST API](https://learn.microsoft.com/rest/api/keyvault/). Default: `2026-04-01`.
    pub fn api_version(mut self, version: impl Into<String>) -> Self {
        self.settings.api_version = version.into();
        self
    }

    /// Trusts the certificate authorities in `pem` beside those of the platform: an emulator's, a proxy's.
    ///
    /// It has no effect on a transport that [`client_options`](SecretClientBuilder::client_options) brings.
    pub fn certificate_authority(mut self, pem: impl Into<String>) -> Self {
        self.certificate_authorities.push(pem.into());
        self
    }

    /// Speaks HTTP/1.1 even to a vault, or a proxy, that offers HTTP/2. Default: HTTP/2 where it is offered.
    ///
    /// It has no effect on a transport that [`client_options`](SecretClientBuilder::client_options) brings.
    pub fn http1_only(mut self) -> Self {
        self.http1_only = true;
        self
    }

    /// Sets the options of the Azure SDK's pipeline: transport, policies, user agent, OpenTelemetry.
    ///
    /// Their retry options are replaced, for only one layer may retry. A transport of your own must not follow
    /// redirects.
    pub fn client_options(mut self, options: ClientOptions) -> Self {
        self.options = options;
        self
    }

    /// Builds the client, without I/O to the vault.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) if the URL is not a vault's, no credential was given, or a setting cannot
    /// work.
    pub fn build(self) -> Result<SecretClient> {
        let vault = Vault::parse(&self.url)?;
        let credential = self.credential.ok_or_else(|| Error::invalid("secret client has no credential"))?;
        if self.settings.timeout < Duration::from_millis(1) {
            return Err(Error::invalid("timeout of a secret client is below 1 millisecond"));
        }
        let version = &self.settings.api_version;
        if version.is_empty() || !version.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-')) {
            return Err(Error::invalid("api-version is not a version"));
        }
        if let (Some(cloud), Some(of_host)) = (self.settings.cloud, vault.cloud())
            && cloud != of_host
        {
            return Err(Error::invalid("vault is in another cloud than the client was told"));
        }
        if self.settings.requests_per_second == 0 {
            return Err(Error::invalid("requests per second of a secret client are not at least 1"));
        }
        let way = if self.options.transport.is_some() {
            Way::Given(self.options)
        } else {
            Way::Ours(self.options, Arc::new(tls::config(&self.certificate_authorities, self.http1_only)?))
        };
        let exchange = Exchange::new(vault, credential, way, self.settings)?;
        Ok(SecretClient { exchange: Arc::new(exchange) })
    }

    /// Builds the client whose calls block, without I/O to the vault; it starts a thread.
    ///
    /// # Errors
    ///
    /// As [`build`](SecretClientBuilder::build), and [`Unavailable`](crate::ErrorKind::Unavailable) if no thread can be
    /// started.
    pub fn build_blocking(self) -> Result<blocking::SecretClient> {
        blocking::SecretClient::new(self.build()?)
    }
}

/// The newest stable version, as of November 2026.
const NEWEST_API_VERSION: &str = "2026-04-01";

/// A hundredth below 4,000 in 10 seconds.
const JUST_BELOW_THE_LIMIT: u32 = 396;

impl fmt::Debug for SecretClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The URL was not parsed yet and could be anything.
        f.debug_struct("SecretClientBuilder").field("timeout", &self.settings.timeout).finish_non_exhaustive()
    }
}
