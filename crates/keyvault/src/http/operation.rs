//! What a client tells the pipeline about one of its operations.

use std::fmt;

use azure_core::http::Method;

use super::response::Response;
use crate::error::Error;

/// What one operation of a REST API costs and risks, and what its refusals mean.
pub trait Operation: fmt::Debug + Send + Sync {
    /// Returns the name in logs: `get`.
    fn name(&self) -> &'static str;

    /// Returns the name that the Azure SDKs use in OpenTelemetry spans: `KeyVault.getSecret`.
    fn sdk_name(&self) -> &'static str;

    /// Returns the method of the request.
    fn method(&self) -> Method;

    /// Returns whether the request may be repeated after a failure that leaves its outcome open.
    fn idempotency(&self) -> Idempotency;

    /// Returns whether one attempt may use the whole timeout: it cannot be repeated, or its response is long.
    fn has_one_long_attempt(&self) -> bool {
        self.idempotency() == Idempotency::NotIdempotent
    }

    /// Returns the largest size of a response, in bytes. Default: 1 MiB.
    fn max_response_size(&self) -> usize {
        1 << 20
    }

    /// Translates a response that is not a success to an error, without text of the response.
    ///
    /// The body is JSON or empty. [`Response::refusal`] adds the status and the codes.
    fn error(&self, response: &Response) -> Error;
}

/// Whether a request may be repeated if the service may already have carried it out.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Idempotency {
    /// The request reads, or changes something to the same state again.
    Idempotent,
    /// The request removes something. A repeat that answers 404 can mean that an earlier attempt succeeded.
    NotFoundOnRepeat,
    /// The request creates something each time, so a repeat could create it twice.
    NotIdempotent,
}
