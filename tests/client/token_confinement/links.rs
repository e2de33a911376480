//! Redirects and links to the next page lead to no other origin.

use futures::TryStreamExt;
use keyvault::ErrorKind;
use keyvault_emulator::{Emulator, Fault};
use keyvault_test_support::CONTOSO;
use keyvault_test_support::canary::assert_value_free;
use keyvault_test_support::credential::FakeCredential;
use keyvault_test_support::transport::{FakeResponse, FakeTransport};

use super::{Scene, TOKEN, VALUE};
#[tokio::test]
async fn without_the_rules_the_attacker_of_these_tests_would_succeed() {
    let scene = Scene::new().await;
    let client = scene.client.with_vault(scene.attacker.vault_url()).unwrap();
    assert_eq!(client.get("a").await.unwrap().expose_secret(), VALUE);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let scene = Scene::new().await;
    let [vault, attacker] = [&*scene.vault, &scene.attacker].map(Emulator::vault_url);
    for location in [
        format!("{attacker}/secrets/a?api-version=2025-07-01"),
        format!("{attacker}/secrets?api-version=2025-07-01"),
        format!("{vault}/secrets/a?api-version=2025-07-01"),
        "/secrets/a?api-version=2025-07-01".to_owned(),
        scene.attacker.http_url().to_owned(),
    ] {
        scene.vault.reset_requests();
        scene.vault.fault_next(2, Fault::Redirect(location.clone()));
        let error = scene.client.get("a").await.unwrap_err();
        assert_eq!((error.kind(), error.http_status()), (ErrorKind::Unavailable, Some(307)), "{location}");
        assert_value_free(&error, &[&location, attacker]);
        let error = scene.client.list().try_collect::<Vec<_>>().await.unwrap_err();
        assert_eq!(error.http_status(), Some(307), "{location}");
        assert_eq!(scene.vault.requests().total, 2, "{location}");
    }
    scene.assert_attacker_was_not_asked("by a redirect");
}

#[tokio::test]
async fn a_next_page_at_another_origin_is_not_requested() {
    let scene = Scene::new().await;
    let [vault, attacker] = [&*scene.vault, &scene.attacker].map(|emulator| authority(emulator.vault_url()));
    let port = attacker.rsplit_once(':').unwrap().1;
    for link in [
        format!("https://{attacker}/secrets?api-version=2025-07-01"),
        format!("https://{vault}@{attacker}/secrets?api-version=2025-07-01"),
        format!("https://{attacker}\\@{vault}/secrets?api-version=2025-07-01"),
        format!("https://user:pass@{vault}/secrets?api-version=2025-07-01"),
        format!("https://localhost:{port}/secrets?api-version=2025-07-01"),
        format!("//{attacker}/secrets?api-version=2025-07-01"),
        format!("http://{vault}/secrets?api-version=2025-07-01"),
        format!("{}/secrets?api-version=2025-07-01", scene.attacker.http_url()),
        format!("{}/secrets?api-version=2025-07-01", scene.vault.http_url()),
        "/secrets?api-version=2025-07-01&x".to_owned(),
        "file:///etc/passwd".to_owned(),
        "not a link".to_owned(),
    ] {
        scene.vault.reset_requests();
        scene.vault.fault_next(2, Fault::NextLink(link.clone()));
        let lists = [scene.client.list(), scene.client.list_versions("a")];
        for list in lists {
            let error = list.try_collect::<Vec<_>>().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{link}");
            assert_value_free(&error, &[&link, &attacker]);
        }
        assert_eq!(scene.vault.request_log().len(), 2, "one page each: {link}");
        scene.assert_attacker_was_not_asked(&link);
    }
}

#[tokio::test]
async fn a_next_page_at_a_look_alike_of_a_vault_is_not_requested() {
    for link in [
        "https://contoso.vault.azure.net.evil.example/secrets?x",
        "https://contoso.vault.azure.net@evil.example/secrets?x",
        "https://evil.example\\@contoso.vault.azure.net/secrets?x",
        "https://evil.example#@contoso.vault.azure.net/secrets?x",
        "https://contoso.vault.azure.net./secrets?x",
        "https://contoso.vault.azure.net:8443/secrets?x",
        "https://contoso.vault.azure.net%2eevil.example/secrets?x",
        "https://contoso.vault\u{3002}azure.net/secrets?x",
        "https://\u{441}ontoso.vault.azure.net/secrets?x",
        "https://fabrikam.vault.azure.net/secrets?x",
        "https://contoso.vault.azure.cn/secrets?x",
        "https://contoso-vault.azure.net/secrets?x",
        "https://vault.azure.net/secrets?x",
        "https://10.0.0.4/secrets?x",
        "http://contoso.vault.azure.net/secrets?x",
        "ftp://contoso.vault.azure.net/secrets?x",
    ] {
        let page = FakeResponse::new(200, format!(r#"{{"value":[],"nextLink":{}}}"#, quoted(link)));
        let wire = FakeTransport::scripted(move |_| Ok(page.clone()));
        let client = wire.client(&FakeCredential::fixed(TOKEN)).build().unwrap();
        let error = client.list().try_collect::<Vec<_>>().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{link}");
        assert_value_free(&error, &["evil", TOKEN]);
        assert_eq!(origins(&wire), [CONTOSO], "{link}");
    }
}

/// Returns the distinct origins of the requests.
fn origins(wire: &FakeTransport) -> Vec<String> {
    let mut origins: Vec<String> = wire.sent().iter().map(|sent| sent.origin()).collect();
    origins.dedup();
    origins
}

fn authority(url: &str) -> String {
    url.split_once("://").unwrap().1.to_owned()
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\"))
}
