//! The certificates API: what clients of it see.

mod creation;
mod deletion;
mod events;
mod import;
mod renewal;

use keyvault_emulator::Emulator;
use serde_json::{Value, json};

use crate::{TestResponse, call, with_version};

/// A day, in seconds.
const DAY: u64 = 86_400;

/// Returns a policy with an EC key, because an RSA key takes longer, that is renewed at 80 percent of its lifetime.
fn policy(issuer: &str) -> Value {
    json!({
        "key_props": { "kty": "EC", "crv": "P-256" },
        "x509_props": { "subject": "CN=app.example", "sans": { "dns_names": ["app.example"] }, "validity_months": 12 },
        "issuer": { "name": issuer },
    })
}

async fn create(emulator: &Emulator, name: &str, body: Value) -> TestResponse {
    send(emulator, "POST", &format!("/certificates/{name}/create"), body).await
}

async fn send(emulator: &Emulator, method: &str, path: &str, body: Value) -> TestResponse {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    call(emulator, method, &with_version(path), &body).await
}

async fn get(emulator: &Emulator, path: &str) -> Value {
    crate::get(emulator, path).await.json()
}

/// Creates a certificate and returns its first version.
async fn created(emulator: &Emulator, name: &str, policy: Value) -> Value {
    let response = create(emulator, name, json!({ "policy": policy })).await;
    assert_eq!(response.status(), 202, "{}", response.text());
    let certificate = get(emulator, &format!("/certificates/{name}")).await;
    assert_eq!(certificate["attributes"]["enabled"], true, "{certificate}");
    certificate
}

/// Returns the version at the end of an identifier.
fn version(object: &Value) -> String {
    object["id"].as_str().unwrap().rsplit('/').next().unwrap().to_owned()
}

/// Runs `openssl` with a file in a directory of its own as the last argument. Returns its output. `None` without
/// `openssl`, which is an error in CI.
fn openssl(arguments: &[&str], input: &[u8]) -> Option<String> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("input");
    std::fs::write(&path, input).unwrap();
    let output = match std::process::Command::new("openssl").args(arguments).arg(&path).output() {
        Ok(output) => output,
        Err(_) => {
            assert!(std::env::var_os("CI").is_none(), "openssl is not installed");
            eprintln!("SKIPPED: openssl is not installed");
            return None;
        }
    };
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap())
}
