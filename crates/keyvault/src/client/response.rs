//! The response of a vault: read within its limits, then a success or a failed attempt.

use std::time::{Duration, SystemTime};

use azure_core::http::headers::Headers;
use bytes::Bytes;
use futures::{Stream, StreamExt};
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use super::operation::Operation;
use super::retry::{self, RetryReason};
use super::sanitize::{CHALLENGE, is_request_id};
use super::service_error::ServiceError;
use crate::error::{Error, ErrorKind, Result};

/// A complete response.
pub(super) struct Response {
    pub(super) status: u16,
    /// The time of the vault's clock, if the response has a date.
    pub(super) date: Option<SystemTime>,
    pub(super) challenge: Option<String>,
    pub(super) request_id: Option<String>,
    pub(super) retry_after: Option<Duration>,
    body: Zeroizing<Vec<u8>>,
}

/// A failed attempt, and whether another one can help.
#[derive(Debug)]
pub(super) struct FailedAttempt {
    pub(super) error: Error,
    /// `None` if the failure is final.
    pub(super) retry: Option<RetryReason>,
    /// Whether the vault may have carried out the request.
    pub(super) may_have_succeeded: bool,
}

impl From<Error> for FailedAttempt {
    fn from(error: Error) -> Self {
        Self { error, retry: None, may_have_succeeded: false }
    }
}

impl Response {
    /// Reads headers and body. Fails before a body of more than `max_size` bytes is in memory.
    pub(super) async fn read(
        status: u16,
        headers: &Headers,
        body: impl Stream<Item = azure_core::Result<Bytes>> + Send,
        max_size: usize,
        transport_failure: impl Fn(azure_core::Error) -> FailedAttempt + Send,
    ) -> Result<Self, FailedAttempt> {
        let header = |name| find(headers, name);
        let length = header("content-length").and_then(|length| length.parse::<usize>().ok());
        if length.is_some_and(|length| length > max_size) {
            return Err(too_large(status));
        }
        let date = header("date").and_then(|date| httpdate::parse_http_date(date).ok());
        let mut response = Self {
            status,
            date,
            challenge: header(CHALLENGE).map(str::to_owned),
            request_id: header("x-ms-request-id").filter(|id| is_request_id(id)).map(str::to_owned),
            retry_after: retry::retry_after(header, date.unwrap_or_else(SystemTime::now)),
            // Fits all of it: a buffer that grows leaves copies of a secret behind.
            body: Zeroizing::new(Vec::with_capacity(length.unwrap_or(UNKNOWN_LENGTH))),
        };
        let mut body = std::pin::pin!(body);
        while let Some(chunk) = body.next().await {
            let chunk = chunk.map_err(&transport_failure)?;
            if response.body.len() + chunk.len() > max_size {
                return Err(too_large(status));
            }
            extend_zeroizing(&mut response.body, &chunk);
        }
        Ok(response)
    }

    /// Returns when the vault responded: by its own clock if the response has a date.
    pub(super) fn as_of(&self) -> SystemTime {
        self.date.unwrap_or_else(SystemTime::now)
    }

    /// Parses the body. The error does not quote it.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.body)
            .map_err(|_| Error::new(ErrorKind::Unavailable, "vault's response cannot be parsed"))
    }

    /// Returns the response if it is a success.
    pub(super) fn check(self, operation: Operation) -> Result<Self, FailedAttempt> {
        match self.status {
            200..=299 => Ok(self),
            _ => Err(self.failed_attempt(operation)),
        }
    }

    fn failed_attempt(&self, operation: Operation) -> FailedAttempt {
        let service_error = ServiceError {
            status: self.status,
            body: &self.body,
            challenge: self.challenge.as_deref(),
            request_id: self.request_id.as_deref(),
            retry_after: self.retry_after,
        };
        // A 503 and a 429 are sent before the request is carried out. The other statuses do not say how far it came.
        let may_have_succeeded = self.status != 503 && matches!(self.status, 408 | 500..=599);
        FailedAttempt { error: service_error.error(operation), retry: self.retry_reason(), may_have_succeeded }
    }

    fn retry_reason(&self) -> Option<RetryReason> {
        let asked_or = |otherwise| Some(self.retry_after.map_or(otherwise, RetryReason::Asked));
        match self.status {
            408 | 500 | 502 | 504 => Some(RetryReason::Failure),
            429 => asked_or(RetryReason::Throttled),
            503 => asked_or(RetryReason::Failure),
            _ => None,
        }
    }
}

fn too_large(status: u16) -> FailedAttempt {
    let error = Error::new(ErrorKind::Unavailable, "vault's response is larger than allowed");
    FailedAttempt { error, retry: None, may_have_succeeded: (200..=299).contains(&status) }
}

/// Finds a header. The SDK's methods for that construct an error for an absent one, with a backtrace if those are on;
/// and only [few headers](super::sanitize) are present.
fn find<'h>(headers: &'h Headers, name: &'static str) -> Option<&'h str> {
    headers.iter().find(|(present, _)| present.as_str() == name).map(|(_, value)| value.as_str())
}

/// Appends, and zeroizes the old buffer if a larger one is needed.
fn extend_zeroizing(buffer: &mut Zeroizing<Vec<u8>>, chunk: &[u8]) {
    if buffer.len() + chunk.len() > buffer.capacity() {
        let mut larger = Zeroizing::new(Vec::with_capacity((buffer.len() + chunk.len()).max(buffer.capacity() * 2)));
        larger.extend_from_slice(buffer);
        *buffer = larger;
    }
    buffer.extend_from_slice(chunk);
}

/// The capacity for a body of unknown length. Fits most secrets.
const UNKNOWN_LENGTH: usize = 4 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn response(status: u16) -> Response {
        let (date, challenge, request_id, retry_after, body) = Default::default();
        Response { status, date, challenge, request_id, retry_after, body }
    }

    #[test]
    fn a_refusal_differs_from_a_failure_after_the_vault_started() {
        for (status, may_have_succeeded) in [
            (400, false),
            (401, false),
            (404, false),
            (409, false),
            (429, false),
            (503, false),
            (408, true),
            (500, true),
            (502, true),
            (504, true),
            (507, true),
        ] {
            let failed = response(status).check(Operation::Set).err().unwrap();
            assert_eq!(failed.may_have_succeeded, may_have_succeeded, "{status}");
        }
    }
}
