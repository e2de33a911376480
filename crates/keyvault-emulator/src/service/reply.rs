//! The reply to a request.

use bytes::Bytes;
use http::Response;

/// A response and the way it is sent, or none.
#[derive(Debug)]
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
