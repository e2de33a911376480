//! A response that is not a success: whether a retry can help, and the codes that its error carries.

use super::request::Request;
use super::response::{FailedAttempt, Response};
use super::retry::RetryReason;
use crate::error::{Error, ErrorKind, ServiceAnswer};
use crate::report::ReferenceStatus;

impl Response {
    /// Returns the response if it is a success, or the news that nothing has changed.
    pub(super) fn check(self, request: &Request) -> Result<Self, FailedAttempt> {
        if (200..=299).contains(&self.status) || self.status == 304 && request.asks_for_changes() {
            return Ok(self);
        }
        let error = match self.foreign_error() {
            Some(error) => {
                let (code, inner_code, request_id) = Default::default();
                error.with_answer(ServiceAnswer { http_status: self.status, code, inner_code, request_id })
            }
            None => request.operation.error(&self),
        };
        // A 503 and a 429 are sent before the request is carried out. The other statuses do not say how far it came.
        let may_have_succeeded = self.status != 503 && matches!(self.status, 408 | 500..=599);
        Err(FailedAttempt { error, retry: self.retry_reason(), may_have_succeeded })
    }

    /// Adds the status, the codes and the request id to the error of this response. Text that has not the form of a
    /// code is left out.
    pub fn refusal(&self, error: Error, code: Option<&str>, inner_code: Option<&str>) -> Error {
        let (code, inner_code) = (code.and_then(ServiceAnswer::code_of), inner_code.and_then(ServiceAnswer::code_of));
        let (noun, status) = (self.noun, self.status);
        let cause = match (&inner_code, &code) {
            (Some(inner), Some(code)) => format!("the {noun} answered {status} {code}/{inner}"),
            (None, Some(code)) => format!("the {noun} answered {status} {code}"),
            _ => format!("the {noun} answered {status}"),
        };
        let request_id = self.request_id.clone();
        error.with_answer(ServiceAnswer { http_status: self.status, code, inner_code, request_id }).caused_by(cause)
    }

    /// Returns the error of a status that means the same for every service: a token that is not accepted, throttling, a
    /// redirect, a refusal, a failure.
    pub fn common_error(&self) -> Error {
        let noun = self.noun;
        match self.status {
            401 => unauthorized(noun),
            429 => {
                let kind = ErrorKind::Throttled { retry_after: self.retry_after };
                Error::from_clause(kind, "vault is throttling", format!("{noun} is throttling"))
            }
            300..=399 => {
                let clause = format!("{noun} answered with a redirect, which is not followed");
                let heading = "vault answered with a redirect, which is not followed";
                Error::from_clause(ErrorKind::Unavailable, heading, clause)
            }
            400..=407 | 409..=499 => {
                let clause = format!("{noun} refused the request");
                Error::from_clause(ErrorKind::Invalid, "vault refused the request", clause)
            }
            _ => Error::from_clause(ErrorKind::Unavailable, "vault failed", format!("{noun} failed")),
        }
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

/// The error of a token that a vault or store rejects.
pub(super) fn unauthorized(noun: &str) -> Error {
    let clause = format!("{noun} did not accept the token");
    Error::from_clause(ErrorKind::Denied, "vault did not accept the token", clause)
        .with_status(ReferenceStatus::UnauthorizedClient)
}

#[cfg(test)]
mod tests {
    use super::super::testing::GET;
    use super::*;

    fn request() -> Request {
        Request::new(&GET, "https://contoso.vault.azure.net/secrets/a".parse().unwrap())
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
            let failed = Response::bare(status, "").check(&request()).err().unwrap();
            assert_eq!(failed.may_have_succeeded, may_have_succeeded, "{status}");
        }
    }

    #[test]
    fn a_page_that_is_not_json_is_not_a_refusal_of_the_vault() {
        for (status, is_retried) in [(200, None), (404, None), (429, Some(RetryReason::Throttled))] {
            let failed = Response::bare(status, "<html>").check(&request()).err();
            let found = failed.map(|failed| (failed.error.kind(), failed.error.http_status(), failed.retry));
            let expected = (ErrorKind::Unavailable, Some(status), is_retried);
            assert_eq!(found, (status != 200).then_some(expected));
        }
    }

    #[test]
    fn unchanged_is_an_answer_only_to_a_request_for_changes() {
        let is_answer = |request: Request, status| Response::bare(status, "").check(&request).is_ok();
        assert!(is_answer(request().header("if-none-match", "\"a\""), 304));
        assert!(!is_answer(request().header("if-none-match", "\"a\""), 302));
        assert!(!is_answer(request().header("if-match", "\"a\""), 304));
        assert!(!is_answer(request(), 304));
    }

    #[test]
    fn a_refusal_has_codes_and_no_other_text() {
        let response = Response::bare(409, "");
        let error = response.refusal(Error::invalid("vault refused the request"), Some("KeyLocked"), Some("canary"));
        assert_eq!((error.http_status(), error.code(), error.inner_code()), (Some(409), Some("KeyLocked"), None));
        assert!(error.report().contains("the vault answered 409 KeyLocked\n"), "{error:?}");
    }
}
