//! The emulator from the outside: in process, over TLS, and through the official SDK.

#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

mod app_configuration;
mod certificate_api;
mod certificates;
mod control;
#[cfg(feature = "credential")]
mod credential;
mod deletion;
mod denials;
mod errors;
mod faults;
mod identity;
mod network;
mod official_sdk;
mod paging;
mod persistence;
mod request_log;
mod responses;
mod tokens;

use bytes::Bytes;
use http::{Method, Request, Response};
use keyvault_emulator::Emulator;
use serde_json::Value;

/// Sends a request to the vault `contoso` without a socket, with a valid token.
async fn call(emulator: &Emulator, method: &str, path: &str, body: &str) -> TestResponse {
    let uri = format!("https://contoso.vault.azure.net{path}");
    let request = Request::builder()
        .method(method.parse::<Method>().unwrap())
        .uri(uri)
        .header("authorization", format!("Bearer {}", emulator.token()))
        .body(Bytes::from(body.to_owned()))
        .unwrap();
    TestResponse(emulator.handle(request).await)
}

/// Sends a GET with the latest `api-version`.
async fn get(emulator: &Emulator, path: &str) -> TestResponse {
    call(emulator, "GET", &with_version(path), "").await
}

/// Adds the latest `api-version` to a path.
fn with_version(path: &str) -> String {
    let sign = if path.contains('?') { '&' } else { '?' };
    format!("{path}{sign}api-version=2026-04-01")
}

/// Returns a client that trusts the emulator.
fn client(emulator: &Emulator) -> reqwest::Client {
    client_builder(emulator).build().unwrap()
}

fn client_builder(emulator: &Emulator) -> reqwest::ClientBuilder {
    trusting(emulator.ca_pem().as_bytes()).redirect(reqwest::redirect::Policy::none())
}

/// Returns a builder for a client that trusts one authority.
fn trusting(ca_pem: &[u8]) -> reqwest::ClientBuilder {
    // Two TLS providers may be compiled in, and the client then has no default.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().tls_certs_only([reqwest::Certificate::from_pem(ca_pem).unwrap()])
}

/// Returns a GET over TLS with a valid token.
fn request(emulator: &Emulator, client: &reqwest::Client, path: &str) -> reqwest::RequestBuilder {
    client.get(format!("{}{}", emulator.vault_url(), with_version(path))).bearer_auth(emulator.token())
}

/// A response, with accessors for tests.
struct TestResponse(Response<Bytes>);

impl TestResponse {
    fn status(&self) -> u16 {
        self.0.status().as_u16()
    }

    fn text(&self) -> &str {
        std::str::from_utf8(self.0.body()).unwrap()
    }

    fn json(&self) -> Value {
        serde_json::from_slice(self.0.body()).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.0.headers().get(name).map(|value| value.to_str().unwrap())
    }

    /// Returns the names in a page of secrets.
    fn names(&self) -> Vec<String> {
        let name = |item: &Value| item["id"].as_str().unwrap().split('/').nth(4).unwrap().to_owned();
        self.json()["value"].as_array().unwrap().iter().map(name).collect()
    }

    /// Returns the path and query of the next page.
    fn next(&self) -> Option<String> {
        let link = self.json()["nextLink"].as_str()?.to_owned();
        Some(link.strip_prefix("https://contoso.vault.azure.net:443").unwrap().to_owned())
    }

    /// Returns status, code and inner code of an error. An absent code is empty.
    fn error(&self) -> (u16, String, String) {
        let body = self.json();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        (self.status(), text(&body["error"]["code"]), text(&body["error"]["innererror"]["code"]))
    }
}
