//! Failures between a client and a vault, on demand.

use std::time::Duration;

use crate::operations::Operation;

/// A failure of a request.
///
/// A *request fault* applies to every matching request, even to one without a token. Except for
/// [`Latency`](Self::Latency), the vault never receives the request. A *response fault* applies to successful responses
/// only, and keeps their status: a challenge, a 404, or a 204 without a body passes unchanged and does not count. The
/// vault has performed the operation by then.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Fault {
    /// A request fault: responds with a status. See [`Fault::status`].
    Status {
        /// The status.
        code: u16,
        /// The header `Retry-After`, in place of the `retry-after-ms` of an App Configuration store. Key Vault itself
        /// does not send it with a 429.
        retry_after: Option<String>,
        /// The body. Default: the error that the service sends with the status.
        body: Option<String>,
        /// Additional headers. An invalid header is omitted.
        headers: Vec<(String, String)>,
    },
    /// A request fault: responds 401 with the usual challenge, even to a valid token.
    Unauthorized,
    /// A request fault: responds 401 with this `WWW-Authenticate`.
    Challenge(String),
    /// A request fault: responds 401 with a claims challenge, as continuous access evaluation does after a revocation.
    InsufficientClaims,
    /// A request fault: responds 307 with this `Location`.
    Redirect(String),
    /// A request fault: waits, then passes the request on.
    Latency(Duration),
    /// A request fault: never responds, and keeps the connection open.
    Hang,
    /// A request fault: resets the connection, and with it every other HTTP/2 request on it.
    Reset,
    /// A response fault: sends the head and half of the body, then nothing, and keeps the connection open.
    HangInBody,
    /// A response fault: declares the full body length, sends half of the body, and closes the connection.
    Truncated,
    /// A response fault: sends a body of this many bytes, generated while it is sent.
    Oversized(u64),
    /// A response fault: sends an HTML page, as an intercepting proxy does.
    NotJson,
    /// A response fault: sends JSON that is neither a secret nor a list.
    WrongJson,
    /// A response fault: replaces each `id` with that of another secret.
    WrongId,
    /// A response fault for lists: sets this `nextLink`.
    NextLink(String),
    /// A response fault for lists: sends a page without items whose `nextLink` repeats the request. The service may
    /// send such pages.
    EmptyPage,
}

impl Fault {
    /// Creates a fault that responds with a status and the service's error body for it.
    ///
    /// ```
    /// use keyvault_emulator::Fault;
    ///
    /// let throttled = Fault::status(429).retry_after("2");
    /// ```
    pub fn status(code: u16) -> Self {
        Self::Status { code, retry_after: None, body: None, headers: Vec::new() }
    }

    /// Sets the `Retry-After` of a status: seconds or a date, sent unchanged. No effect on other faults.
    #[must_use]
    pub fn retry_after(mut self, value: impl Into<String>) -> Self {
        if let Self::Status { retry_after, .. } = &mut self {
            *retry_after = Some(value.into());
        }
        self
    }

    /// Sets the body of a status. No effect on other faults.
    #[must_use]
    pub fn body(mut self, text: impl Into<String>) -> Self {
        if let Self::Status { body, .. } = &mut self {
            *body = Some(text.into());
        }
        self
    }

    /// Adds a header to a status. No effect on other faults.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        if let Self::Status { headers, .. } = &mut self {
            headers.push((name.into(), value.into()));
        }
        self
    }

    /// Returns the stage at which the fault applies to an operation. `None` if it never does.
    pub(super) fn stage(&self, operation: Operation) -> Option<Stage> {
        match self {
            Self::HangInBody
            | Self::Truncated
            | Self::Oversized(_)
            | Self::NotJson
            | Self::WrongJson
            | Self::WrongId => Some(Stage::Response),
            Self::NextLink(_) | Self::EmptyPage => operation.is_list().then_some(Stage::Response),
            _ => Some(Stage::Request),
        }
    }
}

/// The stage of a request at which a fault applies.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Stage {
    /// Before the vault receives the request.
    Request,
    /// After a successful response of the vault with a body.
    Response,
}
