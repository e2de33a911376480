//! The differences between a store and a vault.

use std::time::SystemTime;

use azure_core::http::{Body, Request as SdkRequest};
use keyvault::http::{Operation, Service, Subject};
use keyvault::report::ReferenceStatus;
use keyvault::{Error, ErrorKind, Result};
use tracing::{Span, field};

use crate::endpoint::{AccessKey, Endpoint, SignedRequest};

/// The service behind one endpoint.
#[derive(Clone, Debug)]
pub(super) struct StoreService {
    pub(super) endpoint: Endpoint,
    /// `None` if a credential fetches tokens.
    pub(super) access_key: Option<AccessKey>,
    /// The audience of tokens. `None` for that of the endpoint's cloud.
    pub(super) audience: Option<String>,
}

impl StoreService {
    /// Returns the scope of tokens.
    pub(super) fn scope(&self) -> String {
        let of_audience = |audience: &String| format!("{}/.default", audience.trim_end_matches('/'));
        self.audience.as_ref().map_or_else(|| self.endpoint.scope(), of_audience)
    }
}

/// The word for an instance of the service in errors.
pub(super) const STORE: &str = "store";

impl Service for StoreService {
    fn noun(&self) -> &'static str {
        STORE
    }

    fn span(&self, operation: &dyn Operation) -> Span {
        tracing::info_span!(
            "appconfig",
            store = %self.endpoint,
            operation = operation.name(),
            status = field::Empty,
            attempts = field::Empty,
            duration = field::Empty,
            request_id = field::Empty,
        )
    }

    fn log(&self, subject: Option<&Subject>) {
        let key = match subject {
            Some(Subject::Setting { key, .. }) => Some(key.as_str()),
            _ => None,
        };
        tracing::debug!(key, "asked the store");
    }

    fn sign(&self, request: &mut SdkRequest) -> Result<()> {
        let unsigned = || Error::new(ErrorKind::Invalid, "client has neither a credential nor an access key");
        let access_key = self.access_key.as_ref().ok_or_else(unsigned)?;
        let body = match request.body() {
            Body::Bytes(body) => body.clone(),
            _ => return Err(Error::new(ErrorKind::Invalid, "request body is a stream")),
        };
        let (method, url) = (request.method(), request.url());
        let target = &url[url::Position::BeforePath..url::Position::AfterQuery];
        let signed = SignedRequest { method: method.as_str(), target, host: self.endpoint.host(), body: &body };
        for (name, value) in access_key.sign(&signed, SystemTime::now()) {
            request.insert_header(name, value);
        }
        Ok(())
    }

    /// Replaces a status that belongs to references to secrets.
    fn explain(&self, error: Error) -> Error {
        use ReferenceStatus::{FetchTimedOut, MsiNotEnabled, UnauthorizedClient};
        match error.status() {
            FetchTimedOut | MsiNotEnabled | UnauthorizedClient => error,
            _ => error.with_status(ReferenceStatus::OtherReasons),
        }
    }
}
