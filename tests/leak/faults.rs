//! Every fault between a client and its vault, on a real connection, and a host whose name is not found.

use std::sync::Arc;
use std::time::Duration;

use azure_core::credentials::TokenCredential;
use azure_core::error::ErrorKind;
use futures::TryStreamExt;
use keyvault::SecretClient;
use keyvault::client::{SecretBackup, VersionProperties};
use keyvault_emulator::{Denial, Fault};
use keyvault_test_support::credential::FakeCredential;
use keyvault_test_support::transport::FakeTransport;

use super::scan::Scan;
use super::vault::CanaryVault;

/// Runs each operation once, so that each meets the fault.
async fn ask_for_everything(scan: &mut Scan, what: &str, client: &SecretClient) {
    let value = scan.secret.text().to_owned();
    scan.outcome(what, &client.get("password").await);
    scan.outcome(what, &client.get_version("password", "0af1").await);
    scan.outcome(what, &client.list().try_collect::<Vec<_>>().await);
    scan.outcome(what, &client.list_versions("password").try_collect::<Vec<_>>().await);
    scan.outcome(what, &client.set("password", &value).await);
    scan.outcome(what, &client.update("password", VersionProperties::new().enabled(true)).await);
    scan.outcome(what, &client.backup("password").await);
    scan.outcome(what, &client.restore(&SecretBackup::new(value.as_bytes())).await);
    scan.outcome(what, &client.begin_delete("password").await);
    scan.outcome(what, &client.get_deleted("password").await);
    scan.outcome(what, &client.list_deleted().try_collect::<Vec<_>>().await);
    scan.outcome(what, &client.begin_recover("password").await);
    scan.outcome(what, &client.purge("password").await);
}

/// Runs few operations, for faults that make each attempt slow.
async fn ask_for_little(scan: &mut Scan, what: &str, client: &SecretClient) {
    scan.outcome(what, &client.get("password").await);
    scan.outcome(what, &client.list().try_collect::<Vec<_>>().await);
    scan.outcome(what, &client.set("password", scan.secret.text()).await);
}

/// Returns error bodies that quote the request or another secret.
fn bodies(scan: &Scan) -> Vec<String> {
    let (secret, token, word) = (scan.secret.text(), scan.token.text(), scan.word.text());
    let mut bodies = vec![secret.to_owned(), token.to_owned(), format!("<html>{secret}</html>"), format!("\"{word}\"")];
    for text in [secret, token, word] {
        bodies.push(serde_json::json!({ "error": { "code": text, "message": text } }).to_string());
        let inner = serde_json::json!({ "code": text, "innererror": { "code": text } });
        bodies.push(
            serde_json::json!({ "error": { "code": "Forbidden", "message": text, "innererror": inner } }).to_string(),
        );
        bodies.push(serde_json::json!({ "error": text }).to_string());
        bodies.push(serde_json::json!({ "value": text, "id": text, "nextLink": text }).to_string());
    }
    bodies
}

#[tokio::test]
async fn no_body_and_no_header_of_a_refusal_is_repeated() {
    let mut scan = Scan::begin();
    let vault = CanaryVault::of(&scan).await;
    let client = vault.client().build().unwrap();
    let words = [scan.word.text(), scan.token.text()].map(str::to_owned);
    for status in [200, 201, 204, 301, 304, 307, 400, 401, 403, 404, 405, 409, 412, 418] {
        for body in bodies(&scan) {
            vault.emulator.fault(Fault::status(status).body(body));
            scan.outcome("a body", &client.get("password").await);
            scan.outcome("a body", &client.list().try_collect::<Vec<_>>().await);
            vault.emulator.clear_faults();
        }
        for word in &words {
            let mut fault = Fault::status(status);
            for header in
                ["x-ms-request-id", "www-authenticate", "location", "link", "date", "server", "x-ms-client-request-id"]
            {
                fault = fault.header(header, word);
            }
            vault.emulator.fault(fault.header("content-type", word).retry_after(word));
            ask_for_everything(&mut scan, "headers", &client).await;
            vault.emulator.clear_faults();
        }
    }
    scan.end();
}

#[tokio::test]
async fn no_fault_leaks_anything() {
    let mut scan = Scan::begin();
    let vault = CanaryVault::of(&scan).await;
    let client = vault.impatient();
    let (secret, token) = (scan.secret.text().to_owned(), scan.token.text().to_owned());
    let page = format!("https://localhost/secrets?x={}", scan.word.text());
    for fault in [
        Fault::Unauthorized,
        Fault::InsufficientClaims,
        Fault::Challenge(format!("Bearer resource=\"https://{token}\"")),
        Fault::Challenge(format!("Bearer realm=\"{token}\", error=\"{token}\", claims=\"{token}\"")),
        Fault::Redirect(format!("https://evil.example/{token}")),
        Fault::Hang,
        Fault::Reset,
        Fault::HangInBody,
        Fault::Truncated,
        Fault::Oversized(1 << 30),
        Fault::NotJson,
        Fault::WrongJson,
        Fault::WrongId,
        Fault::NextLink(page),
        Fault::NextLink(token.clone()),
        Fault::EmptyPage,
        Fault::status(408).body(&secret),
        Fault::status(429).body(&secret),
        Fault::status(500).body(&secret),
        Fault::status(503).body(&secret).retry_after("3600"),
        Fault::Latency(Duration::from_secs(5)),
    ] {
        let what = format!("{fault:?}").split(['(', ' ']).next().unwrap().to_owned();
        vault.emulator.fault(fault);
        ask_for_little(&mut scan, &what, &client).await;
        vault.emulator.clear_faults();
    }
    for denial in [Denial::AccessPolicy, Denial::Rbac, Denial::Firewall, Denial::PrivateLink] {
        vault.emulator.deny_all(denial);
        ask_for_everything(&mut scan, "denied", &client).await;
        vault.emulator.clear_denials();
    }
    scan.end();
}

#[tokio::test]
async fn the_error_for_an_unreachable_vault_contains_no_token() {
    let mut scan = Scan::begin();
    let vault = CanaryVault::of(&scan).await;
    let credential = || Arc::clone(&vault.credential) as Arc<dyn TokenCredential>;
    let timeout = Duration::from_millis(400);
    // A closed port and an untrusted certificate.
    for url in ["https://127.0.0.1:1", vault.emulator.vault_url()] {
        let client = SecretClient::builder(url).credential(credential()).timeout(timeout);
        ask_for_little(&mut scan, "unreachable", &client.build().unwrap()).await;
    }
    // An unknown host. A real look-up would ask the name server of this machine.
    let wire = FakeTransport::scripted(|sent| {
        let text = format!("dns error: no such host, sent {}", sent.header("authorization").unwrap());
        Err(azure_core::Error::with_message(ErrorKind::Connection, text))
    });
    let client = wire.client(&vault.credential).timeout(timeout).build().unwrap();
    ask_for_little(&mut scan, "unknown host", &client).await;
    assert!(!wire.sent().is_empty());
    scan.end();
}

/// The error of a credential may quote anything.
#[tokio::test]
async fn a_credential_that_quotes_a_token_is_not_repeated() {
    let mut scan = Scan::begin();
    let vault = CanaryVault::of(&scan).await;
    let (secret, token) = (scan.secret.text().to_owned(), scan.token.text().to_owned());
    let quoted = move || {
        let inner = std::io::Error::other(format!("answered {{\"access_token\":\"{token}\"}}"));
        azure_core::Error::with_error(
            ErrorKind::Credential,
            inner,
            format!("client secret {secret} is wrong: AADSTS7000215"),
        )
    };
    let credential = FakeCredential::new(move |_| std::future::ready(Err(quoted())));
    let client = keyvault_test_support::emulator::client_of(&vault.emulator, &credential).build().unwrap();
    ask_for_everything(&mut scan, "credential", &client).await;
    scan.outcome("credential", &client.get("password").await);
    scan.end();
}
