//! A vault that contains canaries, and its clients.

use std::sync::Arc;
use std::time::Duration;

use keyvault::SecretClient;
use keyvault::client::SecretClientBuilder;
use keyvault_emulator::{Emulator, SetSecret};
use keyvault_test_support::canary::Canary;
use keyvault_test_support::credential::FakeCredential;
use keyvault_test_support::emulator::client_of;

use super::scan::Scan;

/// An emulator on sockets, so that the log covers the whole client: HTTP/2, TLS, the pipeline of the SDK.
pub(super) struct CanaryVault {
    pub(super) emulator: Arc<Emulator>,
    pub(super) credential: Arc<FakeCredential>,
}

impl CanaryVault {
    /// Creates a vault with the secrets `password` and `json`. The token of its clients is a canary.
    pub(super) async fn of(scan: &Scan) -> Self {
        let emulator = Arc::new(Emulator::builder().accept_any_token().page_size(2).start().await.unwrap());
        for vault in ["", "contoso"] {
            let vault = emulator.vault(vault);
            vault.set("password", scan.secret.text());
            vault.set_secret("json", SetSecret::new(json(&scan.secret)).content_type("application/json"));
            vault.set("other", scan.secret.text());
        }
        Self { emulator, credential: FakeCredential::fixed(scan.token.text()) }
    }

    pub(super) fn client(&self) -> SecretClientBuilder {
        client_of(&self.emulator, &self.credential)
    }

    /// Returns a client with a short timeout, for faults that hang.
    pub(super) fn impatient(&self) -> SecretClient {
        self.client().timeout(Duration::from_millis(400)).build().unwrap()
    }
}

/// Returns JSON with the canary as a member, an element and a nested member.
pub(super) fn json(secret: &Canary) -> String {
    let text = secret.text();
    serde_json::json!({ "user": text, "hosts": [text], "tls": { "key": text, "port": 443 } }).to_string()
}
