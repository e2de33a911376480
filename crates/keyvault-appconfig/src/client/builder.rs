//! The settings of a client.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use azure_core::credentials::TokenCredential;
use azure_core::http::ClientOptions;
use keyvault::http::{Authorizer, Pipeline, PipelineSettings};
use keyvault::{Error, ErrorKind, Result};

use super::app_configuration_client::AppConfigurationClient;
use super::store_service::StoreService;
use crate::endpoint::{AccessKey, ConnectionString, Endpoint};

impl AppConfigurationClient {
    /// Starts building a client for a store: its endpoint, `https://contoso.azconfig.io`.
    ///
    /// Naming an origin here allows it: the client sends its token or its signature to this origin, even if the origin
    /// is under no domain of App Configuration, such as `https://127.0.0.1:8443` of an emulator.
    pub fn builder(endpoint: impl Into<String>) -> AppConfigurationClientBuilder {
        AppConfigurationClientBuilder::new(Store::Endpoint(endpoint.into()))
    }

    /// Starts building a client for the store of a connection string: `Endpoint=…;Id=…;Secret=…`.
    pub fn from_connection_string(text: &str) -> AppConfigurationClientBuilder {
        let parsed = ConnectionString::parse(text).map_err(Error::from);
        AppConfigurationClientBuilder::new(Store::ConnectionString(Box::new(parsed)))
    }
}

/// Builds an [`AppConfigurationClient`]. Nothing before [`build`](AppConfigurationClientBuilder::build) has an effect.
#[must_use]
pub struct AppConfigurationClientBuilder {
    store: Store,
    credential: Option<Arc<dyn TokenCredential>>,
    access_key: Option<AccessKey>,
    audience: Option<String>,
    settings: PipelineSettings,
}

/// The store as the program named it.
enum Store {
    Endpoint(String),
    ConnectionString(Box<Result<ConnectionString>>),
}

impl AppConfigurationClientBuilder {
    fn new(store: Store) -> Self {
        Self {
            store,
            credential: None,
            access_key: None,
            audience: None,
            settings: PipelineSettings::new(DEFAULT_API_VERSION, DEFAULT_REQUESTS_PER_SECOND),
        }
    }

    /// Sets the credential that fetches tokens: `default_credential`, a credential of `azure_identity`, or your own.
    ///
    /// Required, unless there is an access key. Its identity needs the role App Configuration Data Reader, or App
    /// Configuration Data Owner for changes.
    pub fn credential(mut self, credential: Arc<dyn TokenCredential>) -> Self {
        self.credential = Some(credential);
        self
    }

    /// Sets the access key that signs requests. A connection string has one.
    ///
    /// A signature contains the time: the clock of this machine must be right within 15 minutes.
    pub fn access_key(mut self, access_key: AccessKey) -> Self {
        self.access_key = Some(access_key);
        self
    }

    /// Sets the audience of tokens, such as `https://appconfig.sovcloud-api.fr`, for a store behind a domain of your
    /// own. An access key needs none.
    ///
    /// Default: that of the endpoint's [cloud](Endpoint::scope).
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audience = Some(audience.into());
        self
    }

    /// Sets the total time of an operation: its token, all attempts, and the pauses between them.
    ///
    /// Default: 30 seconds. At least 1 millisecond.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.settings.timeout = timeout;
        self
    }

    /// Sets the largest number of requests that the store receives per second, on average.
    ///
    /// The worth of ten seconds can go at once. All clients of one endpoint in a process share one rate limit, and the
    /// lowest value that any client sets applies. A client with a transport of its own has a rate limit of its own. A
    /// 429 stops all clients of the endpoint for the time that the store asks for, at most 16 seconds.
    ///
    /// Default: 100. At least 1. A standard store takes [30,000 requests an
    /// hour](https://learn.microsoft.com/azure/azure-app-configuration/faq), a free one 1,000 a day.
    pub fn requests_per_second(mut self, requests: u32) -> Self {
        self.settings.requests_per_second = requests;
        self
    }

    /// Sets the [version of the REST
    /// API](https://learn.microsoft.com/azure/azure-app-configuration/rest-api-versioning). Default: `2026-04-01`.
    ///
    /// Before `2023-10-01` there are no snapshots, and pages have no ETags; before `2023-11-01` no filters by tag. A
    /// text that has not the form of a version is [`Invalid`](ErrorKind::Invalid).
    pub fn api_version(mut self, version: impl Into<String>) -> Self {
        self.settings.api_version = version.into();
        self
    }

    /// Trusts the certificate authorities in `pem` in addition to those of the platform, such as an emulator's or a
    /// proxy's.
    ///
    /// Does not apply to a transport in [`client_options`](AppConfigurationClientBuilder::client_options).
    pub fn certificate_authority(mut self, pem: impl Into<String>) -> Self {
        self.settings.certificate_authorities.push(pem.into());
        self
    }

    /// Uses HTTP/1.1 even if the store or a proxy offers HTTP/2. Default: HTTP/2 if it is offered.
    ///
    /// Does not apply to a transport in [`client_options`](AppConfigurationClientBuilder::client_options).
    pub fn http1_only(mut self) -> Self {
        self.settings.http1_only = true;
        self
    }

    /// Sets the options of the Azure SDK's pipeline: transport, policies, user agent, OpenTelemetry.
    ///
    /// Their retry options are ignored, because only one layer may retry. A transport of your own must not follow
    /// redirects. A policy that changes a request after it was signed makes the store refuse it.
    pub fn client_options(mut self, options: ClientOptions) -> Self {
        self.settings.options = options;
        self
    }

    /// Builds the client. Sends nothing to the store.
    ///
    /// # Errors
    ///
    /// [`Invalid`](ErrorKind::Invalid) if the endpoint or the connection string is malformed, there is neither a
    /// credential nor an access key or both, the audience is empty, or a setting is out of range.
    pub fn build(mut self) -> Result<AppConfigurationClient> {
        let (endpoint, access_key) = match self.store {
            Store::Endpoint(endpoint) => (Endpoint::parse(&endpoint)?, self.access_key),
            Store::ConnectionString(parsed) => {
                let parsed = (*parsed)?;
                (parsed.endpoint().clone(), self.access_key.or_else(|| Some(parsed.access_key().clone())))
            }
        };
        if self.audience.as_deref() == Some("") {
            return Err(invalid("audience of tokens is empty"));
        }
        let service = Arc::new(StoreService { endpoint, access_key, audience: self.audience });
        let authorizer = match (self.credential, &service.access_key) {
            (Some(credential), None) => Some(Authorizer::new(credential, service.scope())),
            (None, Some(_)) => None,
            (None, None) => return Err(invalid("client has neither a credential nor an access key")),
            (Some(_), Some(_)) => return Err(invalid("client has both a credential and an access key")),
        };
        self.settings.set_up()?;
        let origin = service.endpoint.as_vault().clone();
        let pipeline = Pipeline::new(origin, Arc::clone(&service) as _, authorizer, self.settings)?;
        Ok(AppConfigurationClient::new(pipeline, service))
    }
}

fn invalid(clause: &'static str) -> Error {
    Error::new(ErrorKind::Invalid, clause)
}

/// The newest stable version, as of November 2026.
const DEFAULT_API_VERSION: &str = "2026-04-01";

/// A third of what [a standard store](https://learn.microsoft.com/azure/azure-app-configuration/faq) reads in a second.
const DEFAULT_REQUESTS_PER_SECOND: u32 = 100;

impl fmt::Debug for AppConfigurationClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The endpoint is not parsed yet and can be any text.
        f.debug_struct("AppConfigurationClientBuilder").field("timeout", &self.settings.timeout).finish_non_exhaustive()
    }
}
