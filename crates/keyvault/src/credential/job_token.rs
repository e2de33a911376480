//! Federated tokens that a CI system issues to its jobs: GitHub Actions and Azure Pipelines.

use std::fmt;

use async_trait::async_trait;
use azure_core::credentials::TokenCredential;
use azure_core::error::ErrorKind;
use azure_core::http::headers::{ACCEPT, AUTHORIZATION, CONTENT_LENGTH};
use azure_core::http::{ClientMethodOptions, ClientOptions, Context, Method, Request, Transport};
use azure_identity::{ClientAssertion, ClientAssertionCredential, ClientAssertionCredentialOptions};
use serde::Deserialize;
use url::Url;
use zeroize::Zeroizing;

use super::response_body;
use super::step::{Attempt, StepOutcome};
use super::variables::{CLIENT, IN_GITHUB, IN_PIPELINES, TENANT, Variables};
use crate::http::credential_error;

/// Tries the application that trusts the jobs of a CI system. `reason` says why there is no token in a file.
///
/// A job has these variables whether or not an application trusts it, so a failure does not end the chain.
pub(super) async fn attempt(variables: &Variables, options: ClientOptions, scope: &str, reason: String) -> Attempt {
    let unusable = |reason: &str| StepOutcome::Unusable(reason.to_owned());
    let found = options.transport.clone().and_then(|transport| find(variables, transport));
    let Some(Job { system, token, tenant, client }) = found else {
        return Err(incomplete(variables).map_or(StepOutcome::DoesNotApply(reason), StepOutcome::Unusable));
    };
    let (Some(tenant), Some(client)) = (tenant, client) else {
        let clause = format!("a job of {system} needs AZURE_TENANT_ID and AZURE_CLIENT_ID");
        return Err(StepOutcome::Unusable(clause));
    };
    let options = ClientAssertionCredentialOptions { client_options: options };
    let token = token.ok_or_else(|| unusable("the URL for the job's token is malformed"))?;
    let credential = ClientAssertionCredential::new(tenant.to_owned(), client.to_owned(), token, Some(options))
        .map_err(|_| unusable("AZURE_TENANT_ID or AZURE_AUTHORITY_HOST is malformed"))?;
    match credential.get_token(&[scope], None).await {
        Ok(token) => Ok((credential, token)),
        Err(error) => {
            let detail = credential_error(&error).detail();
            Err(StepOutcome::Unusable(format!("a token of {system} was not accepted: {detail}")))
        }
    }
}

/// A job of a CI system, and the application that it signs in as.
struct Job<'a> {
    system: &'static str,
    /// `None` if its URL is malformed.
    token: Option<JobToken>,
    tenant: Option<&'a str>,
    client: Option<&'a str>,
}

/// Returns the job that this program runs in.
fn find(variables: &Variables, transport: Transport) -> Option<Job<'_>> {
    let (tenant, client) = (variables.get(TENANT), variables.get(CLIENT));
    // https://docs.github.com/actions/reference/security/oidc#methods-for-requesting-the-oidc-token
    if let [Some(url), Some(bearer)] = GITHUB.map(|name| variables.get(name)) {
        let token = JobToken::new(url, Method::Get, &[("audience", "api://AzureADTokenExchange")], bearer, transport);
        return Some(Job { system: "GitHub Actions", token, tenant, client });
    }
    // https://learn.microsoft.com/rest/api/azure/devops/distributedtask/oidctoken/create
    let url = variables.get(PIPELINES_URL)?;
    let [Some(bearer), Some(connection)] = PIPELINES.map(|name| variables.get(name)) else { return None };
    let query = [("api-version", "7.1"), ("serviceConnectionId", connection)];
    Some(Job {
        system: "Azure Pipelines",
        token: JobToken::new(url, Method::Post, &query, bearer, transport),
        tenant: variables.get(CONNECTION_TENANT).or(tenant),
        client: variables.get(CONNECTION_CLIENT).or(client),
    })
}

/// Returns the variables that this job lacks, with the remedy. `None` outside of a job, and in a job that names no
/// application: it does not try to sign in.
fn incomplete(variables: &Variables) -> Option<String> {
    let has = |name: &str| variables.get(name).is_some();
    let is_true = |name| variables.get(name).is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let lacks = |names: [&'static str; 2]| {
        let missing: Vec<_> = names.into_iter().filter(|name| !has(name)).collect();
        (!missing.is_empty()).then(|| missing.join(" and "))
    };
    let is_named = has(TENANT) && has(CLIENT);
    if is_true(IN_GITHUB) && is_named {
        let missing = lacks(GITHUB)?;
        return Some(format!("a job of GitHub Actions lacks {missing}: set `permissions: id-token: write`"));
    }
    let is_named = (has(CONNECTION_TENANT) || has(TENANT)) && (has(CONNECTION_CLIENT) || has(CLIENT));
    if is_true(IN_PIPELINES) && is_named {
        if let Some(missing) = lacks(PIPELINES) {
            return Some(format!(
                "a job of Azure Pipelines lacks {missing}: set `SYSTEM_ACCESSTOKEN: $(System.AccessToken)` in the \
                 step's `env`, and the ID of the service connection"
            ));
        }
        return (!has(PIPELINES_URL)).then(|| {
            format!("a job of Azure Pipelines lacks {PIPELINES_URL}: pass it on from the agent, which sets it")
        });
    }
    None
}

/// The variables of a job in GitHub Actions: the URL and the bearer token of the endpoint.
const GITHUB: [&str; 2] = ["ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"];
/// The variables of a job in Azure Pipelines that the pipeline or a task sets: the bearer token and the connection.
const PIPELINES: [&str; 2] = ["SYSTEM_ACCESSTOKEN", "AZURESUBSCRIPTION_SERVICE_CONNECTION_ID"];
/// The URL of the endpoint in Azure Pipelines, which the agent sets. A container has it only if it is passed on.
const PIPELINES_URL: &str = "SYSTEM_OIDCREQUESTURI";
const CONNECTION_TENANT: &str = "AZURESUBSCRIPTION_TENANT_ID";
const CONNECTION_CLIENT: &str = "AZURESUBSCRIPTION_CLIENT_ID";

/// The endpoint of a CI system that issues the token of the job.
struct JobToken {
    url: Url,
    method: Method,
    authorization: Zeroizing<String>,
    transport: Transport,
}

impl JobToken {
    fn new(url: &str, method: Method, query: &[(&str, &str)], bearer: &str, transport: Transport) -> Option<Self> {
        let mut url = Url::parse(url).ok().filter(|url| url.scheme() == "https")?;
        url.query_pairs_mut().extend_pairs(query);
        http::HeaderValue::from_str(bearer).ok()?;
        Some(Self { url, method, authorization: Zeroizing::new(format!("Bearer {bearer}")), transport })
    }
}

#[async_trait]
impl ClientAssertion for JobToken {
    async fn secret(&self, _: Option<ClientMethodOptions<'_>>) -> azure_core::Result<String> {
        let mut request = Request::new(self.url.clone(), self.method);
        request.insert_header(ACCEPT, "application/json");
        request.insert_header(AUTHORIZATION, self.authorization.to_string());
        if self.method == Method::Post {
            request.insert_header(CONTENT_LENGTH, "0");
        }
        // The errors do not quote what the endpoint answers.
        let failed = |clause| azure_core::Error::with_message(ErrorKind::Credential, clause);
        let response = self.transport.send(&Context::new(), &mut request).await?;
        if response.status() != 200 {
            return Err(failed("CI system issued no token"));
        }
        let too_large = || failed("CI system's response is too large");
        let body = response_body::read(response.into_body()).await?.ok_or_else(too_large)?;
        let token: Token = serde_json::from_slice(&body).map_err(|_| failed("CI system's token cannot be read"))?;
        Ok(token.value)
    }
}

#[derive(Deserialize)]
struct Token {
    /// `value` in GitHub Actions.
    #[serde(alias = "oidcToken")]
    value: String,
}

impl fmt::Debug for JobToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobToken").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::transport_for_tokens;

    fn job(url: &str) -> Option<JobToken> {
        JobToken::new(url, Method::Get, &[], "canary", transport_for_tokens().unwrap())
    }

    #[test]
    fn the_bearer_of_a_job_is_sent_over_https_only_and_is_not_shown() {
        let token = job("https://ci.example/token").unwrap();
        assert_eq!(token.authorization.as_str(), "Bearer canary");
        assert!(!format!("{token:?}").contains("canary"), "{token:?}");
        for url in ["http://ci.example/token", "http://127.0.0.1/token", "file:///token", "ci.example", ""] {
            assert!(job(url).is_none(), "{url}");
        }
    }

    #[test]
    fn a_job_without_a_token_names_what_it_lacks_and_the_remedy() {
        let (github, pipelines) = ((IN_GITHUB, "true"), (IN_PIPELINES, "True"));
        let (tenant, client) = ((TENANT, "canary"), (CLIENT, "canary"));
        let [url, bearer] = GITHUB.map(|name| (name, "canary"));
        let [token, connection] = PIPELINES.map(|name| (name, "canary"));
        let (task_tenant, task_client) = ((CONNECTION_TENANT, "canary"), (CONNECTION_CLIENT, "canary"));
        let permission = "set `permissions: id-token: write`";
        let mapping = "set `SYSTEM_ACCESSTOKEN: $(System.AccessToken)` in the step's `env`, and the ID of the service \
             connection";
        for (set, lacking, remedy) in [
            (&[github, tenant, client][..], GITHUB.join(" and "), permission),
            (&[github, tenant, client, url], GITHUB[1].to_owned(), permission),
            (&[github, tenant, client, bearer], GITHUB[0].to_owned(), permission),
            (&[pipelines, tenant, client], PIPELINES.join(" and "), mapping),
            (&[pipelines, tenant, client, token], PIPELINES[1].to_owned(), mapping),
            (&[pipelines, task_tenant, task_client, connection], PIPELINES[0].to_owned(), mapping),
            (
                &[pipelines, tenant, client, token, connection],
                PIPELINES_URL.to_owned(),
                "pass it on from the agent, which sets it",
            ),
        ] {
            let reason = incomplete(&variables(set)).unwrap();
            assert!(reason.ends_with(&format!(" lacks {lacking}: {remedy}")), "{set:?}: {reason}");
        }
        for silent in [
            &[tenant, client][..],
            &[github],
            &[github, tenant],
            &[pipelines, client],
            &[(IN_GITHUB, "false"), tenant, client],
            &[github, tenant, client, url, bearer],
            &[pipelines, tenant, client, token, connection, (PIPELINES_URL, "canary")],
        ] {
            assert_eq!(incomplete(&variables(silent)), None, "{silent:?}");
        }
    }

    fn variables(set: &[(&str, &str)]) -> Variables {
        Variables::new(|name| set.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
    }
}
