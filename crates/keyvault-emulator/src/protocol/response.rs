//! Responses in memory.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};
use serde::Serialize;

/// Creates a response from its status, content type and body.
pub(crate) fn response(status: u16, content_type: &'static str, body: impl Into<Bytes>) -> Response<Bytes> {
    let mut response = Response::new(body.into());
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// Serializes a value whose keys are all strings, which cannot fail.
pub(crate) fn to_json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("every key is a string")
}

/// The content type of every JSON response.
pub(crate) const JSON: &str = "application/json; charset=utf-8";

/// The content type of a web page, such as a proxy sends.
pub(crate) const HTML: &str = "text/html; charset=utf-8";
