//! Names, vaults and references that lead elsewhere are refused without a request.

use std::sync::Arc;

use azure_core::credentials::TokenCredential;
use futures::TryStreamExt;
use keyvault::{ErrorKind, Resolver, SecretClient, SecretId, SecretStore};
use keyvault_test_support::canary::assert_value_free;
use keyvault_test_support::credential::FakeCredential;
use keyvault_test_support::transport::{FakeResponse, FakeTransport};

use super::TOKEN;
#[tokio::test]
async fn a_name_that_could_change_the_url_is_refused_without_a_request() {
    let wire = FakeTransport::scripted(|_| Ok(FakeResponse::new(200, "{}")));
    let credential = FakeCredential::fixed(TOKEN);
    let client = wire.client(&credential).build().unwrap();
    let long = "a".repeat(128);
    for name in [
        "",
        ".",
        "..",
        "../keys/k",
        "a/b",
        "/a",
        "a/",
        "a/../../keys/k",
        "a\\b",
        "a?x",
        "a#x",
        "a%2fb",
        "%2e%2e",
        "a b",
        "a_b",
        "a.b",
        "a@b",
        "a:b",
        "ä",
        "a\0",
        "canary\r\nx: y",
        &long,
    ] {
        let errors = [
            client.get(name).await.unwrap_err(),
            client.get_version(name, "0af1").await.unwrap_err(),
            client.list_versions(name).try_collect::<Vec<_>>().await.unwrap_err(),
        ];
        assert!(errors.iter().all(|error| error.kind() == ErrorKind::Invalid), "{name:?}: {errors:?}");
        // A URL with an empty version would request the latest.
        let error = client.get_version("a", name).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{name:?}");
        for error in errors.iter().chain([&error]) {
            // The usual malformed input is a pasted secret.
            assert_value_free(error, &["canary"]);
        }
    }
    assert_eq!((wire.sent().len(), credential.requests()), (0, 0));
}

#[tokio::test]
async fn a_client_for_a_look_alike_of_a_vault_is_refused() {
    let wire = FakeTransport::scripted(|_| Ok(FakeResponse::new(200, "{}")));
    let credential = FakeCredential::fixed(TOKEN);
    let client = wire.client(&credential).build().unwrap();
    for url in [
        "",
        "contoso/",
        "contoso.vault.azure.net.evil.example",
        "contoso.vault.azure.net@evil.example",
        "evil.example\\@contoso.vault.azure.net",
        "contoso.vault.azure.net:8443",
        "contoso.vault.azure.net/secrets",
        "evil.example",
        "http://contoso.vault.azure.net",
        "ftp://contoso.vault.azure.net",
        "https://",
        "https://contoso.vault.azure.net.evil.example",
        "https://contoso.vault.azure.net@evil.example",
        "https://user:hunter2@contoso.vault.azure.net",
        "https://@contoso.vault.azure.net",
        "https://evil.example\\@contoso.vault.azure.net",
        "https://contoso.vault.azure.net.",
        "https://contoso.vault.azure.net:8443",
        "https://contoso.vault.azure.net%2eevil.example",
        "https://contoso.vault\u{3002}azure.net",
        "https://vault.azure.net",
        "https://a.b.vault.azure.net",
        "https://evilvault.azure.net",
        "https://contoso.vault.azure.net/secrets",
        "https://contoso.vault.azure.net?x",
        "https://contoso.vault.azure.net#x",
    ] {
        let built = SecretClient::builder(url)
            .credential(Arc::clone(&credential) as Arc<dyn TokenCredential>)
            .client_options(wire.options())
            .build();
        let error = built.expect_err(url);
        assert_eq!(error.kind(), ErrorKind::Invalid, "{url}");
        assert_value_free(&error, &["evil", "hunter2"]);
        let error = client.with_vault(url).expect_err(url);
        assert_eq!(error.kind(), ErrorKind::Invalid, "{url}");
    }
    assert_eq!((wire.sent().len(), credential.requests()), (0, 0));
}

#[tokio::test]
async fn a_store_receives_no_request_for_the_secret_of_another_vault() {
    let wire = FakeTransport::scripted(|_| Ok(FakeResponse::new(200, "{}")));
    let client = wire.client(&FakeCredential::fixed(TOKEN)).build().unwrap();
    let id = SecretId::parse("https://fabrikam.vault.azure.net/secrets/a").unwrap();
    let error = SecretStore::get(&client, &id).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert_eq!(wire.sent().len(), 0);
}

#[tokio::test]
async fn a_reference_to_a_vault_that_is_not_allowed_is_refused_without_a_request() {
    let wire = FakeTransport::scripted(|_| Ok(FakeResponse::new(200, "{}")));
    let credential = FakeCredential::fixed(TOKEN);
    let contoso = wire.client(&credential).build().unwrap();
    let shared = contoso.with_vault("https://shared.vault.azure.net").unwrap();
    let resolver = Resolver::builder(contoso).vault(shared).build().unwrap();
    use ErrorKind::{Denied, Invalid};
    for (parameters, expected) in [
        ("SecretUri=https://fabrikam.vault.azure.net/secrets/a", Denied),
        ("SecretUri=https://contoso.vault.azure.cn/secrets/a", Denied),
        ("SecretUri=https://evil.example/secrets/a", Denied),
        ("SecretUri=https://127.0.0.1/secrets/a", Denied),
        ("SecretUri=https://[::1]:8443/secrets/a", Denied),
        ("SecretUri=https://169.254.169.254/secrets/a", Denied),
        ("SecretUri=https://localhost:8443/secrets/a", Denied),
        ("VaultName=fabrikam;SecretName=a", Denied),
        ("VaultName=contos;SecretName=a", Denied),
        ("SecretUri=https://contoso.vault.azure.net.evil.example/secrets/a", Invalid),
        ("SecretUri=https://contoso.vault.azure.net@evil.example/secrets/a", Invalid),
        ("SecretUri=https://evil.example\\@contoso.vault.azure.net/secrets/a", Invalid),
        ("SecretUri=https://user:pass@contoso.vault.azure.net/secrets/a", Invalid),
        ("SecretUri=https://contoso.vault.azure.net:8443/secrets/a", Invalid),
        ("SecretUri=https://contoso.vault.azure.net./secrets/a", Invalid),
        ("SecretUri=https://a.contoso.vault.azure.net/secrets/a", Invalid),
        ("SecretUri=http://contoso.vault.azure.net/secrets/a", Invalid),
        ("SecretUri=https://contoso.vault.azure.net/secrets/../keys/a", Invalid),
        ("VaultName=evil.example/;SecretName=a", Invalid),
        ("VaultName=contoso.vault.azure.net.evil.example;SecretName=a", Invalid),
        ("VaultName=evil.example#;SecretName=a", Invalid),
    ] {
        for text in [format!("@Microsoft.KeyVault({parameters})"), format!("x=@KeyVault({parameters});Optional=true")] {
            let error = resolver.resolve(&text).await.expect_err(&text);
            assert_eq!(error.kind(), expected, "{text}: {error:?}");
        }
        let optional = format!("@KeyVault({parameters};Optional=true)");
        assert!(resolver.resolve(&optional).await.is_err(), "optional means missing, not forbidden: {optional}");
    }
    assert_eq!((wire.sent().len(), credential.requests()), (0, 0));
}
