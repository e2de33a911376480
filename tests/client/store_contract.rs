//! `SecretClient` passes the contract suite of a `SecretStore`.

use keyvault::testing::{CONTENT, PAGES, contract};
use keyvault_emulator::{Emulator, SetSecret};
use keyvault_test_support::credential::FakeCredential;
use keyvault_test_support::emulator::client_of;

#[tokio::test]
async fn the_client_passes_the_contract_suite_on_the_emulator() {
    let emulator = Emulator::start().await.unwrap();
    for (name, versions, enabled) in CONTENT {
        for value in versions {
            emulator.set_secret(name, SetSecret::new(*value).enabled(enabled));
        }
    }
    for page in 0..PAGES {
        emulator.set(&format!("contract-page-{page}"), "x");
    }
    let credential = FakeCredential::fixed(emulator.token());
    contract(&client_of(&emulator, &credential).build().unwrap()).await;
    assert_eq!(credential.requests(), 1, "one token is good for all of it");
    assert_eq!(emulator.requests().unauthorized, 0, "it is visible at once");
}
