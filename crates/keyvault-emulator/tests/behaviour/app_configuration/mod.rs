//! App Configuration: in process, over TLS, and through the control endpoint.

mod authentication;
mod consistency;
mod faults;
mod key_values;
mod lists;
mod network;
mod persistence;
mod revisions;
mod snapshots;

use bytes::Bytes;
use http::Request;
use keyvault_emulator::Emulator;
use serde_json::Value;

use crate::TestResponse;

/// Sends a request to the store `contoso` without a socket, with a valid token and the latest `api-version`.
async fn call(emulator: &Emulator, method: &str, path: &str, body: &str) -> TestResponse {
    call_with(emulator, method, path, &[], body).await
}

/// Sends a request with further headers. A path with an `api-version` keeps it.
async fn call_with(
    emulator: &Emulator,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> TestResponse {
    let sign = if path.contains('?') { '&' } else { '?' };
    let version = if path.contains("api-version") { String::new() } else { format!("{sign}api-version=2026-04-01") };
    let mut request = Request::builder()
        .method(method)
        .uri(format!("https://contoso.azconfig.io{path}{version}"))
        .header("authorization", format!("Bearer {}", emulator.app_configuration("").token()));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    TestResponse(emulator.handle(request.body(Bytes::from(body.to_owned())).unwrap()).await)
}

async fn get(emulator: &Emulator, path: &str) -> TestResponse {
    call(emulator, "GET", path, "").await
}

/// Returns one field of each item of a list.
fn items(response: &TestResponse, field: &str) -> Vec<Value> {
    let items = response.json()["items"].as_array().cloned();
    items.unwrap_or_else(|| panic!("{}", response.text())).into_iter().map(|item| item[field].clone()).collect()
}

/// Returns the ETag of a response, without quotes.
fn etag(response: &TestResponse) -> String {
    response.header("etag").unwrap().trim_matches('"').to_owned()
}
