//! A vault receives tokens for itself only.

use std::sync::Arc;

use azure_core::credentials::TokenCredential;
use keyvault::{ErrorKind, Resolver, SecretClient};
use keyvault_emulator::{Emulator, Fault};
use keyvault_test_support::CONTOSO;
use keyvault_test_support::canary::assert_value_free;
use keyvault_test_support::credential::FakeCredential;
use keyvault_test_support::emulator::transport_to;
use keyvault_test_support::transport::{FakeResponse, FakeTransport};

use super::VALUE;
#[tokio::test]
async fn a_challenge_for_another_resource_gets_no_token_at_any_time() {
    for header in [
        r#"Bearer authorization="https://login.microsoftonline.com/t", resource="https://management.azure.com""#,
        r#"Bearer authorization="https://login.microsoftonline.com/t", scope="https://graph.microsoft.com/.default""#,
        r#"Bearer resource="https://vault.azure.net", scope="https://graph.microsoft.com/.default""#,
        r#"Bearer scope="https://vault.azure.net/.default", resource="https://management.azure.com""#,
        r#"Bearer resource="https://vault.azure.net.evil.example""#,
        r#"Bearer resource="https://evil.example/vault.azure.net""#,
        r#"Bearer resource="https://vault.azure.net@evil.example""#,
        r#"Bearer resource="https://contoso.vault.azure.net""#,
        r#"Bearer resource="https://vault.azure.cn""#,
        r#"Bearer resource="http://vault.azure.net""#,
        r#"Bearer resource="https://azure.net""#,
        r#"Bearer resource="""#,
        r#"bearer ReSource=https://management.azure.com"#,
    ] {
        for call in [1, 2, 100] {
            let emulator = Arc::new(Emulator::start().await.unwrap());
            emulator.vault("contoso").set("a", VALUE);
            let credential = FakeCredential::fresh(&emulator);
            let client = transport_to(&emulator).client(&credential).build().unwrap();
            for _ in 1..call {
                client.get("a").await.unwrap();
            }
            emulator.reset_requests();
            emulator.fault_next(1, Fault::Challenge(header.to_owned()));
            let error = client.get("a").await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Denied, "{header}, call {call}");
            assert_value_free(&error, &["evil", "graph.microsoft", "management.azure"]);
            assert_eq!(emulator.requests().total, 1, "nothing is sent after it: {header}, call {call}");
            client.get("a").await.unwrap();
            assert_eq!(credential.scopes(), ["https://vault.azure.net/.default"], "{header}, call {call}");
        }
    }
}

#[tokio::test]
async fn an_allowed_origin_may_request_tokens_for_itself_only() {
    let named = "https://vault.contoso.example:8443";
    for (resource, allowed) in [
        ("https://vault.azure.net", true),
        (named, true),
        ("https://vault.contoso.example", true),
        ("https://vault.contoso.example:9999", false),
        ("https://contoso.example", false),
        ("https://other.contoso.example:8443", false),
        ("https://vault.contoso.example:8443/elsewhere", false),
        ("https://user@vault.contoso.example:8443", false),
        ("http://vault.contoso.example:8443", false),
        ("https://management.azure.com", false),
    ] {
        let emulator = Arc::new(Emulator::start().await.unwrap());
        emulator.set("a", VALUE);
        emulator.fault_next(1, Fault::Challenge(format!(r#"Bearer resource="{resource}""#)));
        let credential = FakeCredential::fresh(&emulator);
        let client = SecretClient::builder(named)
            .credential(Arc::clone(&credential) as Arc<dyn TokenCredential>)
            .client_options(transport_to(&emulator).options())
            .build()
            .unwrap();
        let secret = client.get("a").await;
        assert_eq!(secret.is_ok(), allowed, "{resource}");
        let expected = if allowed { format!("{resource}/.default") } else { "https://vault.azure.net/.default".into() };
        assert_eq!(credential.scopes().last(), Some(&expected), "{resource}");
        assert_eq!(credential.requests(), if allowed { 2 } else { 1 }, "{resource}");
    }
}

#[tokio::test]
async fn a_token_goes_to_one_vault_of_a_resolver_only_in_its_own_requests() {
    let wire = FakeTransport::scripted(|sent| {
        let id = format!("{}{}0af1", sent.origin(), sent.url.path());
        Ok(FakeResponse::new(200, format!(r#"{{"value":"{VALUE}","id":"{id}"}}"#)))
    });
    let contoso = wire.client(&FakeCredential::fixed("token-of-contoso")).build().unwrap();
    let shared = SecretClient::builder("https://shared.vault.azure.net")
        .credential(FakeCredential::fixed("token-of-shared") as Arc<dyn TokenCredential>)
        .client_options(wire.options())
        .build()
        .unwrap();
    let resolver = Resolver::builder(contoso).vault(shared).build().unwrap();
    let text = "@KeyVault(SecretName=a)@KeyVault(VaultName=shared;SecretName=a)";
    assert_eq!(resolver.resolve(text).await.unwrap().unwrap().expose_secret(), format!("{VALUE}{VALUE}"));
    assert_eq!(wire.sent().len(), 2);
    for sent in wire.sent() {
        let expected = if sent.origin() == CONTOSO { "Bearer token-of-contoso" } else { "Bearer token-of-shared" };
        assert_eq!(sent.header("authorization"), Some(expected), "{sent:?}");
    }
}
