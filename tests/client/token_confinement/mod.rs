//! No request with a token leaves the vault, and look-alike vaults are refused.

mod addresses;
mod challenges;
mod links;
mod responses;

use std::sync::Arc;

use keyvault::SecretClient;
use keyvault_emulator::Emulator;
use keyvault_test_support::credential::FakeCredential;
use keyvault_test_support::emulator::client_of;

/// A vault with a client, and an attacker with a trusted certificate: only the rules of the client protect it.
struct Scene {
    vault: Arc<Emulator>,
    attacker: Emulator,
    client: SecretClient,
}

impl Scene {
    async fn new() -> Self {
        let vault = Arc::new(Emulator::start().await.unwrap());
        let attacker = Emulator::builder().accept_any_token().start().await.unwrap();
        for emulator in [&*vault, &attacker] {
            emulator.set("a", VALUE);
        }
        let credential = FakeCredential::fresh(&vault);
        let client = client_of(&vault, &credential).certificate_authority(attacker.ca_pem()).build().unwrap();
        Self { vault, attacker, client }
    }

    fn assert_attacker_was_not_asked(&self, what: &str) {
        assert_eq!(self.attacker.request_log().len(), 0, "{what}");
    }
}

const VALUE: &str = "value-that-stays-inside";
const TOKEN: &str = "token.that-stays.inside";
