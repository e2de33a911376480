//! A response is used only if it belongs to the request.

use futures::TryStreamExt;
use keyvault::ErrorKind;
use keyvault_emulator::Fault;
use keyvault_test_support::CONTOSO;
use keyvault_test_support::canary::assert_value_free;
use keyvault_test_support::credential::FakeCredential;
use keyvault_test_support::transport::{FakeResponse, FakeTransport};

use super::{Scene, TOKEN, VALUE};
#[tokio::test]
async fn a_response_with_another_secret_is_refused() {
    let scene = Scene::new().await;
    let version = version_of(&scene.vault.set("a", VALUE));
    scene.vault.fault(Fault::WrongId);
    for error in [scene.client.get("a").await.unwrap_err(), scene.client.get_version("a", &version).await.unwrap_err()]
    {
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert_eq!(error.secret().unwrap().name().as_str(), "a");
        assert_value_free(&error, &[VALUE, "another-secret"]);
    }
    for id in [
        "https://contoso.vault.azure.net/secrets/b/0af1",
        "https://contoso.vault.azure.net/secrets/a",
        "https://fabrikam.vault.azure.net/secrets/a/0af1",
        "https://contoso.vault.azure.net.evil.example/secrets/a/0af1",
        "https://contoso.vault.azure.net/keys/a/0af1",
        "http://contoso.vault.azure.net/secrets/a/0af1",
        "a/0af1",
    ] {
        let answer = FakeResponse::new(200, format!(r#"{{"value":"{VALUE}","id":"{id}"}}"#));
        let wire = FakeTransport::scripted(move |_| Ok(answer.clone()));
        let client = wire.client(&FakeCredential::fixed(TOKEN)).build().unwrap();
        for error in [client.get("a").await.expect_err(id), client.get_version("a", VERSION).await.expect_err(id)] {
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{id}");
            assert_value_free(&error, &[VALUE, "evil"]);
        }
    }
}

#[tokio::test]
async fn a_response_with_another_version_than_the_requested_one_is_refused() {
    let answer = FakeResponse::new(200, format!(r#"{{"value":"{VALUE}","id":"{CONTOSO}/secrets/a/{VERSION}"}}"#));
    let wire = FakeTransport::scripted(move |_| Ok(answer.clone()));
    let client = wire.client(&FakeCredential::fixed(TOKEN)).build().unwrap();
    assert_eq!(client.get("a").await.unwrap().id().version().unwrap().to_string(), VERSION);
    assert!(client.get_version("a", VERSION).await.is_ok());
    let error = client.get_version("a", &VERSION.replace('1', "2")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_value_free(&error, &[VALUE]);
}

#[tokio::test]
async fn a_list_with_items_other_than_secrets_of_the_vault_is_refused() {
    for id in [
        "https://fabrikam.vault.azure.net/secrets/a",
        "https://contoso.vault.azure.net.evil.example/secrets/a",
        "https://contoso.vault.azure.net/keys/a",
        "https://contoso.vault.azure.net/secrets/../keys/a",
        "https://contoso.vault.azure.net/secrets/a?x",
        "a",
        "",
    ] {
        let answer = FakeResponse::new(200, format!(r#"{{"value":[{{"id":"{id}"}}],"nextLink":null}}"#));
        let wire = FakeTransport::scripted(move |_| Ok(answer.clone()));
        let client = wire.client(&FakeCredential::fixed(TOKEN)).build().unwrap();
        let error = client.list().try_collect::<Vec<_>>().await.expect_err(id);
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{id}");
        assert_value_free(&error, &["evil", "fabrikam"]);
    }
}

/// Returns the version of an identifier.
fn version_of(id: &str) -> String {
    id.rsplit('/').next().unwrap().to_owned()
}

/// A version as the vaults of Azure name them: any other is refused without a request.
const VERSION: &str = "0af1c2d3e4f5061728394a5b6c7d8e9f";
