//! What a vault answered, and what it means.

use std::time::{Duration, SystemTime};

use azure_core::http::headers::{HeaderName, Headers};
use bytes::Bytes;
use futures::{Stream, StreamExt};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use super::retry::{self, Reason};
use crate::error::{Error, ErrorKind, Result, ServiceAnswer};
use crate::status::ReferenceStatus;

/// A whole answer, read within its limits.
pub(super) struct Answer {
    pub(super) status: u16,
    /// The vault's own clock, if it told.
    pub(super) date: Option<SystemTime>,
    pub(super) challenge: Option<String>,
    request_id: Option<String>,
    retry_after: Option<Duration>,
    body: Zeroizing<Vec<u8>>,
}

/// A failed attempt, and whether another may help.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) error: Error,
    pub(super) retry: Option<Reason>,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { error, retry: None }
    }
}

impl Answer {
    /// Reads headers and body; a body beyond [`LARGEST_BODY`] is an error before it is in memory.
    pub(super) async fn read(
        status: u16,
        headers: &Headers,
        body: impl Stream<Item = azure_core::Result<Bytes>> + Send,
        broken: impl Fn(azure_core::Error) -> Failure + Send,
    ) -> Result<Self, Failure> {
        let header = |name| headers.get_optional_str(&HeaderName::from_static(name));
        let length = header("content-length").and_then(|length| length.parse::<usize>().ok());
        if length.is_some_and(|length| length > LARGEST_BODY) {
            return Err(too_large().into());
        }
        let date = header("date").and_then(|date| httpdate::parse_http_date(date).ok());
        let mut answer = Self {
            status,
            date,
            challenge: header("www-authenticate").map(str::to_owned),
            request_id: header("x-ms-request-id").and_then(identifier),
            retry_after: retry::retry_after(header, date.unwrap_or_else(SystemTime::now)),
            // With room for all of it: a buffer that grows leaves copies of a secret behind.
            body: Zeroizing::new(Vec::with_capacity(length.unwrap_or(UNANNOUNCED_BODY))),
        };
        let mut body = std::pin::pin!(body);
        while let Some(chunk) = body.next().await {
            let chunk = chunk.map_err(&broken)?;
            if answer.body.len() + chunk.len() > LARGEST_BODY {
                return Err(too_large().into());
            }
            extend_zeroizing(&mut answer.body, &chunk);
        }
        Ok(answer)
    }

    /// Reads the body as JSON. What does not parse is told of and not repeated.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.body)
            .map_err(|_| Error::new(ErrorKind::Unavailable, "vault answered with something else than a secret"))
    }

    /// Sorts the answer: itself if it is a success, else what the caller can do.
    pub(super) fn check(self) -> Result<Self, Failure> {
        match self.status {
            200..=299 => Ok(self),
            _ => Err(self.failure()),
        }
    }

    fn failure(&self) -> Failure {
        let body: ErrorBody = serde_json::from_slice(&self.body).unwrap_or_default();
        let error = body.error.unwrap_or_default();
        let code = error.code.as_deref().and_then(identifier);
        let inner_code = error.innermost().and_then(identifier);
        let throttled = ErrorKind::Throttled { retry_after: self.retry_after };
        let asked = |otherwise| Some(self.retry_after.map_or(otherwise, Reason::Asked));
        let (error, retry) = match self.status {
            401 => (unauthorized(), None),
            403 => (forbidden(inner_code.as_deref()), None),
            404 if code.as_deref() == Some("SecretNotFound") => {
                (Error::new(ErrorKind::NotFound, "secret not found"), None)
            }
            // A soft-deleted vault keeps its name and answers with other codes.
            404 => (
                Error::new(ErrorKind::Unavailable, "host does not answer as a vault with secrets")
                    .with_status(ReferenceStatus::VaultNotFound),
                None,
            ),
            408 | 500 | 502 | 504 => (failed(), Some(Reason::Failure)),
            429 => (Error::new(throttled, "vault is throttling"), asked(Reason::Throttled)),
            503 => (failed(), asked(Reason::Failure)),
            300..=399 => {
                (Error::new(ErrorKind::Unavailable, "vault answered with a redirect, which is not followed"), None)
            }
            400..=499 => (Error::invalid("vault refused the request").with_status(ReferenceStatus::OtherReasons), None),
            _ => (failed(), None),
        };
        let answer = ServiceAnswer { http_status: self.status, code, inner_code, request_id: self.request_id.clone() };
        let told = match (&answer.inner_code, &answer.code) {
            (Some(inner), Some(code)) => format!("the vault answered {} {code}/{inner}", self.status),
            (None, Some(code)) => format!("the vault answered {} {code}", self.status),
            _ => format!("the vault answered {}", self.status),
        };
        let error = error.with_answer(answer).caused_by(told);
        Failure { error, retry }
    }
}

fn failed() -> Error {
    Error::new(ErrorKind::Unavailable, "vault failed")
}

pub(super) fn unauthorized() -> Error {
    Error::new(ErrorKind::Denied, "vault did not accept the token").with_status(ReferenceStatus::UnauthorizedClient)
}

fn too_large() -> Error {
    Error::new(ErrorKind::Unavailable, "vault's answer is larger than any it may give")
}

/// [The inner codes of a 403](https://learn.microsoft.com/azure/key-vault/general/rest-error-codes#http-403-insufficient-permissions).
fn forbidden(inner_code: Option<&str>) -> Error {
    let denied = |clause| Error::new(ErrorKind::Denied, clause);
    match inner_code {
        Some("SecretDisabled") => {
            Error::new(ErrorKind::NotFound, "secret is disabled").with_status(ReferenceStatus::AccessToKeyVaultDenied)
        }
        Some("AccessDenied") => denied("access policy does not let the identity do this"),
        Some("ForbiddenByRbac") => denied("identity has no role that lets it do this"),
        Some("ForbiddenByFirewall") => denied("vault's firewall does not let this address in"),
        Some("ForbiddenByConnection") => denied("vault takes no connection from the public network"),
        Some("ForbiddenByPolicy") => denied("a policy forbids the access"),
        _ => denied("access denied"),
    }
}

/// Enough for a list of 25 secrets with every tag as long as it may be.
const LARGEST_BODY: usize = 1 << 20;

/// Enough for most secrets when a body comes without its length.
const UNANNOUNCED_BODY: usize = 4 << 10;

/// Appends, and wipes what a move to a larger buffer would leave behind.
fn extend_zeroizing(buffer: &mut Zeroizing<Vec<u8>>, chunk: &[u8]) {
    if buffer.len() + chunk.len() > buffer.capacity() {
        let mut larger = Zeroizing::new(Vec::with_capacity((buffer.len() + chunk.len()).max(buffer.capacity() * 2)));
        larger.extend_from_slice(buffer);
        *buffer = larger;
    }
    buffer.extend_from_slice(chunk);
}

/// [The body of an error](https://learn.microsoft.com/azure/key-vault/general/authentication-requests-and-responses#error-responses).
/// Owned strings, for messages have escapes in them; the message itself is not even read.
#[derive(Default, Deserialize)]
#[serde(default)]
struct ErrorBody {
    error: Option<ErrorNode>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ErrorNode {
    code: Option<String>,
    #[serde(alias = "innerError")]
    innererror: Option<Box<ErrorNode>>,
}

impl ErrorNode {
    fn innermost(&self) -> Option<&str> {
        let mut node = self.innererror.as_deref()?;
        while let Some(inner) = &node.innererror {
            node = inner;
        }
        node.code.as_deref()
    }
}

/// Lets through what can only be a code or an id: the error that it goes into must not carry text from outside.
fn identifier(text: &str) -> Option<String> {
    let short = (1..=64).contains(&text.len());
    (short && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer {
            status,
            date: None,
            challenge: None,
            request_id: None,
            retry_after: None,
            body: Zeroizing::new(body.as_bytes().to_vec()),
        }
    }

    #[test]
    fn answers_are_sorted_by_status_and_code() {
        use ErrorKind::{Denied, Invalid, NotFound, Unavailable};
        use ReferenceStatus as Status;
        let coded = |code: &str| format!(r#"{{"error":{{"code":"{code}","message":"a\r\nb \"q\""}}}}"#);
        let inner = |code: &str| {
            format!(r#"{{"error":{{"code":"Forbidden","message":"x\r\n","innererror":{{"code":"{code}"}}}}}}"#)
        };
        let nested =
            r#"{"error":{"code":"Forbidden","innererror":{"code":"A","innererror":{"code":"ForbiddenByRbac"}}}}"#;
        for (status, body, kind, reference, inner_code) in [
            (404, coded("SecretNotFound"), NotFound, Status::SecretNotFound, None),
            (404, coded("VaultNotFound"), Unavailable, Status::VaultNotFound, None),
            (404, "<html>".into(), Unavailable, Status::VaultNotFound, None),
            (403, inner("SecretDisabled"), NotFound, Status::AccessToKeyVaultDenied, Some("SecretDisabled")),
            (403, inner("ForbiddenByRbac"), Denied, Status::AccessToKeyVaultDenied, Some("ForbiddenByRbac")),
            (403, nested.into(), Denied, Status::AccessToKeyVaultDenied, Some("ForbiddenByRbac")),
            (403, String::new(), Denied, Status::AccessToKeyVaultDenied, None),
            (401, coded("Unauthorized"), Denied, Status::UnauthorizedClient, None),
            (400, coded("BadParameter"), Invalid, Status::OtherReasons, None),
            (302, String::new(), Unavailable, Status::OtherReasons, None),
            (500, coded("InternalServerError"), Unavailable, Status::OtherReasons, None),
            (418, "null".into(), Invalid, Status::OtherReasons, None),
        ] {
            let error = answer(status, &body).check().err().unwrap().error;
            assert_eq!((error.kind(), error.status()), (kind, reference), "{status} {body}");
            assert_eq!(error.inner_code(), inner_code, "{status} {body}");
        }
    }

    #[test]
    fn an_error_carries_no_text_of_the_body() {
        for body in [
            r#"{"error":{"code":"canary canary","message":"canary","innererror":{"code":"canary!"}}}"#,
            r#"{"error":"canary"}"#,
            "canary",
        ] {
            let error = answer(403, body).check().err().unwrap().error;
            let source = std::error::Error::source(&error).unwrap();
            assert!(!format!("{error}{error:?}{source}").contains("canary"), "{body}");
        }
    }
}
