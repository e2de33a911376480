//! A request, before it is authorized.

use std::time::Duration;

use azure_core::http::headers::{HeaderName, HeaderValue};
use bytes::Bytes;
use serde::Serialize;
use url::Url;

use super::operation::Operation;
use crate::error::{Error, Result};
use crate::reference::to_json;
use crate::secret::SecretId;

/// A request: the operation, its URL, what it is about, headers and a body.
pub struct Request {
    pub(super) operation: &'static dyn Operation,
    pub(super) url: Url,
    pub(super) subject: Option<Subject>,
    /// Added to the headers of every request, or in place of them.
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    /// Zeroized when the last copy is dropped. The TLS library makes copies that are out of our control.
    pub(super) body: Option<Bytes>,
    /// Less than the timeout of an operation, if there is one.
    pub(super) time_limit: Option<Duration>,
}

/// The secret or the setting that a request is about, for its errors and for logs at debug level.
#[derive(Clone, Debug)]
pub enum Subject {
    /// A secret of a vault.
    Secret(SecretId),
    /// A setting of a store: its key, and the place that errors show: `App Configuration contoso, label prod`.
    Setting {
        /// The key.
        key: String,
        /// The store and the label.
        place: String,
    },
}

impl Request {
    /// Creates a request without a body.
    pub fn new(operation: &'static dyn Operation, url: Url) -> Self {
        Self { operation, url, subject: None, headers: Vec::new(), body: None, time_limit: None }
    }

    /// Names the secret or the setting.
    #[must_use]
    pub fn about(mut self, subject: impl Into<Subject>) -> Self {
        self.subject = Some(subject.into());
        self
    }

    /// Sets a header. It replaces one that the pipeline sets: `accept` and `content-type`.
    ///
    /// `name` is in lower case. With `if-none-match` a 304 is a response like any success.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<HeaderValue>) -> Self {
        self.headers.push((HeaderName::from_static(name), value.into()));
        self
    }

    /// Sets the time that is left for the request.
    #[must_use]
    pub fn within(mut self, time_limit: Duration) -> Self {
        self.time_limit = Some(time_limit);
        self
    }

    /// Sets a JSON body.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) if the body cannot be serialized.
    pub fn with_json(mut self, body: &impl Serialize) -> Result<Self> {
        // Only a date can be refused, and the reason does not quote it.
        let refused = |reason: serde_json::Error| {
            Error::invalid("request body cannot be serialized").caused_by(reason.to_string())
        };
        self.body = Some(Bytes::from_owner(to_json(body).map_err(refused)?));
        Ok(self)
    }

    /// Adds what this request is about to an error.
    pub fn annotate(&self, error: Error) -> Error {
        match &self.subject {
            Some(Subject::Secret(secret)) => error.about(secret),
            Some(Subject::Setting { key, place }) => error.at(key, place),
            None => error,
        }
    }

    /// Returns whether the service may answer that nothing has changed.
    pub(super) fn asks_for_changes(&self) -> bool {
        self.headers.iter().any(|(name, _)| name.as_str() == "if-none-match")
    }
}

impl From<&SecretId> for Subject {
    fn from(id: &SecretId) -> Self {
        Self::Secret(id.clone())
    }
}
