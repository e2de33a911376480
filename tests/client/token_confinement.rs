//! No request with a token leaves the vault, and look-alike vaults are refused.

use std::sync::Arc;

use azure_core::credentials::TokenCredential;
use futures::TryStreamExt;
use keyvault::{ErrorKind, Resolver, SecretClient, SecretId, SecretStore};
use keyvault_emulator::{Emulator, Fault};
use keyvault_test_support::CONTOSO;
use keyvault_test_support::canary::assert_value_free;
use keyvault_test_support::credential::FakeCredential;
use keyvault_test_support::emulator::{client_of, transport_to};
use keyvault_test_support::transport::{FakeResponse, FakeTransport};

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
        for error in [client.get("a").await.expect_err(id), client.get_version("a", "0af1").await.expect_err(id)] {
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{id}");
            assert_value_free(&error, &[VALUE, "evil"]);
        }
    }
}

#[tokio::test]
async fn a_response_with_another_version_than_the_requested_one_is_refused() {
    let answer = FakeResponse::new(200, format!(r#"{{"value":"{VALUE}","id":"{CONTOSO}/secrets/a/0af1"}}"#));
    let wire = FakeTransport::scripted(move |_| Ok(answer.clone()));
    let client = wire.client(&FakeCredential::fixed(TOKEN)).build().unwrap();
    assert_eq!(client.get("a").await.unwrap().id().version().unwrap().to_string(), "0af1");
    assert!(client.get_version("a", "0af1").await.is_ok());
    let error = client.get_version("a", "0af2").await.unwrap_err();
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
        "contoso",
        "contoso.vault.azure.net",
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

/// Removes the version of an identifier. `None` if the text is anything else.
fn version_of(id: &str) -> String {
    id.rsplit('/').next().unwrap().to_owned()
}

const VALUE: &str = "value-that-stays-inside";
const TOKEN: &str = "token.that-stays.inside";
