//! The default credential finds the identity of its environment.

use std::sync::Arc;
use std::time::{Duration, Instant};

use azure_core::credentials::TokenCredential;
use keyvault::credential::{CredentialStep, DefaultCredential, DefaultCredentialBuilder};
use keyvault::{Error, ErrorKind, SecretClient};
use keyvault_emulator::Emulator;
use keyvault_test_support::canary::assert_free_of;
use keyvault_test_support::emulator::{client_of, tls_options};
use keyvault_test_support::log::Log;
use tempfile::TempDir;

/// Variables of an environment without any identity.
const NOWHERE: [(&str, &str); 2] = [("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:1"), ("PATH", "/nowhere")];

async fn scene() -> Emulator {
    let emulator = Emulator::start().await.unwrap();
    emulator.set("a", "x");
    emulator
}

fn with<'a>(variables: impl IntoIterator<Item = (&'a str, &'a str)>) -> DefaultCredentialBuilder {
    DefaultCredential::builder().variables(NOWHERE.into_iter().chain(variables))
}

fn client(emulator: &Emulator, credential: &Arc<DefaultCredential>) -> SecretClient {
    client_of(emulator, credential).build().unwrap()
}

fn application(emulator: &Emulator) -> [(&str, &str); 4] {
    [
        ("AZURE_TENANT_ID", emulator.tenant_id()),
        ("AZURE_CLIENT_ID", emulator.client_id()),
        ("AZURE_CLIENT_SECRET", emulator.client_secret()),
        ("AZURE_AUTHORITY_HOST", emulator.authority_url()),
    ]
}

/// A temporary folder.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Writes a tool that runs `script`.
    fn tool(&self, name: &str, script: &str) {
        use std::os::unix::fs::PermissionsExt;
        let path = self.write(name, &format!("#!/bin/sh\n{script}\n"));
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn path(&self) -> String {
        format!("{}:/usr/bin:/bin", self.0.path().display())
    }
}

#[tokio::test]
async fn each_step_works_in_its_environment() {
    let emulator = scene().await;
    let (endpoint, header) = (emulator.identity_endpoint(), emulator.identity_header());
    let folder = Folder::new();
    let file = folder.write("token", "assertion");
    let mut federated = application(&emulator);
    federated[2] = ("AZURE_FEDERATED_TOKEN_FILE", &file);
    let token = emulator.token();
    let tools = Folder::new();
    tools.tool("az", &format!(r#"echo '{{"accessToken":"{token}","expires_on":4102444800,"tokenType":"Bearer"}}'"#));
    let developer = Folder::new();
    developer.tool("azd", &format!(r#"echo '{{"token":"{token}","expiresOn":"2100-01-01T00:00:00Z"}}'"#));
    let (tools, developer) = (tools.path(), developer.path());
    for (step, variables) in [
        (CredentialStep::Environment, application(&emulator).to_vec()),
        (CredentialStep::WorkloadIdentity, federated.to_vec()),
        (CredentialStep::ManagedIdentity, vec![("IDENTITY_ENDPOINT", &*endpoint), ("IDENTITY_HEADER", header)]),
        (CredentialStep::ManagedIdentity, vec![("AZURE_POD_IDENTITY_AUTHORITY_HOST", emulator.http_url())]),
        (
            CredentialStep::ManagedIdentity,
            vec![("AZURE_POD_IDENTITY_AUTHORITY_HOST", emulator.http_url()), ("AZURE_CLIENT_ID", emulator.client_id())],
        ),
        (CredentialStep::AzureCli, vec![("PATH", &*tools)]),
        (CredentialStep::AzureDeveloperCli, vec![("PATH", &*developer)]),
    ] {
        let log = Log::begin();
        let credential = with(variables).client_options(tls_options(&emulator)).build().unwrap();
        let client = client(&emulator, &credential);
        for _ in 0..3 {
            assert_eq!(client.get("a").await.unwrap().expose_secret(), "x", "{step}");
        }
        assert_eq!(credential.step().await, Some(step));
        let text = log.text();
        assert_eq!(text.matches("credential found").count(), 1, "{step} is logged once: {text}");
        assert!(text.contains(&format!("step={step}")), "{text}");
        assert_free_of(&text, &[emulator.client_secret(), emulator.identity_header(), &token[..40]]);
    }
}

#[tokio::test]
async fn outside_azure_one_report_explains_why_no_step_applies() {
    let begun = Instant::now();
    let error = token_error(&with([]).build().unwrap()).await;
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert_eq!(error.kind(), ErrorKind::Denied);
    let report = error.report();
    for line in [
        "environment: AZURE_CLIENT_SECRET is not set",
        "workload identity: AZURE_FEDERATED_TOKEN_FILE is not set",
        "managed identity: no metadata service answers within a second",
        "Azure CLI: az is not on the PATH",
        "Azure Developer CLI: azd is not on the PATH",
        "help: ",
    ] {
        assert!(report.contains(line), "{line}: {report}");
    }
}

#[tokio::test]
async fn a_metadata_service_that_hangs_costs_a_second_and_one_of_another_cloud_none() {
    let deaf = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = format!("http://{}", deaf.local_addr().unwrap());
    let begun = Instant::now();
    let credential = with([("AZURE_POD_IDENTITY_AUTHORITY_HOST", &*host)]).build().unwrap();
    let error = token_error(&credential).await;
    assert!((1..5).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
    assert!(error.report().contains("no metadata service answers within a second"), "{error:?}");

    let emulator = scene().await;
    let elsewhere = format!("{}/elsewhere", emulator.http_url());
    let credential = with([("AZURE_POD_IDENTITY_AUTHORITY_HOST", &*elsewhere)]).build().unwrap();
    assert!(token_error(&credential).await.report().contains("is not Azure's"));
}

#[tokio::test]
async fn a_hanging_tool_delays_the_credential_less_than_ten_seconds() {
    let folder = Folder::new();
    for tool in ["az", "azd"] {
        folder.tool(tool, "exec sleep 12");
    }
    let path = folder.path();
    let credential = with([("PATH", &*path)]).build().unwrap();
    let begun = Instant::now();
    let error = credential.get_token(&["https://vault.azure.net/.default"], None).await.unwrap_err();
    assert!((5..10).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
    let report = std::error::Error::source(&error).unwrap().downcast_ref::<Error>().unwrap().report();
    for tool in ["az", "azd"] {
        assert!(report.contains(&format!("{tool} gave no token within 7 seconds")), "{report}");
    }
}

#[tokio::test]
async fn a_configured_step_that_fails_ends_the_chain() {
    let emulator = scene().await;
    let mut wrong = application(&emulator).to_vec();
    wrong[2] = ("AZURE_CLIENT_SECRET", "canary");
    wrong.push(("AZURE_POD_IDENTITY_AUTHORITY_HOST", emulator.http_url()));
    let credential = with(wrong).client_options(tls_options(&emulator)).build().unwrap();
    let error = client(&emulator, &credential).get("a").await.unwrap_err();
    assert!(error.report().contains("AADSTS7000215"), "{error:?}");
    assert!(!error.report().contains("canary"), "{error:?}");

    let endpoint = emulator.identity_endpoint();
    let wrong = [("IDENTITY_ENDPOINT", &*endpoint), ("IDENTITY_HEADER", "wrong")];
    let error = client(&emulator, &with(wrong).build().unwrap()).get("a").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied, "{error:?}");

    let folder = Folder::new();
    folder.tool("az", "echo canary >&2; exit 1");
    let path = folder.path();
    let error = token_error(&with([("PATH", &*path)]).build().unwrap()).await;
    assert!(error.report().contains("az gave no token: run `az login`"), "{error:?}");
    assert!(!error.report().contains("canary"), "{error:?}");
}

#[test]
fn a_partial_set_of_variables_is_an_error_and_a_chosen_step_checks_only_its_own() {
    let partial = [("AZURE_TENANT_ID", "t"), ("AZURE_CLIENT_ID", "c")];
    let error = with(partial).build().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.to_string().contains("AZURE_CLIENT_SECRET"), "{error}");
    assert!(with(partial).steps([CredentialStep::AzureCli]).build().is_ok());
    assert!(with([]).steps([]).build().is_err());
}

#[tokio::test]
async fn a_revoked_token_is_replaced_though_the_credential_keeps_it() {
    let emulator = scene().await;
    let variables = application(&emulator);
    let credential = with(variables).client_options(tls_options(&emulator)).build().unwrap();
    let client = client(&emulator, &credential);
    client.get("a").await.unwrap();
    emulator.revoke_tokens();
    assert_eq!(client.get("a").await.unwrap().expose_secret(), "x");
    assert_eq!((emulator.requests().token, emulator.requests().unauthorized), (2, 1));
}

/// Requests a secret through a client, and returns the error.
async fn token_error(credential: &Arc<DefaultCredential>) -> Error {
    let direct = credential.get_token(&["https://vault.azure.net/.default"], None).await;
    assert!(direct.is_err());
    let client = SecretClient::builder("https://contoso.vault.azure.net").credential(Arc::clone(credential) as _);
    client.build().unwrap().get("a").await.unwrap_err()
}
