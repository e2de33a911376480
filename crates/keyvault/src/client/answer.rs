//! What a vault answered, and what it means.

use std::time::{Duration, SystemTime};

use azure_core::http::headers::Headers;
use bytes::Bytes;
use futures::{Stream, StreamExt};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use super::challenge;
use super::heard::{CHALLENGE, is_request_id};
use super::retry::{self, Reason};
use super::verb::Verb;
use crate::error::{Error, ErrorKind, Result, ServiceAnswer};
use crate::report::ReferenceStatus;

/// A whole answer, read within its limits.
pub(super) struct Answer {
    pub(super) status: u16,
    /// The vault's own clock, if it told.
    pub(super) date: Option<SystemTime>,
    pub(super) challenge: Option<String>,
    pub(super) request_id: Option<String>,
    pub(super) retry_after: Option<Duration>,
    body: Zeroizing<Vec<u8>>,
}

/// A failed attempt, and whether another may help.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) error: Error,
    pub(super) retry: Option<Reason>,
    /// Whether the vault may have done what it was asked all the same.
    pub(super) may_be_done: bool,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { error, retry: None, may_be_done: false }
    }
}

impl Answer {
    /// Reads headers and body; a body of more than `largest` bytes is an error before it is in memory.
    pub(super) async fn read(
        status: u16,
        headers: &Headers,
        body: impl Stream<Item = azure_core::Result<Bytes>> + Send,
        largest: usize,
        broken: impl Fn(azure_core::Error) -> Failure + Send,
    ) -> Result<Self, Failure> {
        let header = |name| find(headers, name);
        let length = header("content-length").and_then(|length| length.parse::<usize>().ok());
        if length.is_some_and(|length| length > largest) {
            return Err(too_large(status));
        }
        let date = header("date").and_then(|date| httpdate::parse_http_date(date).ok());
        let mut answer = Self {
            status,
            date,
            challenge: header(CHALLENGE).map(str::to_owned),
            request_id: header("x-ms-request-id").filter(|id| is_request_id(id)).map(str::to_owned),
            retry_after: retry::retry_after(header, date.unwrap_or_else(SystemTime::now)),
            // With room for all of it: a buffer that grows leaves copies of a secret behind.
            body: Zeroizing::new(Vec::with_capacity(length.unwrap_or(UNANNOUNCED_BODY))),
        };
        let mut body = std::pin::pin!(body);
        while let Some(chunk) = body.next().await {
            let chunk = chunk.map_err(&broken)?;
            if answer.body.len() + chunk.len() > largest {
                return Err(too_large(status));
            }
            extend_zeroizing(&mut answer.body, &chunk);
        }
        Ok(answer)
    }

    /// Tells when the vault answered: by its own clock, if it told.
    pub(super) fn as_of(&self) -> SystemTime {
        self.date.unwrap_or_else(SystemTime::now)
    }

    /// Reads the body as JSON. What does not parse is told of and not repeated.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.body)
            .map_err(|_| Error::new(ErrorKind::Unavailable, "vault answered with something else than a secret"))
    }

    /// Sorts the answer: itself if it is a success, else what the caller can do.
    pub(super) fn check(self, verb: Verb) -> Result<Self, Failure> {
        match self.status {
            200..=299 => Ok(self),
            _ => Err(self.failure(verb)),
        }
    }

    fn failure(&self, verb: Verb) -> Failure {
        let body: ErrorBody = serde_json::from_slice(&self.body).unwrap_or_default();
        let error = body.error.unwrap_or_default();
        let code = error.code.as_deref().and_then(ServiceAnswer::code_of);
        let inner_code = error.innermost().and_then(ServiceAnswer::code_of);
        let throttled = ErrorKind::Throttled { retry_after: self.retry_after };
        let asked = |otherwise| Some(self.retry_after.map_or(otherwise, Reason::Asked));
        let (error, retry) = match self.status {
            401 if self.challenge.as_deref().is_some_and(challenge::demands_claims) => (unsatisfied(), None),
            401 => (unauthorized(), None),
            403 => (forbidden(inner_code.as_deref(), verb), None),
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
            409 => (conflict(inner_code.as_deref()), None),
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
        // A 503 and a 429 refuse; after the others the vault may have come further than its answer says.
        let may_be_done = self.status != 503 && matches!(self.status, 408 | 500..=599);
        Failure { error, retry, may_be_done }
    }
}

fn failed() -> Error {
    Error::new(ErrorKind::Unavailable, "vault failed")
}

pub(super) fn unauthorized() -> Error {
    Error::new(ErrorKind::Denied, "vault did not accept the token").with_status(ReferenceStatus::UnauthorizedClient)
}

/// The `TokenCredential` of `azure_core` 1.x has no way to be asked for a token with claims.
fn unsatisfied() -> Error {
    Error::new(ErrorKind::Denied, "vault demands claims that the credential cannot give")
        .with_status(ReferenceStatus::UnauthorizedClient)
        .with_help("the sign-in was revoked or a policy changed: sign in anew, as with `az login`, or use an identity that no conditional access policy binds")
}

fn too_large(status: u16) -> Failure {
    let error = Error::new(ErrorKind::Unavailable, "vault's answer is larger than any it may give");
    Failure { error, retry: None, may_be_done: (200..=299).contains(&status) }
}

/// [The inner codes of a 403](https://learn.microsoft.com/azure/key-vault/general/rest-error-codes#http-403-insufficient-permissions).
fn forbidden(inner_code: Option<&str>, verb: Verb) -> Error {
    let denied = |clause| Error::new(ErrorKind::Denied, clause);
    match inner_code {
        Some("SecretDisabled") => {
            Error::new(ErrorKind::NotFound, "secret is disabled").with_status(ReferenceStatus::AccessToKeyVaultDenied)
        }
        Some("AccessDenied") => {
            denied("access policy does not let the identity do this").with_help(verb.policy_advice())
        }
        Some("ForbiddenByRbac") => denied("identity has no role that lets it do this").with_help(verb.role_advice()),
        Some("SecretManagedByKeyVault") => denied("secret belongs to a certificate")
            .with_help("do it to the certificate of the same name: its secret follows"),
        Some("ForbiddenByFirewall") => denied("vault's firewall does not let this address in"),
        Some("ForbiddenByConnection") => denied("vault takes no connection from the public network"),
        Some("ForbiddenByPolicy") => denied("a policy forbids the access"),
        None if verb == Verb::Purge => denied("vault does not let the secret be purged")
            .with_help("if the vault has purge protection, it purges the secret by itself when the retention is over"),
        _ => denied("access denied"),
    }
}

/// [The inner codes of a 409](https://learn.microsoft.com/azure/key-vault/general/soft-delete-overview#key-vault-objects).
fn conflict(inner_code: Option<&str>) -> Error {
    let conflict = |clause| Error::new(ErrorKind::Conflict, clause);
    match inner_code {
        Some("ObjectIsDeletedButRecoverable") => conflict("a deleted secret still holds the name")
            .with_help("recover the deleted secret, or purge it to free its name"),
        Some("ObjectIsBeingDeleted") => conflict("secret is still being deleted"),
        Some("ObjectIsBeingRecovered") => conflict("secret is still being recovered"),
        _ => conflict("secret of this name is in the way"),
    }
}

/// Finds a header. The ways of the pipeline to ask for one write the text of an error first, some with a backtrace; and only
/// a few headers are [heard](super::heard).
fn find<'h>(headers: &'h Headers, name: &'static str) -> Option<&'h str> {
    headers.iter().find(|(held, _)| held.as_str() == name).map(|(_, value)| value.as_str())
}

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
        use ErrorKind::{Conflict, Denied, Invalid, NotFound, Unavailable};
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
            (
                403,
                inner("SecretManagedByKeyVault"),
                Denied,
                Status::AccessToKeyVaultDenied,
                Some("SecretManagedByKeyVault"),
            ),
            (409, inner("ObjectIsBeingDeleted"), Conflict, Status::OtherReasons, Some("ObjectIsBeingDeleted")),
            (409, coded("Conflict"), Conflict, Status::OtherReasons, None),
            (400, coded("BadParameter"), Invalid, Status::OtherReasons, None),
            (302, String::new(), Unavailable, Status::OtherReasons, None),
            (500, coded("InternalServerError"), Unavailable, Status::OtherReasons, None),
            (418, "null".into(), Invalid, Status::OtherReasons, None),
        ] {
            let error = answer(status, &body).check(Verb::Get).err().unwrap().error;
            assert_eq!((error.kind(), error.status()), (kind, reference), "{status} {body}");
            assert_eq!(error.inner_code(), inner_code, "{status} {body}");
        }
    }

    #[test]
    fn a_refusal_names_the_role_or_the_permission_that_is_missing() {
        let refused = |verb, code: &str| {
            let body = format!(r#"{{"error":{{"code":"Forbidden","innererror":{{"code":"{code}"}}}}}}"#);
            answer(403, &body).check(verb).err().unwrap().error.advice().unwrap()
        };
        for (verb, role, permission) in [
            (Verb::Get, "Key Vault Secrets User", "Get"),
            (Verb::ListDeleted, "Key Vault Secrets User", "List"),
            (Verb::Set, "Key Vault Secrets Officer", "Set"),
            (Verb::Update, "Key Vault Secrets Officer", "Set"),
            (Verb::Purge, "Key Vault Secrets Officer", "Purge"),
        ] {
            assert!(refused(verb, "ForbiddenByRbac").contains(role), "{verb:?}");
            assert!(refused(verb, "AccessDenied").contains(permission), "{verb:?}");
        }
    }

    #[test]
    fn a_refusal_to_begin_is_told_from_a_failure_on_the_way() {
        for (status, may_be_done) in [
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
            let failure = answer(status, "").check(Verb::Set).err().unwrap();
            assert_eq!(failure.may_be_done, may_be_done, "{status}");
        }
    }

    #[test]
    fn an_error_carries_no_text_of_the_body() {
        for body in [
            r#"{"error":{"code":"canary canary","message":"canary","innererror":{"code":"canary!"}}}"#,
            r#"{"error":{"code":"canary","message":"canary","innererror":{"code":"canary-canary"}}}"#,
            r#"{"error":"canary"}"#,
            "canary",
        ] {
            let error = answer(403, body).check(Verb::Get).err().unwrap().error;
            let source = std::error::Error::source(&error).unwrap();
            assert!(!format!("{error}{error:?}{source}").contains("canary"), "{body}");
        }
    }
}
