//! The reply to a request.

use std::fmt;

use bytes::Bytes;
use http::Response;

/// A response and the way it is sent, or none.
pub(crate) enum Reply {
    /// Sends the whole response.
    Complete(Response<Bytes>),
    /// Sends half of the body, then nothing.
    HangInBody(Response<Bytes>),
    /// Sends half of the body, then closes the connection.
    Truncated(Response<Bytes>),
    /// Sends a generated body of this many bytes.
    Oversized(Response<Bytes>, u64),
    /// Sends nothing and keeps the connection open.
    Hang,
    /// Sends nothing and resets the connection.
    Reset,
}

impl Reply {
    /// Returns the status. `None` without a response.
    pub(crate) fn status(&self) -> Option<u16> {
        match self {
            Self::Complete(response)
            | Self::HangInBody(response)
            | Self::Truncated(response)
            | Self::Oversized(response, _) => Some(response.status().as_u16()),
            Self::Hang | Self::Reset => None,
        }
    }

    /// Returns the response, for adding headers. `None` without a response.
    pub(super) fn response_mut(&mut self) -> Option<&mut Response<Bytes>> {
        match self {
            Self::Complete(response)
            | Self::HangInBody(response)
            | Self::Truncated(response)
            | Self::Oversized(response, _) => Some(response),
            Self::Hang | Self::Reset => None,
        }
    }
}

/// Shows the way and the status, and never the response, whose body may be a secret.
impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Complete(_) => "Complete",
            Self::HangInBody(_) => "HangInBody",
            Self::Truncated(_) => "Truncated",
            Self::Oversized(..) => "Oversized",
            Self::Hang => "Hang",
            Self::Reset => "Reset",
        };
        f.debug_tuple(name).field(&self.status()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_contains_no_response() {
        let response = || {
            let builder = Response::builder().status(201).header("location", "hunter2");
            builder.body(Bytes::from_static(b"hunter2")).unwrap()
        };
        for (reply, expected) in [
            (Reply::Complete(response()), "Complete(Some(201))"),
            (Reply::HangInBody(response()), "HangInBody(Some(201))"),
            (Reply::Truncated(response()), "Truncated(Some(201))"),
            (Reply::Oversized(response(), 5), "Oversized(Some(201))"),
            (Reply::Hang, "Hang(None)"),
            (Reply::Reset, "Reset(None)"),
        ] {
            assert_eq!(format!("{reply:?}"), expected);
        }
    }
}
