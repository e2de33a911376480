//! A request to a vault, before it is authorized.

use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use url::Url;

use super::operation::Operation;
use crate::error::{Error, Result};
use crate::reference::to_json;
use crate::secret::SecretId;

/// A request to a vault: the operation, its URL, the secret it is about, and its body.
pub(super) struct Request {
    pub(super) operation: Operation,
    pub(super) url: Url,
    pub(super) secret: Option<SecretId>,
    /// Zeroized when the last copy is dropped. The TLS library makes copies that are out of our control.
    pub(super) body: Option<Bytes>,
    /// Less than the timeout of an operation, if there is one.
    pub(super) time_limit: Option<Duration>,
}

impl Request {
    pub(super) fn new(operation: Operation, url: Url) -> Self {
        Self { operation, url, secret: None, body: None, time_limit: None }
    }

    /// Names the secret, for errors and for logs at debug level.
    pub(super) fn about(mut self, secret: &SecretId) -> Self {
        self.secret = Some(secret.clone());
        self
    }

    /// Sets the time that is left for the request.
    pub(super) fn within(mut self, time_limit: Duration) -> Self {
        self.time_limit = Some(time_limit);
        self
    }

    /// Sets a JSON body.
    pub(super) fn with_json(mut self, body: &impl Serialize) -> Result<Self> {
        // Only a date can be refused, and the reason does not quote it.
        let refused = |reason: serde_json::Error| {
            Error::invalid("request body cannot be serialized").caused_by(reason.to_string())
        };
        self.body = Some(Bytes::from_owner(to_json(body).map_err(refused)?));
        Ok(self)
    }

    /// Adds the secret of this request to an error.
    pub(super) fn annotate(&self, error: Error) -> Error {
        match &self.secret {
            Some(secret) => error.about(secret),
            None => error,
        }
    }
}
