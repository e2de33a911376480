//! The emulator as a client sees it: in process, over TLS, and through the official client.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops where it stands")]

mod access;
mod answers;
mod certificates;
mod control;
mod deletion;
mod errors;
mod faults;
mod identity;
mod keeping;
mod network;
mod official;
mod paging;
mod tokens;
mod watching;

use bytes::Bytes;
use http::{Method, Request, Response};
use keyvault_emulator::Emulator;
use serde_json::Value;

/// Calls the default vault without a socket, with a good token.
async fn call(emulator: &Emulator, method: &str, path: &str, body: &str) -> Answer {
    let uri = format!("https://contoso.vault.azure.net{path}");
    let request = Request::builder()
        .method(method.parse::<Method>().unwrap())
        .uri(uri)
        .header("authorization", format!("Bearer {}", emulator.token()))
        .body(Bytes::from(body.to_owned()))
        .unwrap();
    Answer(emulator.handle(request).await)
}

/// Reads with the newest `api-version`.
async fn get(emulator: &Emulator, path: &str) -> Answer {
    call(emulator, "GET", &with_version(path), "").await
}

/// Adds the newest `api-version` to a path.
fn with_version(path: &str) -> String {
    let sign = if path.contains('?') { '&' } else { '?' };
    format!("{path}{sign}api-version=2026-04-01")
}

/// A client that trusts the emulator.
fn client(emulator: &Emulator) -> reqwest::Client {
    client_builder(emulator).build().unwrap()
}

fn client_builder(emulator: &Emulator) -> reqwest::ClientBuilder {
    let ca = reqwest::Certificate::from_pem(emulator.ca_pem().as_bytes()).unwrap();
    reqwest::Client::builder().tls_certs_only([ca]).redirect(reqwest::redirect::Policy::none())
}

/// A GET over TLS with a good token, ready to be sent.
fn request(emulator: &Emulator, client: &reqwest::Client, path: &str) -> reqwest::RequestBuilder {
    client.get(format!("{}{}", emulator.vault_url(), with_version(path))).bearer_auth(emulator.token())
}

/// An answer, with what tests ask of it.
struct Answer(Response<Bytes>);

impl Answer {
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

    /// The names in a page of secrets.
    fn names(&self) -> Vec<String> {
        let name = |item: &Value| item["id"].as_str().unwrap().split('/').nth(4).unwrap().to_owned();
        self.json()["value"].as_array().unwrap().iter().map(name).collect()
    }

    /// Path and query of the next page.
    fn next(&self) -> Option<String> {
        let link = self.json()["nextLink"].as_str()?.to_owned();
        Some(link.strip_prefix("https://contoso.vault.azure.net:443").unwrap().to_owned())
    }

    /// Status, code and inner code of an error; empty strings where there is none.
    fn error(&self) -> (u16, String, String) {
        let body = self.json();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        (self.status(), text(&body["error"]["code"]), text(&body["error"]["innererror"]["code"]))
    }
}
