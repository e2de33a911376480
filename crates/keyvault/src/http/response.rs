//! The response of a vault, read within its limits.

use std::time::{Duration, SystemTime};

use azure_core::http::headers::Headers;
use bytes::Bytes;
use futures::{Stream, StreamExt};
use serde::de::{DeserializeOwned, IgnoredAny};
use zeroize::Zeroizing;

use super::retry::{self, RetryReason};
use super::sanitize::{CHALLENGE, ETAG, LINK, SERVER, SYNC_TOKEN, is_request_id};
use crate::error::{Error, ErrorKind, Result};

/// A complete response.
///
/// The texts of its headers are foreign: they belong neither in an error nor in a log.
pub struct Response {
    /// The word for an instance of the service in errors.
    pub(super) noun: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// When the vault responded: by its own clock if the response has a date.
    pub as_of: SystemTime,
    /// The challenge of a 401: `WWW-Authenticate`.
    pub challenge: Option<String>,
    /// The `x-ms-request-id`.
    pub request_id: Option<String>,
    /// How long the vault asks to wait.
    pub retry_after: Option<Duration>,
    /// The name in the `Server` header.
    pub(super) server: Option<String>,
    /// The `ETag`, with its quotation marks.
    pub etag: Option<String>,
    /// The `Link`, which leads to the next page.
    pub link: Option<String>,
    /// The `Sync-Token`.
    pub sync_token: Option<String>,
    /// The body, wiped on drop.
    pub body: Zeroizing<Vec<u8>>,
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
        noun: &'static str,
        transport_failure: impl Fn(azure_core::Error) -> FailedAttempt + Send,
    ) -> Result<Self, FailedAttempt> {
        // The SDK's accessors construct an error for an absent header, with a backtrace if those are on.
        let header = |name| headers.iter().find(|(found, _)| found.as_str() == name).map(|(_, value)| value.as_str());
        let length = header("content-length").and_then(|length| length.parse::<usize>().ok());
        if length.is_some_and(|length| length > max_size) {
            return Err(too_large(status, noun));
        }
        let text = |name| header(name).map(str::to_owned);
        let date = header("date").and_then(|date| httpdate::parse_http_date(date).ok());
        let as_of = date.unwrap_or_else(SystemTime::now);
        let mut response = Self {
            noun,
            status,
            as_of,
            challenge: text(CHALLENGE),
            request_id: text("x-ms-request-id").filter(|id| is_request_id(id)),
            retry_after: retry::retry_after(header, as_of),
            server: text(SERVER),
            etag: text(ETAG),
            link: text(LINK),
            sync_token: text(SYNC_TOKEN),
            // Fits all of it: a buffer that grows leaves copies of a secret behind.
            body: Zeroizing::new(Vec::with_capacity(length.unwrap_or(UNKNOWN_LENGTH))),
        };
        let mut body = std::pin::pin!(body);
        while let Some(chunk) = body.next().await {
            let chunk = chunk.map_err(&transport_failure)?;
            if response.body.len() + chunk.len() > max_size {
                return Err(too_large(status, noun));
            }
            extend_zeroizing(&mut response.body, &chunk);
        }
        Ok(response)
    }

    /// Parses the body. The error does not quote it.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](ErrorKind::Unavailable) if the body is not what was asked for.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.body).map_err(|_| self.foreign_error().unwrap_or_else(|| self.malformed()))
    }

    /// Returns the error of a body that is not what was asked for.
    pub fn malformed(&self) -> Error {
        let noun = self.noun;
        let clause = format!("{noun}'s response cannot be parsed");
        Error::from_clause(ErrorKind::Unavailable, "vault's response cannot be parsed", clause)
    }

    /// Returns the error of a page that is not JSON, such as HTML: a proxy or a firewall sent it. `None` if the body is
    /// JSON or empty, as from a vault.
    pub(super) fn foreign_error(&self) -> Option<Error> {
        let is_foreign =
            !self.body.trim_ascii().is_empty() && serde_json::from_slice::<IgnoredAny>(&self.body).is_err();
        is_foreign.then(|| {
            let server = self.server.as_deref().unwrap_or("a server without a name");
            let noun = self.noun;
            let clause = format!("response is not a {noun}'s answer");
            Error::from_clause(ErrorKind::Unavailable, "response is not a vault's answer", clause)
                .caused_by(format!("{server} answered {} with a page that is not JSON", self.status))
                .with_help(
                    "a proxy or firewall on the way answered: let it pass requests to this host, or set NO_PROXY",
                )
        })
    }
}

fn too_large(status: u16, noun: &str) -> FailedAttempt {
    let clause = format!("{noun}'s response is larger than allowed");
    let error = Error::from_clause(ErrorKind::Unavailable, "vault's response is larger than allowed", clause);
    FailedAttempt { error, retry: None, may_have_succeeded: (200..=299).contains(&status) }
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

#[cfg(test)]
impl Response {
    /// Creates a response without headers.
    pub(crate) fn bare(status: u16, body: &str) -> Self {
        let (challenge, request_id, retry_after, server) = Default::default();
        let (etag, link, sync_token) = Default::default();
        let (as_of, body) = (SystemTime::UNIX_EPOCH, body.as_bytes().to_vec().into());
        Self { noun: "vault", status, as_of, challenge, request_id, retry_after, server, etag, link, sync_token, body }
    }
}

/// The capacity for a body of unknown length. Fits most secrets.
const UNKNOWN_LENGTH: usize = 4 << 10;
