//! The ready credential of the Azure SDK.

use azure_core::credentials::TokenCredential as _;
use keyvault_emulator::Emulator;

use crate::client;

#[tokio::test]
async fn the_ready_credential_issues_accepted_tokens_even_after_a_revocation() {
    let emulator = Emulator::start().await.unwrap();
    emulator.set("a", "1");
    let credential = emulator.credential();
    let status = async |scope: &str| {
        let token = credential.get_token(&[scope], None).await.unwrap();
        let url = format!("{}/secrets/a?api-version=7.4", emulator.vault_url());
        let response = client(&emulator).get(url).bearer_auth(token.token.secret()).send().await.unwrap();
        response.status().as_u16()
    };
    assert_eq!(status("https://vault.azure.net/.default").await, 200);
    assert_eq!(status("https://management.azure.com/.default").await, 401);
    emulator.revoke_tokens();
    assert_eq!(status("https://vault.azure.net/.default").await, 200);
    assert_eq!(emulator.requests().token, 0);
    assert_eq!(format!("{credential:?}"), "EmulatorCredential { .. }");
}
