//! The errors of a store: a status, and for some a body in the form of
//! [RFC 9457](https://www.rfc-editor.org/rfc/rfc9457).

use std::time::Duration;

use bytes::Bytes;
use http::header::WWW_AUTHENTICATE;
use http::{HeaderValue, Response, StatusCode};
use serde::Serialize;

use crate::protocol::{response, to_json};

/// An error of a store.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Problem {
    pub(crate) status: u16,
    details: Option<Box<Details>>,
    /// The value of the header `WWW-Authenticate`.
    challenge: Option<String>,
    /// The value of the header `retry-after-ms`.
    retry_after: Option<Duration>,
}

/// The body of an error, without its status.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Details {
    kind: &'static str,
    title: String,
    name: Option<String>,
    detail: Option<String>,
    /// The quota that was exceeded.
    policy: Option<&'static str>,
}

impl Problem {
    /// Creates an error without a body, such as a 404 or a 412.
    pub(crate) fn empty(status: u16) -> Self {
        Self { status, details: None, challenge: None, retry_after: None }
    }

    /// Creates the error for an invalid parameter or field.
    pub(super) fn invalid(name: &str, detail: impl Into<String>) -> Self {
        Self::titled(format!("Invalid request parameter '{name}'"), name, detail)
    }

    /// Creates the error for an invalid parameter, with its own title.
    pub(super) fn titled(title: impl Into<String>, name: &str, detail: impl Into<String>) -> Self {
        Self::with(400, "invalid-argument", title, Some(name), detail.into())
    }

    /// Creates the error for a key-value that is locked.
    pub(super) fn locked(key: &str) -> Self {
        let detail = "The key is read-only. To allow modification unlock it first.";
        Self::with(409, "key-locked", format!("Modifing key '{key}' is not allowed"), Some(key), detail.to_owned())
    }

    /// Creates the error for a snapshot whose name is in use.
    pub(super) fn already_exists() -> Self {
        Self::with(409, "already-exists", "The resource already exists.", None, String::new())
    }

    /// Creates the error for a change that the state of a snapshot does not allow.
    pub(super) fn invalid_state() -> Self {
        let detail = "The target resource is not in a valid state to perform the requested operation.";
        Self::with(409, "invalid-state", "Target resource state invalid.", None, detail.to_owned())
    }

    /// Creates the error for too many requests.
    ///
    /// See [throttling](https://learn.microsoft.com/azure/azure-app-configuration/rest-api-throttling).
    pub(crate) fn throttled(retry_after: Duration) -> Self {
        let details = Details {
            kind: "too-many-requests",
            title: "Resource utilization has surpassed the assigned quota".to_owned(),
            name: None,
            detail: None,
            policy: Some("Total Requests"),
        };
        Self { details: Some(Box::new(details)), retry_after: Some(retry_after), ..Self::empty(429) }
    }

    /// Creates the error for a request without a valid signature or token. An empty description means that there was
    /// neither.
    pub(crate) fn unauthorized(scheme: Scheme, description: &str) -> Self {
        let challenge = match scheme {
            _ if description.is_empty() => "HMAC-SHA256, Bearer".to_owned(),
            Scheme::Hmac => {
                format!("HMAC-SHA256 error=\"invalid_token\" error_description=\"{description}\", Bearer")
            }
            Scheme::Bearer => {
                format!("HMAC-SHA256, Bearer error=\"invalid_token\", error_description=\"{description}\"")
            }
        };
        Self { challenge: Some(challenge), ..Self::empty(401) }
    }

    /// Creates the error for a change that could not be written to the data file.
    pub(crate) fn unsaved() -> Self {
        let detail = "The data file cannot be written, so nothing was changed.".to_owned();
        Self::with(500, "server-error", "An error occurred.", None, detail)
    }

    /// Creates the error that the service usually sends with a status.
    pub(crate) fn typical(status: u16) -> Self {
        match status {
            400 => Self::invalid("key", ""),
            401 => Self::unauthorized(Scheme::Hmac, ""),
            409 => Self::locked("unknown"),
            429 => Self::throttled(Duration::from_millis(10)),
            503 => Self { retry_after: Some(Duration::from_millis(500)), ..Self::empty(503) },
            status => Self::empty(status),
        }
    }

    fn with(status: u16, kind: &'static str, title: impl Into<String>, name: Option<&str>, detail: String) -> Self {
        let (title, name) = (title.into(), name.map(str::to_owned));
        let details = Details { kind, title, name, detail: Some(detail), policy: None };
        Self { details: Some(Box::new(details)), ..Self::empty(status) }
    }

    /// Creates the response.
    pub(crate) fn to_response(&self) -> Response<Bytes> {
        let mut response = match &self.details {
            Some(details) => response(self.status, PROBLEM, to_json(&details.body(self.status))),
            None => empty_response(self.status),
        };
        if let Some(challenge) = self.challenge.as_ref().and_then(|text| HeaderValue::try_from(text).ok()) {
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        }
        if let Some(time) = self.retry_after {
            let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1);
            response.headers_mut().insert("retry-after-ms", HeaderValue::from(millis));
        }
        response
    }
}

/// The authentication scheme that a challenge is about.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Scheme {
    Hmac,
    Bearer,
}

impl Details {
    fn body(&self, status: u16) -> ProblemBody<'_> {
        ProblemBody {
            kind: format!("https://azconfig.io/errors/{}", self.kind),
            title: &self.title,
            name: self.name.as_deref(),
            detail: self.detail.as_deref(),
            policy: self.policy,
            status,
        }
    }
}

#[derive(Serialize)]
struct ProblemBody<'a> {
    #[serde(rename = "type")]
    kind: String,
    title: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<&'a str>,
    status: u16,
}

/// Creates a response without a body.
pub(super) fn empty_response(status: u16) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response
}

const PROBLEM: &str = "application/problem+json; charset=utf-8";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_have_the_fields_of_the_service_in_their_order() {
        for (problem, expected) in [
            (
                Problem::invalid("key", "key(2): Invalid character"),
                r#"{"type":"https://azconfig.io/errors/invalid-argument","title":"Invalid request parameter 'key'","name":"key","detail":"key(2): Invalid character","status":400}"#,
            ),
            (
                Problem::already_exists(),
                r#"{"type":"https://azconfig.io/errors/already-exists","title":"The resource already exists.","detail":"","status":409}"#,
            ),
            (
                Problem::throttled(Duration::from_millis(10)),
                r#"{"type":"https://azconfig.io/errors/too-many-requests","title":"Resource utilization has surpassed the assigned quota","policy":"Total Requests","status":429}"#,
            ),
            (Problem::empty(404), ""),
        ] {
            let response = problem.to_response();
            assert_eq!(std::str::from_utf8(response.body()).unwrap(), expected);
        }
        let throttled = Problem::throttled(Duration::from_millis(10)).to_response();
        assert_eq!(throttled.headers()["retry-after-ms"], "10");
    }
}
