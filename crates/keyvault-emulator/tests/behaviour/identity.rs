//! The token endpoints over plain http, as credentials call them.

use http::StatusCode;
use keyvault_emulator::{Emulator, Fault};
use serde_json::Value;

use crate::client;

/// Returns whether the default vault accepts a token.
async fn is_accepted(emulator: &Emulator, token: &Value) -> bool {
    let url = format!("{}/secrets?api-version=7.4", emulator.http_url());
    let response = client(emulator).get(url).bearer_auth(token.as_str().unwrap()).send().await.unwrap();
    response.status() == StatusCode::OK
}

#[tokio::test]
async fn client_credentials_get_a_token_and_wrong_ones_an_error_code() {
    let emulator = Emulator::start().await.unwrap();
    let (id, secret) = (emulator.client_id(), emulator.client_secret());
    let scope = "https%3A%2F%2Fvault.azure.net%2F.default";
    let form = |id: &str, secret: &str| {
        format!("grant_type=client_credentials&client_id={id}&client_secret={secret}&scope={scope}")
    };
    let assertion = format!("grant_type=client_credentials&client_id={id}&client_assertion=a.b.c&scope={scope}");
    for (body, status, code) in [
        (form(id, secret), 200, 0),
        (assertion, 200, 0),
        (form(id, "wrong"), 401, 7_000_215),
        (form("unknown", secret), 400, 700_016),
        ("grant_type=password".to_owned(), 400, 70_003),
        ("grant_type=client_credentials".to_owned(), 400, 900_144),
    ] {
        for base in [emulator.http_url(), emulator.authority_url()] {
            let url = format!("{base}/{}/oauth2/v2.0/token", emulator.tenant_id());
            let response = client(&emulator).post(url).body(body.clone()).send().await.unwrap();
            assert_eq!(response.status().as_u16(), status, "{body}");
            let response: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
            if status == 200 {
                assert_eq!((&response["token_type"], &response["expires_in"]), (&"Bearer".into(), &3599.into()));
                assert!(is_accepted(&emulator, &response["access_token"]).await);
            } else {
                assert_eq!(response["error_codes"][0], code, "{body}");
                let description = response["error_description"].as_str().unwrap();
                assert!(description.starts_with(&format!("AADSTS{code}: ")), "{description}");
            }
        }
    }
    assert_eq!(emulator.requests().token, 12);
    assert_eq!(emulator.requests().total, 4, "a token request is not a request to a vault");
}

#[tokio::test]
async fn version_1_of_the_endpoint_issues_tokens_for_a_resource() {
    let emulator = Emulator::start().await.unwrap();
    let form = format!(
        "grant_type=client_credentials&client_id={}&client_secret={}&resource=https://vault.azure.net",
        emulator.client_id(),
        emulator.client_secret()
    );
    let url = format!("{}/{}/oauth2/token", emulator.authority_url(), emulator.tenant_id());
    let response = client(&emulator).post(url).body(form).send().await.unwrap().text().await.unwrap();
    let response: Value = serde_json::from_str(&response).unwrap();
    assert_eq!((&response["expires_in"], &response["resource"]), (&"3599".into(), &"https://vault.azure.net".into()));
    assert!(is_accepted(&emulator, &response["access_token"]).await);
}

#[tokio::test]
async fn the_azure_cli_finds_no_subscriptions_at_login() {
    let emulator = Emulator::start().await.unwrap();
    let url = format!("{}/subscriptions?api-version=2022-12-01", emulator.authority_url());
    let response = client(&emulator).get(url).send().await.unwrap();
    assert_eq!(response.text().await.unwrap(), r#"{"value":[]}"#);
}

#[tokio::test]
async fn a_vault_rejects_a_token_of_another_tenant() {
    let emulator = Emulator::start().await.unwrap();
    let form = format!(
        "grant_type=client_credentials&client_id={}&client_secret={}&scope=https://vault.azure.net/.default",
        emulator.client_id(),
        emulator.client_secret()
    );
    let url = format!("{}/another-tenant/oauth2/v2.0/token", emulator.http_url());
    let response = client(&emulator).post(url).body(form).send().await.unwrap().text().await.unwrap();
    let response: Value = serde_json::from_str(&response).unwrap();
    assert!(!is_accepted(&emulator, &response["access_token"]).await);
}

#[tokio::test]
async fn managed_identity_endpoints_require_their_header_and_issue_tokens() {
    let emulator = Emulator::start().await.unwrap();
    let app_service = emulator.identity_endpoint();
    let machine = format!("{}/metadata/identity/oauth2/token", emulator.http_url());
    let slash = format!("{machine}/");
    let header = emulator.identity_header();
    let resource = "resource=https%3A%2F%2Fvault.azure.net";
    for (url, version, name, value, status) in [
        (&app_service, "2019-08-01", "x-identity-header", header, 200),
        (&app_service, "2019-08-01", "x-identity-header", "wrong", 401),
        (&machine, "2018-02-01", "metadata", "true", 200),
        (&slash, "2018-02-01", "metadata", "true", 200),
        (&machine, "2018-02-01", "metadata", "no", 400),
    ] {
        let url = format!("{url}?api-version={version}&{resource}");
        let response = client(&emulator).get(&url).header(name, value).send().await.unwrap();
        assert_eq!(response.status().as_u16(), status, "{url} {value}");
        if status == 200 {
            let response: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
            assert!(response["expires_on"].as_str().unwrap().parse::<u64>().is_ok(), "{response}");
            assert_eq!(response["resource"], "https://vault.azure.net");
            assert!(is_accepted(&emulator, &response["access_token"]).await);
        }
    }
}

#[tokio::test]
async fn discovery_documents_name_this_server_as_the_authority() {
    let emulator = Emulator::start().await.unwrap();
    let base = emulator.authority_url();
    let url = format!("{base}/{}/v2.0/.well-known/openid-configuration", emulator.tenant_id());
    let response = client(&emulator).get(url).send().await.unwrap().text().await.unwrap();
    let response: Value = serde_json::from_str(&response).unwrap();
    assert_eq!(response["issuer"], format!("{base}/{}/v2.0", emulator.tenant_id()));
    assert_eq!(response["token_endpoint"], format!("{base}/{}/oauth2/v2.0/token", emulator.tenant_id()));
    let url = format!("{base}/common/discovery/instance?api-version=1.1");
    assert_eq!(client(&emulator).get(url).send().await.unwrap().status(), StatusCode::OK);
    assert_eq!(emulator.requests().token, 0);
}

#[tokio::test]
async fn faults_of_token_endpoints_and_of_vaults_are_independent() {
    let emulator = Emulator::start().await.unwrap();
    emulator.fault_tokens(Some(1), Fault::status(503));
    let token = Value::from(emulator.token());
    assert!(is_accepted(&emulator, &token).await);
    let url = format!("{}?api-version=2019-08-01&resource=https://vault.azure.net", emulator.identity_endpoint());
    let send = || client(&emulator).get(&url).header("x-identity-header", emulator.identity_header()).send();
    assert_eq!(send().await.unwrap().status().as_u16(), 503);
    emulator.fault(Fault::status(500));
    assert_eq!(send().await.unwrap().status().as_u16(), 200);
}
