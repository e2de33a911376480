//! Steps of the default credential that are configured, but only in part or for an identity that is not supported.

use std::collections::BTreeMap;
use std::time::Duration;

use keyvault::credential::CredentialStep;
use keyvault::{Cloud, ErrorKind, Resolver};
use keyvault_test_support::canary::assert_free_of;
use keyvault_test_support::emulator::tls_options;

use super::default_credential::{application, client, scene, token_error, with};

#[tokio::test]
async fn a_step_that_is_configured_in_part_does_not_end_the_chain() {
    let emulator = scene().await;
    let machine = ("AZURE_POD_IDENTITY_AUTHORITY_HOST", emulator.http_url());
    let (endpoint, header) = (emulator.identity_endpoint(), emulator.identity_header());
    let app_service = [("IDENTITY_ENDPOINT", &*endpoint), ("IDENTITY_HEADER", header)];
    let (tenant, client_id) = (("AZURE_TENANT_ID", "t"), ("AZURE_CLIENT_ID", emulator.client_id()));
    let file = ("AZURE_FEDERATED_TOKEN_FILE", "/nowhere/token");
    for (partial, reason) in [
        (&[tenant][..], "environment: AZURE_TENANT_ID is set without AZURE_CLIENT_ID and AZURE_CLIENT_SECRET"),
        (&[tenant, client_id], "environment: AZURE_TENANT_ID and AZURE_CLIENT_ID are set without AZURE_CLIENT_SECRET"),
        (
            &[tenant, client_id, ("AZURE_CLIENT_SECRET", "")],
            "environment: AZURE_TENANT_ID and AZURE_CLIENT_ID are set without AZURE_CLIENT_SECRET",
        ),
        (
            &[tenant, ("AZURE_CLIENT_ID", " "), ("AZURE_CLIENT_SECRET", "")],
            "environment: AZURE_TENANT_ID is set without AZURE_CLIENT_ID and AZURE_CLIENT_SECRET",
        ),
        (
            &[("AZURE_CLIENT_SECRET", "canary")],
            "environment: AZURE_CLIENT_SECRET is set without AZURE_TENANT_ID and AZURE_CLIENT_ID",
        ),
        (
            &[tenant, client_id, ("AZURE_CLIENT_CERTIFICATE_PATH", "/canary.pem")],
            "environment: AZURE_CLIENT_CERTIFICATE_PATH is not supported",
        ),
        (
            &[("AZURE_FEDERATED_TOKEN_FILE", "canary")],
            "workload identity: AZURE_FEDERATED_TOKEN_FILE is set without AZURE_TENANT_ID and AZURE_CLIENT_ID",
        ),
        (&[tenant, client_id, file], "workload identity: file in AZURE_FEDERATED_TOKEN_FILE does not exist"),
        (
            &[tenant, client_id, ("GITHUB_ACTIONS", "true"), ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "canary")],
            "workload identity: a job of GitHub Actions lacks ACTIONS_ID_TOKEN_REQUEST_URL: set `permissions: id-token",
        ),
        (
            &[tenant, client_id, ("TF_BUILD", "True"), ("AZURESUBSCRIPTION_SERVICE_CONNECTION_ID", "canary")],
            "workload identity: a job of Azure Pipelines lacks SYSTEM_ACCESSTOKEN: set `SYSTEM_ACCESSTOKEN: $(System.",
        ),
    ] {
        for identity in [&[machine][..], &app_service] {
            let credential = with(partial.iter().chain(identity).copied()).build().unwrap();
            let client = client(&emulator, &credential);
            assert_eq!(client.get("a").await.unwrap().expose_secret(), "x", "{partial:?}");
            assert_eq!(credential.step().await, Some(CredentialStep::ManagedIdentity), "{partial:?}");
        }
        let error = token_error(&with(partial.iter().copied()).build().unwrap()).await;
        assert_eq!(error.kind(), ErrorKind::Denied, "{partial:?}");
        let report = error.report();
        assert!(report.contains(reason), "{partial:?}: {report}");
        assert_free_of(&report, &["canary"]);
    }
    // A step that the program selects is asked for a token like any other.
    let alone = with([tenant]).steps([CredentialStep::Environment]).build().unwrap();
    let report = token_error(&alone).await.report();
    assert!(report.contains("AZURE_TENANT_ID is set without"), "{report}");
    assert!(with([]).steps([]).build().is_err());
}

#[tokio::test]
async fn the_identities_of_other_platforms_are_named_as_not_supported() {
    let endpoint = ("IDENTITY_ENDPOINT", "http://localhost:40342/token");
    for (variables, reason) in [
        (&[endpoint, ("IMDS_ENDPOINT", "http://localhost:40342")][..], "Azure Arc is not supported"),
        (&[endpoint, ("IDENTITY_HEADER", "h"), ("IDENTITY_SERVER_THUMBPRINT", "t")], "Service Fabric is not supported"),
        (&[("MSI_ENDPOINT", "http://localhost:50342")], "Cloud Shell, in MSI_ENDPOINT, is not supported"),
        (&[("MSI_ENDPOINT", "http://localhost"), ("MSI_SECRET", "s")], "Azure ML, in MSI_ENDPOINT, is not supported"),
    ] {
        let report = token_error(&with(variables.iter().copied()).build().unwrap()).await.report();
        assert!(report.contains(reason), "{variables:?}: {report}");
    }
}

#[tokio::test]
async fn the_error_of_a_step_names_the_other_steps_that_are_configured_but_unusable() {
    let emulator = scene().await;
    let mut wrong = application(&emulator);
    wrong[2] = ("AZURE_CLIENT_SECRET", "canary");
    let [tenant, client_id, ..] = wrong;
    let endpoint = emulator.identity_endpoint();
    let app_service = [("IDENTITY_ENDPOINT", &*endpoint), ("IDENTITY_HEADER", "wrong")];
    let file = [("AZURE_FEDERATED_TOKEN_FILE", "/nowhere/token"), tenant, client_id];
    let arc = [("IDENTITY_ENDPOINT", &*endpoint), ("IMDS_ENDPOINT", "http://localhost:40342")];
    let (cloud_shell, certificate) =
        (("MSI_ENDPOINT", "http://localhost:50342"), ("AZURE_CLIENT_CERTIFICATE_PATH", "/canary.pem"));
    let entra = "caused by: Microsoft Entra answered AADSTS7000215";
    let identity = "managed identity is not assigned to this machine";
    for (failing, others, failure, reasons) in [
        (&wrong[..], &arc[..], entra, &["managed identity: the identity of Azure Arc is not supported"][..]),
        (&wrong, &[cloud_shell], entra, &["managed identity: the identity of Cloud Shell, in MSI_ENDPOINT, is not"]),
        (&app_service, &[certificate], identity, &["environment: AZURE_CLIENT_CERTIFICATE_PATH is not supported"]),
        (&app_service, &[tenant], identity, &["environment: AZURE_TENANT_ID is set without AZURE_CLIENT_ID and"]),
        (
            &app_service,
            &[file[0], file[1], file[2], certificate],
            identity,
            &[
                "environment: AZURE_CLIENT_CERTIFICATE_PATH is not supported",
                "workload identity: file in AZURE_FEDERATED_TOKEN_FILE does not exist",
            ],
        ),
        (&app_service, &[], identity, &[]),
    ] {
        let variables = failing.iter().chain(others).copied();
        let credential = with(variables).client_options(tls_options(&emulator)).build().unwrap();
        let client = client(&emulator, &credential);
        let command = client.get("a").await.unwrap_err();
        let vault = Resolver::builder(client).build().unwrap();
        let start = keyvault_config::layered(vault, config::Config::builder)
            .minimum_failure_delay(Duration::ZERO)
            .start::<BTreeMap<String, String>>()
            .await
            .unwrap_err();
        for report in [command.report(), start.report()] {
            for text in reasons.iter().chain([&failure]) {
                assert!(report.contains(text), "{others:?} lacks {text}: {report}");
            }
            assert!(!report.contains("is not set"), "{others:?}: {report}");
            assert_free_of(&report, &["canary"]);
        }
        let diagnosis = format!("{:?}", credential.diagnose(Cloud::Public).await);
        for reason in reasons {
            let (_, reason) = reason.split_once(": ").unwrap();
            assert!(diagnosis.contains(reason), "{others:?}: {diagnosis}");
        }
    }
}
