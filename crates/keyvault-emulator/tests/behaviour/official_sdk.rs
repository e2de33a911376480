//! The official Rust SDK, unchanged, with its own credentials.

use std::collections::HashMap;
use std::sync::Arc;

use azure_core::cloud::CustomConfiguration;
use azure_core::credentials::{Secret, TokenCredential};
use azure_core::http::{ClientOptions, StatusCode, Transport};
use azure_identity::{ClientSecretCredential, ClientSecretCredentialOptions, ManagedIdentityCredential};
use azure_security_keyvault_secrets::models::{
    RestoreSecretParameters, SetSecretParameters, UpdateSecretPropertiesParameters,
};
use azure_security_keyvault_secrets::{ResourceExt, SecretClient, SecretClientOptions};
use futures::TryStreamExt;
use keyvault_emulator::Emulator;

fn options(emulator: &Emulator) -> ClientOptions {
    let transport = Transport::new(Arc::new(crate::client(emulator)));
    ClientOptions { transport: Some(transport), ..ClientOptions::default() }
}

fn credential(emulator: &Emulator, secret: &str) -> Arc<dyn TokenCredential> {
    let mut cloud = CustomConfiguration::default();
    cloud.authority_host = emulator.authority_url().to_owned();
    let client_options = ClientOptions { cloud: Some(Arc::new(cloud.into())), ..options(emulator) };
    ClientSecretCredential::new(
        emulator.tenant_id(),
        emulator.client_id().to_owned(),
        Secret::new(secret.to_owned()),
        Some(ClientSecretCredentialOptions { client_options }),
    )
    .unwrap()
}

fn secret_client(emulator: &Emulator, secret: &str) -> SecretClient {
    let options = SecretClientOptions {
        client_options: options(emulator),
        verify_challenge_resource: Some(false),
        ..SecretClientOptions::default()
    };
    SecretClient::new(emulator.vault_url(), credential(emulator, secret), Some(options)).unwrap()
}

#[tokio::test]
async fn a_secret_passes_through_its_whole_life_cycle() {
    let emulator = Emulator::start().await.unwrap();
    let client = secret_client(&emulator, emulator.client_secret());

    let body = SetSecretParameters {
        value: Some("hunter2".to_owned()),
        content_type: Some("text/plain".to_owned()),
        tags: Some(HashMap::from([("k".to_owned(), "v".to_owned())])),
        ..SetSecretParameters::default()
    };
    let set = client.set_secret("db-password", body.try_into().unwrap(), None).await.unwrap().into_model().unwrap();
    let got = client.get_secret("db-password", None).await.unwrap().into_model().unwrap();
    assert_eq!(got.value.as_deref(), Some("hunter2"));
    assert_eq!(got.resource_id().unwrap().version, set.resource_id().unwrap().version);
    assert_eq!(got.tags.unwrap()["k"], "v");
    let attributes = got.attributes.unwrap();
    assert_eq!((attributes.enabled, attributes.recoverable_days), (Some(true), Some(90)));

    let body = UpdateSecretPropertiesParameters {
        content_type: Some("application/json".to_owned()),
        ..UpdateSecretPropertiesParameters::default()
    };
    let updated = client.update_secret_properties("db-password", body.try_into().unwrap(), None).await.unwrap();
    assert_eq!(updated.into_model().unwrap().content_type.as_deref(), Some("application/json"));

    let backup = client.backup_secret("db-password", None).await.unwrap().into_model().unwrap();
    let deleted = client.delete_secret("db-password", None).await.unwrap().into_model().unwrap();
    assert_eq!(deleted.resource_id().unwrap().name, "db-password");
    assert!(deleted.scheduled_purge_date > deleted.deleted_date && deleted.value.is_none());
    client.recover_deleted_secret("db-password", None).await.unwrap();
    client.delete_secret("db-password", None).await.unwrap();
    assert!(client.get_deleted_secret("db-password", None).await.is_ok());
    client.purge_deleted_secret("db-password", None).await.unwrap();

    let body = RestoreSecretParameters { secret_backup: backup.value };
    client.restore_secret(body.try_into().unwrap(), None).await.unwrap();
    let got = client.get_secret("db-password", None).await.unwrap().into_model().unwrap();
    assert_eq!(got.value.as_deref(), Some("hunter2"));

    let requests = emulator.requests();
    assert_eq!((requests.unauthorized, requests.token), (1, 1), "one challenge, one token: {requests:?}");
}

#[tokio::test]
async fn lists_of_several_pages_arrive_complete() {
    let emulator = Emulator::start().await.unwrap();
    let client = secret_client(&emulator, emulator.client_secret());
    for n in 0..60 {
        emulator.set(&format!("s{n:02}"), "1");
    }
    let version = emulator.set("s00", "2");
    let listed: Vec<_> = client.list_secret_properties(None).unwrap().try_collect().await.unwrap();
    let names: Vec<String> = listed.iter().map(|item| item.resource_id().unwrap().name).collect();
    assert_eq!(names, (0..60).map(|n| format!("s{n:02}")).collect::<Vec<_>>());
    assert_eq!(emulator.requests().list, 3);

    let listed: Vec<_> = client.list_secret_properties_versions("s00", None).unwrap().try_collect().await.unwrap();
    let versions: Vec<_> = listed.iter().filter_map(|item| item.resource_id().unwrap().version).collect();
    assert!(versions.len() == 2 && versions.contains(&version), "{versions:?}");

    emulator.delete("s01");
    let deleted: Vec<_> = client.list_deleted_secret_properties(None).unwrap().try_collect().await.unwrap();
    assert_eq!(deleted[0].resource_id().unwrap().name, "s01");
}

#[tokio::test]
async fn errors_have_the_status_that_the_client_expects() {
    let emulator = Emulator::start().await.unwrap();
    let client = secret_client(&emulator, emulator.client_secret());
    let error = client.get_secret("none", None).await.unwrap_err();
    assert_eq!(error.http_status(), Some(StatusCode::NotFound));
    emulator.set("off", "1");
    emulator.set_enabled("off", None, false);
    let error = client.get_secret("off", None).await.unwrap_err();
    assert_eq!(error.http_status(), Some(StatusCode::Forbidden));

    let client = secret_client(&emulator, "wrong");
    let error = client.get_secret("none", None).await.unwrap_err();
    assert!(format!("{error:?}").contains("AADSTS7000215"), "{error:?}");
}

#[tokio::test]
async fn a_revoked_token_gets_a_401_with_a_challenge() {
    let emulator = Emulator::start().await.unwrap();
    let client = secret_client(&emulator, emulator.client_secret());
    emulator.set("a", "1");
    client.get_secret("a", None).await.unwrap();
    emulator.revoke_tokens();
    // The client may recover or not. The test only requires the 401.
    let _ = client.get_secret("a", None).await;
    assert!(emulator.requests().unauthorized >= 2, "{:?}", emulator.requests());
}

#[tokio::test]
async fn the_managed_identity_credential_finds_its_endpoint() {
    let emulator = Emulator::start().await.unwrap();
    emulator.set("a", "hunter2");
    let directory = tempfile::tempdir().unwrap();
    let ca = directory.path().join("ca.pem");
    emulator.write_ca(&ca).unwrap();
    // The credential reads the environment, so it runs in its own process.
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    child
        .args(["--exact", "--ignored", "official_sdk::read_as_a_managed_identity"])
        .env("IDENTITY_ENDPOINT", emulator.identity_endpoint())
        .env("IDENTITY_HEADER", emulator.identity_header())
        .env("EMULATOR_URL", emulator.vault_url())
        .env("EMULATOR_CA", &ca);
    let output = tokio::task::spawn_blocking(move || child.output()).await.unwrap().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let requests = emulator.requests();
    assert_eq!((requests.get, requests.unauthorized, requests.token), (1, 1, 1), "{requests:?}");
}

#[tokio::test]
#[ignore = "needs the environment that the_managed_identity_credential_finds_its_endpoint sets"]
async fn read_as_a_managed_identity() {
    let variable = |name: &str| std::env::var(name).unwrap();
    let ca = std::fs::read(variable("EMULATOR_CA")).unwrap();
    let client = crate::trusting(&ca);
    let options = SecretClientOptions {
        client_options: ClientOptions {
            transport: Some(Transport::new(Arc::new(client.build().unwrap()))),
            ..ClientOptions::default()
        },
        verify_challenge_resource: Some(false),
        ..SecretClientOptions::default()
    };
    let credential = ManagedIdentityCredential::new(None).unwrap();
    let client = SecretClient::new(&variable("EMULATOR_URL"), credential, Some(options)).unwrap();
    let secret = client.get_secret("a", None).await.unwrap().into_model().unwrap();
    assert_eq!(secret.value.as_deref(), Some("hunter2"));
}
