//! The client itself: reading key-values, and what every operation is built from.

use std::fmt;
use std::sync::Arc;

use keyvault::client::ClientStats;
use keyvault::http::{Pipeline, Request, Response, Subject};
use keyvault::{Error, ErrorKind, Result};
use serde::de::DeserializeOwned;
use url::Url;

use super::condition::quoted;
use super::operation::Operation;
use super::store_service::StoreService;
use crate::endpoint::Endpoint;
use crate::key_value::{KeyValue, is_name};
use crate::sync_token::{NewestTokens, SyncTokens};

/// A client for the key-values of one store.
///
/// The client sends its token or its signature to the store's endpoint and to no other host, checks keys before it
/// builds a URL, follows no redirect, bounds the size of bodies and lists, retries in one layer only, and ends every
/// operation within its [timeout](super::AppConfigurationClientBuilder::timeout). It sends the sync tokens of earlier
/// responses, so it reads what it has written. `Clone` is cheap and shares connections, tokens and sync tokens.
///
/// The client runs on a tokio runtime. It caches nothing; [`AppConfiguration`](crate::AppConfiguration) does.
///
/// App Configuration does not treat values as secret. The client does: no error, log or `Debug` shows one.
///
/// # Errors
///
/// Each operation documents the errors of its own. In addition, every request can fail with
/// [`Denied`](ErrorKind::Denied) (no token, wrong access key, wrong clock, or no role),
/// [`Throttled`](ErrorKind::Throttled) (the tier's limit is exhausted) or [`Unavailable`](ErrorKind::Unavailable) (the
/// store cannot be reached, fails, or does not respond in time). [`Error::advice`] says what to do.
///
/// # Examples
///
/// ```no_run
/// use std::sync::Arc;
/// use azure_core::credentials::TokenCredential;
/// use keyvault_appconfig::client::AppConfigurationClient;
///
/// # async fn example(credential: Arc<dyn TokenCredential>) -> keyvault::Result<()> {
/// let client = AppConfigurationClient::builder("https://contoso.azconfig.io")
///     .credential(credential)
///     .build()?;
/// let url = client.get("shop:url", Some("prod")).await?;
/// connect(url.value().unwrap_or_default());
/// # Ok(())
/// # }
/// # fn connect(_: &str) {}
/// ```
#[derive(Clone)]
pub struct AppConfigurationClient {
    pub(super) pipeline: Arc<Pipeline>,
    service: Arc<StoreService>,
    sync_tokens: Arc<SyncTokens>,
    /// The tokens of events, which only this copy and its clones send.
    announced: Arc<NewestTokens>,
}

impl AppConfigurationClient {
    pub(super) fn new(pipeline: Pipeline, service: Arc<StoreService>) -> Self {
        Self { pipeline: Arc::new(pipeline), service, sync_tokens: Arc::default(), announced: Arc::default() }
    }

    /// Copies the client for another endpoint, such as that of a replica, with the same credential and settings. The
    /// copy starts without sync tokens: they belong to one endpoint.
    ///
    /// # Errors
    ///
    /// [`Invalid`](ErrorKind::Invalid) if `endpoint` is not the URL of a store.
    pub fn with_endpoint(&self, endpoint: &str) -> Result<Self> {
        let endpoint = Endpoint::parse(endpoint)?;
        let origin = endpoint.as_vault().clone();
        let service = Arc::new(StoreService { endpoint, ..StoreService::clone(&self.service) });
        let pipeline = self.pipeline.with_origin(origin, Arc::clone(&service) as _, service.scope())?;
        Ok(Self::new(pipeline, service))
    }

    /// Returns the endpoint that this client talks to.
    pub fn endpoint(&self) -> &Endpoint {
        &self.service.endpoint
    }

    /// Returns how much the client and its clones have sent to the store so far. Does not wait.
    pub fn stats(&self) -> ClientStats {
        self.pipeline.stats()
    }

    /// Copies the client. The requests of the copy see the change that an event announced, because they send the
    /// [sync token](https://learn.microsoft.com/azure/azure-app-configuration/rest-api-consistency) of the event, unless
    /// a response brought a newer one. Ignores a malformed token.
    ///
    /// The copy shares the connections and the sync tokens of responses. This client never sends the token of the
    /// event, which anyone may have sent.
    #[must_use]
    pub fn with_sync_token(&self, token: &str) -> Self {
        let mut announced = NewestTokens::default();
        announced.add(token);
        self.with_announced(announced)
    }

    pub(crate) fn with_announced(&self, tokens: NewestTokens) -> Self {
        Self { announced: Arc::new(tokens), ..self.clone() }
    }

    /// Returns the tokens of events that this copy sends.
    pub(crate) fn announced(&self) -> &NewestTokens {
        &self.announced
    }

    /// Fetches a key-value. Without a label, that is the key-value without one.
    ///
    /// Costs one request.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) if there is no such key-value; [`Invalid`](ErrorKind::Invalid) if the store
    /// cannot have a key like this; or an [error of the request](AppConfigurationClient#errors).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cancels the request.
    pub async fn get(&self, key: &str, label: Option<&str>) -> Result<KeyValue> {
        let request = self.request(&Operation::Get, key, label)?;
        self.send_for(request).await
    }

    /// Fetches a key-value if its [ETag](KeyValue::etag) differs from `etag`. Returns `None` if it does not.
    ///
    /// Costs and fails like [`get`](AppConfigurationClient::get).
    pub async fn get_if_changed(&self, key: &str, label: Option<&str>, etag: &str) -> Result<Option<KeyValue>> {
        let request = self.request(&Operation::Get, key, label)?.header(IF_NONE_MATCH, quoted(etag)?);
        self.send_if_changed(request).await
    }

    /// Creates a request about one key-value, after checking the key.
    pub(super) fn request(&self, operation: &'static Operation, key: &str, label: Option<&str>) -> Result<Request> {
        let collection = if operation.is_about_a_lock() { "locks" } else { "kv" };
        let label = label.filter(|label| !label.is_empty());
        let mut url = self.url(&[collection, checked_key(key)?])?;
        if let Some(label) = label {
            url.query_pairs_mut().append_pair("label", label);
        }
        let place = match label {
            Some(label) => format!("App Configuration {}, label {label}", self.endpoint()),
            None => self.place(),
        };
        Ok(request(operation, url, Subject::Setting { key: key.to_owned(), place }))
    }

    /// Creates a request about more than one key-value, or about a snapshot. `subject` names it in errors.
    pub(super) fn request_about(&self, operation: &'static Operation, url: Url, subject: String) -> Request {
        request(operation, url, Subject::Setting { key: subject, place: self.place() })
    }

    /// Returns the place in errors about more than one key-value.
    pub(super) fn place(&self) -> String {
        format!("App Configuration {}", self.endpoint())
    }

    pub(super) fn url(&self, segments: &[&str]) -> Result<Url> {
        self.pipeline.url(segments)
    }

    /// Sends a request with the sync tokens, and remembers those of the response.
    pub(super) async fn send(&self, request: Request) -> Result<(Request, Response)> {
        let request = match self.sync_tokens.header(&self.announced) {
            Some(tokens) => request.header("sync-token", tokens),
            None => request,
        };
        let response = self.pipeline.send(&request).await?;
        if let Some(tokens) = &response.sync_token {
            self.sync_tokens.add(tokens);
        }
        Ok((request, response))
    }

    /// Sends a request for changes, and parses the body of the response. Returns `None` if there is no change.
    pub(super) async fn send_if_changed<T: DeserializeOwned>(&self, request: Request) -> Result<Option<T>> {
        let (request, response) = self.send(request).await?;
        if response.status == 304 { Ok(None) } else { parse(&request, &response).map(Some) }
    }

    /// Sends a request and parses the body of the response.
    pub(super) async fn send_for<T: DeserializeOwned>(&self, request: Request) -> Result<T> {
        let (request, response) = self.send(request).await?;
        parse(&request, &response)
    }
}

pub(super) const IF_NONE_MATCH: &str = "if-none-match";

/// Parses the body of a response, without quoting it in the error.
pub(super) fn parse<T: DeserializeOwned>(request: &Request, response: &Response) -> Result<T> {
    response.json().map_err(|error| request.annotate(error))
}

fn request(operation: &'static Operation, url: Url, subject: Subject) -> Request {
    Request::new(operation, url).about(subject).header("accept", operation.accept())
}

/// Returns the key if a store can have it.
pub(crate) fn checked_key(key: &str) -> Result<&str> {
    if is_name(key) {
        return Ok(key);
    }
    Err(Error::new(ErrorKind::Invalid, "key is malformed")
        .with_help("a key is not empty, `.` or `..`, and has no percent sign and no control character"))
}

impl fmt::Debug for AppConfigurationClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppConfigurationClient").field("endpoint", self.endpoint()).finish_non_exhaustive()
    }
}
