//! The answer of a webhook, for any HTTP server.

use crate::error::Error;

/// An HTTP answer: a status, a few headers, and a body that is JSON or empty.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WebhookAnswer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: String,
}

impl WebhookAnswer {
    /// Returns the status code.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Returns the headers, with names in lower case. The server adds `content-length`.
    pub fn headers(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.headers.iter().map(|(name, value)| (*name, value.as_str()))
    }

    /// Returns the body.
    pub fn body(&self) -> &str {
        &self.body
    }

    pub(super) fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: String::new() }
    }

    pub(super) fn json(status: u16, body: &serde_json::Value) -> Self {
        Self { body: body.to_string(), ..Self::empty(status).header("content-type", "application/json") }
    }

    pub(super) fn failure(status: u16, error: &Error) -> Self {
        Self::json(status, &serde_json::json!({ "error": error.to_string() }))
    }

    pub(super) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}
