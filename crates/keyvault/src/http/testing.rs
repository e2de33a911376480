//! A service for the tests of this room.

use std::sync::atomic::{AtomicU16, Ordering};

use azure_core::http::headers::AUTHORIZATION;
use azure_core::http::{Method, Request as SdkRequest};
use tracing::Span;

use super::operation::{Idempotency, Operation};
use super::request::Subject;
use super::response::Response;
use super::service::Service;
use crate::error::{Error, Result};

/// A service that signs its requests, and its only operation.
#[derive(Debug, Default)]
pub(super) struct Store(AtomicU16);

impl Service for Store {
    fn noun(&self) -> &'static str {
        "store"
    }

    fn span(&self, _: &dyn Operation) -> Span {
        Span::none()
    }

    fn log(&self, _: Option<&Subject>) {}

    fn sign(&self, request: &mut SdkRequest) -> Result<()> {
        let number = self.0.fetch_add(1, Ordering::Relaxed);
        let accepted = request.headers().get_optional_str(&"accept".into()).unwrap_or_default();
        let signature = format!("HMAC {number} {} {} {accepted}", request.method(), request.url().path());
        request.insert_header(AUTHORIZATION, signature);
        Ok(())
    }
}

impl Operation for Store {
    fn name(&self) -> &'static str {
        "get"
    }

    fn sdk_name(&self) -> &'static str {
        "AppConfiguration.getConfigurationSetting"
    }

    fn method(&self) -> Method {
        Method::Get
    }

    fn idempotency(&self) -> Idempotency {
        Idempotency::Idempotent
    }

    fn error(&self, response: &Response) -> Error {
        response.refusal(response.common_error(), None, None)
    }
}

pub(super) static GET: Store = Store(AtomicU16::new(0));
