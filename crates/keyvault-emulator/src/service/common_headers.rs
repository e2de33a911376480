//! The headers of every response.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, EXPIRES, PRAGMA, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderName, HeaderValue, Request, Response};

use super::state::Service;
use crate::protocol::REGION;
use crate::random;

/// Adds the headers of every response of the service.
pub(super) fn add_common_headers(request: &Request<Bytes>, response: &mut Response<Bytes>) {
    if Service::is_for_store(request) {
        add_store_headers(request, response);
        return;
    }
    let headers = response.headers_mut();
    for (name, value) in [
        (CACHE_CONTROL, "no-cache"),
        (PRAGMA, "no-cache"),
        (EXPIRES, "-1"),
        (STRICT_TRANSPORT_SECURITY, "max-age=31536000;includeSubDomains"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    if let Ok(id) = HeaderValue::try_from(random::uuid()) {
        headers.insert(REQUEST_ID, id);
    }
    if let Some(id) = request.headers().get(CLIENT_REQUEST_ID) {
        headers.insert(CLIENT_REQUEST_ID, id.clone());
    }
    if Service::is_for_vault(request) {
        headers.insert("x-ms-keyvault-region", HeaderValue::from_static(REGION));
        headers.insert("x-ms-keyvault-service-version", HeaderValue::from_static("1.9.3449.1"));
        headers.insert(
            "x-ms-keyvault-network-info",
            HeaderValue::from_static("conn_type=Ipv4;addr=127.0.0.1;act_addr_fam=InterNetwork;"),
        );
    }
}

/// Adds the headers of every response of App Configuration, except those that open the service to every web page.
///
/// See [headers](https://learn.microsoft.com/azure/azure-app-configuration/rest-api-headers).
fn add_store_headers(request: &Request<Bytes>, response: &mut Response<Bytes>) {
    let headers = response.headers_mut();
    headers.insert(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=15724800; includeSubDomains"));
    if let Ok(id) = HeaderValue::try_from(random::uuid()) {
        headers.insert(REQUEST_ID, id.clone());
        headers.insert("x-ms-correlation-request-id", id);
    }
    let client_id = request.headers().get(CLIENT_REQUEST_ID);
    let wants_it = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"true");
    if request.headers().get("x-ms-return-client-request-id").is_some_and(wants_it)
        && let Some(id) = client_id
    {
        headers.insert(CLIENT_REQUEST_ID, id.clone());
    }
}

const REQUEST_ID: HeaderName = HeaderName::from_static("x-ms-request-id");
const CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("x-ms-client-request-id");
