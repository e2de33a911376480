//! The default credential finds the identity of its environment.

use std::sync::Arc;
use std::time::{Duration, Instant};

use azure_core::credentials::TokenCredential;
use keyvault::credential::{CredentialStep, DefaultCredential, DefaultCredentialBuilder};
use keyvault::{Cloud, Error, ErrorKind, SecretClient};
use keyvault_emulator::{Emulator, Fault};
use keyvault_test_support::canary::assert_free_of;
use keyvault_test_support::emulator::{client_of, send, tls_options};
use keyvault_test_support::folder::Folder;
use keyvault_test_support::log::Log;
use keyvault_test_support::transport::{FakeResponse, FakeTransport};
use keyvault_test_support::variables::{NOWHERE, with_variables};
use tokio::time::timeout;
use url::Url;

pub(super) async fn scene() -> Emulator {
    let emulator = Emulator::start().await.unwrap();
    emulator.set("a", "x");
    emulator
}

pub(super) fn with<'a>(variables: impl IntoIterator<Item = (&'a str, &'a str)>) -> DefaultCredentialBuilder {
    DefaultCredential::builder().variables(NOWHERE.into_iter().chain(variables))
}

pub(super) fn client(emulator: &Emulator, credential: &Arc<DefaultCredential>) -> SecretClient {
    client_of(emulator, credential).build().unwrap()
}

pub(super) fn application(emulator: &Emulator) -> [(&str, &str); 4] {
    [
        ("AZURE_TENANT_ID", emulator.tenant_id()),
        ("AZURE_CLIENT_ID", emulator.client_id()),
        ("AZURE_CLIENT_SECRET", emulator.client_secret()),
        ("AZURE_AUTHORITY_HOST", emulator.authority_url()),
    ]
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

#[test]
fn a_managed_identity_is_asked_without_the_proxy_of_the_environment() {
    let nowhere = "http://127.0.0.1:1";
    with_variables(
        &[("HTTP_PROXY", nowhere), ("http_proxy", nowhere), ("ALL_PROXY", nowhere), ("NO_PROXY", "")],
        || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let emulator = scene().await;
                let endpoint = emulator.identity_endpoint();
                let identity = [("IDENTITY_ENDPOINT", &*endpoint), ("IDENTITY_HEADER", emulator.identity_header())];
                let credential = with(identity).build().unwrap();
                credential.get_token(&["https://vault.azure.net/.default"], None).await.expect("the endpoint answers");
            });
        },
    );
}

#[tokio::test]
async fn a_hanging_tool_is_ended_at_its_time_limit() {
    let folder = Folder::new();
    for tool in ["az", "azd"] {
        folder.tool(tool, "exec sleep 60");
    }
    let path = folder.path();
    let credential = with([("PATH", &*path)]).build().unwrap();
    let begun = Instant::now();
    let error = credential.get_token(&["https://vault.azure.net/.default"], None).await.unwrap_err();
    // Seven seconds, and the time that a busy machine takes. The clock is real, because the tools are processes.
    assert!((5..30).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
    let report = std::error::Error::source(&error).unwrap().downcast_ref::<Error>().unwrap().report();
    for tool in ["az", "azd"] {
        assert!(report.contains(&format!("{tool} gave no token within 7 seconds")), "{report}");
    }
}

#[tokio::test]
async fn callers_that_wait_for_a_search_share_its_error_and_later_ones_search_again() {
    let wire = FakeTransport::scripted(|_| Ok(FakeResponse::new(403, "")));
    let job = [
        ("ACTIONS_ID_TOKEN_REQUEST_URL", "https://ci.example/token"),
        ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "canary"),
        ("AZURE_TENANT_ID", "tenant"),
        ("AZURE_CLIENT_ID", "id"),
    ];
    let builder = with(job).steps([CredentialStep::WorkloadIdentity]).client_options(wire.options());
    let credential = builder.build().unwrap();
    let (vault, store) = (["https://vault.azure.net/.default"], ["https://appconfig.azure.com/.default"]);
    let token = |scopes| credential.get_token(scopes, None);
    let (first, other, second, third) = futures::join!(token(&vault), token(&store), token(&vault), token(&vault));
    for error in [first, other, second, third].map(Result::unwrap_err) {
        let error = std::error::Error::source(&error).unwrap().downcast_ref::<Error>().unwrap();
        assert!(error.report().contains("workload identity: a token of"), "{error:?}");
    }
    assert_eq!(wire.take_sent().len(), 2, "one search for each scope");
    token(&vault).await.unwrap_err();
    assert_eq!(wire.take_sent().len(), 1, "no failure is kept");
}

#[tokio::test]
async fn a_token_endpoint_that_hangs_ends_the_search_in_time() {
    let emulator = scene().await;
    emulator.fault_tokens(None, Fault::Hang);
    let credential = with(application(&emulator)).client_options(tls_options(&emulator)).build().unwrap();
    let token = credential.get_token(&["https://vault.azure.net/.default"], None);
    let error = timeout(Duration::from_secs(20), token).await.expect("the search ends").unwrap_err();
    let error = std::error::Error::source(&error).unwrap().downcast_ref::<Error>().unwrap();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
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

#[tokio::test]
async fn a_variable_selects_the_steps_as_in_the_other_sdks() {
    use CredentialStep::{AzureCli, AzureDeveloperCli, Environment, ManagedIdentity, WorkloadIdentity};
    let all = CredentialStep::ALL.to_vec();
    for (value, steps) in [
        ("", all.clone()),
        (" ", all),
        ("dev", vec![AzureCli, AzureDeveloperCli]),
        ("Dev", vec![AzureCli, AzureDeveloperCli]),
        ("PROD", vec![Environment, WorkloadIdentity, ManagedIdentity]),
        (" prod\n", vec![Environment, WorkloadIdentity, ManagedIdentity]),
        ("EnvironmentCredential", vec![Environment]),
        ("workloadidentitycredential", vec![WorkloadIdentity]),
        ("ManagedIdentityCredential", vec![ManagedIdentity]),
        ("AzureCLICredential", vec![AzureCli]),
        ("AzureDeveloperCliCredential", vec![AzureDeveloperCli]),
    ] {
        let credential = with([("AZURE_TOKEN_CREDENTIALS", value)]).build().unwrap();
        let tried = credential.diagnose(Cloud::Public).await;
        assert_eq!(tried.into_iter().map(|(step, _)| step).collect::<Vec<_>>(), steps, "{value:?}");
    }
    for unknown in ["canary", "ManagedIdentity", "AzurePowerShellCredential", "dev,prod"] {
        let error = with([("AZURE_TOKEN_CREDENTIALS", unknown)]).build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{unknown}");
        for value in ["AZURE_TOKEN_CREDENTIALS", "dev", "prod", "ManagedIdentityCredential", "AzureCliCredential"] {
            assert!(error.to_string().contains(value), "{unknown}: {error}");
        }
        assert_free_of(&error.report(), &["canary", "PowerShell"]);
    }
    let chosen = with([("AZURE_TOKEN_CREDENTIALS", "canary")]).steps([AzureCli]).build();
    assert!(chosen.is_ok(), "the program's choice comes first");
}

#[tokio::test]
async fn a_selected_step_ignores_what_belongs_to_others() {
    let emulator = scene().await;
    let mut variables = application(&emulator).to_vec();
    variables[2] = ("AZURE_CLIENT_SECRET", "wrong");
    variables.push(("AZURE_POD_IDENTITY_AUTHORITY_HOST", emulator.http_url()));
    variables.push(("AZURE_TOKEN_CREDENTIALS", "managedidentitycredential"));
    let credential = with(variables).client_options(tls_options(&emulator)).build().unwrap();
    assert_eq!(client(&emulator, &credential).get("a").await.unwrap().expose_secret(), "x");
}

/// A transport on which a CI system issues the token of a job, and everything else reaches the emulator.
fn ci(emulator: &Arc<Emulator>, status: u16, body: &'static str) -> Arc<FakeTransport> {
    let emulator = Arc::clone(emulator);
    FakeTransport::new(move |request| {
        let emulator = Arc::clone(&emulator);
        async move {
            if request.origin() == "https://ci.example" {
                return Ok(FakeResponse::new(status, body).into());
            }
            let authority = Url::parse(emulator.authority_url()).unwrap();
            assert_eq!(request.origin(), authority.origin().ascii_serialization(), "a foreign host");
            send(emulator, request).await
        }
    })
}

#[tokio::test]
async fn a_job_signs_in_with_the_token_of_its_ci_system() {
    let emulator = Arc::new(scene().await);
    let github = [
        ("ACTIONS_ID_TOKEN_REQUEST_URL", "https://ci.example/token?x=1"),
        ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "job-canary"),
    ];
    let pipelines = [
        ("SYSTEM_OIDCREQUESTURI", "https://ci.example/oidctoken"),
        ("SYSTEM_ACCESSTOKEN", "job-canary"),
        ("AZURESUBSCRIPTION_SERVICE_CONNECTION_ID", "connection"),
        ("AZURESUBSCRIPTION_TENANT_ID", emulator.tenant_id()),
        ("AZURESUBSCRIPTION_CLIENT_ID", emulator.client_id()),
    ];
    let [tenant, client_id, _, authority] = application(&emulator);
    let github: Vec<_> = github.into_iter().chain([tenant, client_id, authority]).collect();
    let pipelines: Vec<_> = pipelines.into_iter().chain([authority]).collect();
    for (variables, body, method, query) in [
        (&github, r#"{"count":1,"value":"assertion"}"#, "GET", ("audience", "api://AzureADTokenExchange")),
        (&pipelines, r#"{"oidcToken":"assertion"}"#, "POST", ("serviceConnectionId", "connection")),
    ] {
        let wire = ci(&emulator, 200, body);
        let credential = with(variables.iter().copied()).client_options(wire.options()).build().unwrap();
        assert_eq!(client(&emulator, &credential).get("a").await.unwrap().expose_secret(), "x", "{method}");
        assert_eq!(credential.step().await, Some(CredentialStep::WorkloadIdentity), "{method}");
        let sent = &wire.sent()[0];
        assert_eq!(sent.method.as_str(), method);
        assert_eq!(sent.header("authorization"), Some("Bearer job-canary"));
        assert_eq!(sent.query(query.0).as_deref(), Some(query.1));
        // Its failure does not end the chain: every job has the variables.
        for (status, body) in [(403, "canary"), (200, "canary"), (200, r#"{"canary":1}"#)] {
            let wire = ci(&emulator, status, body);
            let machine = ("AZURE_POD_IDENTITY_AUTHORITY_HOST", emulator.http_url());
            let both = with(variables.iter().copied().chain([machine])).client_options(wire.options()).build().unwrap();
            assert_eq!(client(&emulator, &both).get("a").await.unwrap().expose_secret(), "x", "{method} {status}");
            let alone = with(variables.iter().copied()).client_options(wire.options()).build().unwrap();
            let report = token_error(&alone).await.report();
            assert!(report.contains("workload identity: a token of"), "{report}");
            assert_free_of(&report, &["canary"]);
        }
    }
    for url in ["http://ci.example/token", "canary"] {
        let mut variables = github.clone();
        variables[0].1 = url;
        let wire = ci(&emulator, 200, "{}");
        let credential = with(variables).client_options(wire.options()).build().unwrap();
        let report = token_error(&credential).await.report();
        assert!(report.contains("the URL for the job's token is malformed"), "{report}");
        assert!(wire.sent().is_empty(), "the job's token is sent over TLS only");
    }
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
pub(super) async fn token_error(credential: &Arc<DefaultCredential>) -> Error {
    let direct = credential.get_token(&["https://vault.azure.net/.default"], None).await;
    assert!(direct.is_err());
    let client = SecretClient::builder("https://contoso.vault.azure.net").credential(Arc::clone(credential) as _);
    client.build().unwrap().get("a").await.unwrap_err()
}
