//! The managed identity of a machine in Azure.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_core::http::headers::HeaderName;
use azure_core::http::{HttpClient, Method, Request};
use azure_core::time::OffsetDateTime;
use serde::Deserialize;
use tokio::time::{sleep, timeout};
use url::Url;
use zeroize::Zeroizing;

use super::response_body;
use super::step::{Attempt, StepOutcome, sdk_error};
use super::variables::{CLIENT, Variables};
use crate::error::{Error, ErrorKind, Result};
use crate::http::local_client;
use crate::report::ReferenceStatus;

/// An endpoint on the machine that issues tokens.
///
/// This replaces the credential of `azure_identity`, which reads the variables of the process by itself and waits for
/// minutes if there is no endpoint.
struct ManagedIdentity {
    http: Box<dyn HttpClient>,
    url: Url,
    header: (HeaderName, Zeroizing<String>),
}

/// Tries the identity of App Service, Functions and Container Apps, or that of a virtual machine.
pub(super) async fn attempt(variables: &Variables, scope: &str) -> Attempt {
    if let Some(reason) = unsupported(variables) {
        return Err(StepOutcome::Unusable(reason.to_owned()));
    }
    let fails = |clause| StepOutcome::Fails(failure(ErrorKind::Invalid, clause));
    // https://learn.microsoft.com/azure/app-service/overview-managed-identity#rest-endpoint-reference
    let app_service = variables.get("IDENTITY_ENDPOINT").zip(variables.get("IDENTITY_HEADER"));
    let identity = match app_service {
        Some((endpoint, header)) => {
            ManagedIdentity::new(endpoint, "2019-08-01", variables.get(CLIENT), ("x-identity-header", header))
                .ok_or_else(|| fails("IDENTITY_ENDPOINT or IDENTITY_HEADER is malformed"))?
        }
        // https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token
        None => {
            let host = variables.get("AZURE_POD_IDENTITY_AUTHORITY_HOST").unwrap_or("http://169.254.169.254");
            let endpoint = format!("{}/metadata/identity/oauth2/token", host.trim_end_matches('/'));
            let identity = ManagedIdentity::new(&endpoint, "2018-02-01", variables.get(CLIENT), ("metadata", "true"))
                .ok_or_else(|| fails("AZURE_POD_IDENTITY_AUTHORITY_HOST is malformed"))?;
            identity.probe().await?;
            identity
        }
    };
    match identity.token(scope).await {
        Ok(token) => Ok((Arc::new(identity), token)),
        Err(error) if app_service.is_none() && error.kind() == ErrorKind::Denied => {
            Err(does_not_apply("the machine has no such identity"))
        }
        Err(error) => Err(StepOutcome::Fails(error)),
    }
}

/// Returns why the identity of this platform cannot be used. `None` if the platform is supported, or is not Azure.
pub(super) fn unsupported(variables: &Variables) -> Option<&'static str> {
    let is_set = |name| variables.get(name).is_some();
    let app_service = is_set("IDENTITY_ENDPOINT") && is_set("IDENTITY_HEADER");
    if app_service {
        return is_set("IDENTITY_SERVER_THUMBPRINT").then_some("the identity of Service Fabric is not supported");
    }
    if is_set("IDENTITY_ENDPOINT") && is_set("IMDS_ENDPOINT") {
        return Some("the identity of Azure Arc is not supported");
    }
    match (is_set("MSI_ENDPOINT"), is_set("MSI_SECRET")) {
        (true, true) => Some("the identity of Azure ML, in MSI_ENDPOINT, is not supported"),
        (true, false) => Some("the identity of Cloud Shell, in MSI_ENDPOINT, is not supported: run `az login`"),
        (false, _) => None,
    }
}

impl ManagedIdentity {
    fn new(endpoint: &str, api_version: &str, client: Option<&str>, header: (&'static str, &str)) -> Option<Self> {
        let mut url = Url::parse(endpoint).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
        url.query_pairs_mut().append_pair("api-version", api_version);
        if let Some(client) = client {
            url.query_pairs_mut().append_pair("client_id", client);
        }
        http::HeaderValue::from_str(header.1).ok()?;
        let header = (HeaderName::from_static(header.0), Zeroizing::new(header.1.to_owned()));
        Some(Self { http: Box::new(local_client().ok()?), url, header })
    }

    /// Checks that the metadata service is Azure's. Without its header a request asks for no token: Azure answers 400,
    /// other clouds 401 or 404.
    async fn probe(&self) -> Result<(), StepOutcome> {
        let request = Request::new(self.url.clone(), Method::Get);
        match timeout(LONGEST_PROBE, self.http.execute_request(&request)).await {
            Ok(Ok(response)) if response.status() == 400 => Ok(()),
            Ok(Ok(_)) => Err(does_not_apply("the metadata service of this machine is not Azure's")),
            _ => Err(does_not_apply("no metadata service answers within a second")),
        }
    }

    /// Requests a token, with retries: the endpoint is busy at times. It caches tokens itself.
    async fn token(&self, scope: &str) -> Result<AccessToken> {
        for pause in PAUSES {
            match self.request_token(scope).await {
                Err(error) if error.is_transient() => sleep(pause).await,
                result => return result,
            }
        }
        self.request_token(scope).await
    }

    async fn request_token(&self, scope: &str) -> Result<AccessToken> {
        let mut url = self.url.clone();
        url.query_pairs_mut().append_pair("resource", scope.strip_suffix("/.default").unwrap_or(scope));
        let mut request = Request::new(url, Method::Get);
        let (name, value) = &self.header;
        request.insert_header(name.clone(), value.to_string());
        let (status, _, chunks) = self.http.execute_request(&request).await.map_err(unreachable)?.deconstruct();
        check(status.into())?;
        let too_large = || failure(ErrorKind::Unavailable, "managed identity endpoint's response is too large");
        let body = response_body::read(chunks).await.map_err(unreachable)?.ok_or_else(too_large)?;
        let malformed = || failure(ErrorKind::Unavailable, "managed identity endpoint returned no token");
        let token: TokenResponse = serde_json::from_slice(&body).map_err(|_| malformed())?;
        let seconds = token.expires_on.as_i64().or_else(|| token.expires_on.as_str()?.trim().parse().ok());
        let expires_on = seconds.and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
        Ok(AccessToken::new(token.access_token, expires_on.ok_or_else(malformed)?))
    }
}

#[async_trait::async_trait]
impl TokenCredential for ManagedIdentity {
    async fn get_token(&self, scopes: &[&str], _: Option<TokenRequestOptions<'_>>) -> azure_core::Result<AccessToken> {
        self.token(scopes.first().copied().unwrap_or_default()).await.map_err(sdk_error)
    }
}

impl fmt::Debug for ManagedIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ManagedIdentity").finish_non_exhaustive()
    }
}

/// The response of both endpoints. The time is a number, or text with a number.
#[derive(Deserialize)]
struct TokenResponse {
    access_token: String,
    expires_on: serde_json::Value,
}

fn check(status: u16) -> Result<()> {
    let (kind, clause) = match status {
        200 => return Ok(()),
        404 | 408 | 410 | 429 | 500..=599 => (ErrorKind::Unavailable, "managed identity endpoint failed"),
        _ => (ErrorKind::Denied, "managed identity is not assigned to this machine"),
    };
    Err(failure(kind, clause).caused_by(format!("the endpoint answered {status}")))
}

fn does_not_apply(reason: &str) -> StepOutcome {
    StepOutcome::DoesNotApply(reason.to_owned())
}

fn unreachable(_: azure_core::Error) -> Error {
    failure(ErrorKind::Unavailable, "managed identity endpoint could not be reached")
}

fn failure(kind: ErrorKind, clause: &'static str) -> Error {
    Error::new(kind, clause).with_status(ReferenceStatus::MsiNotEnabled)
}

const LONGEST_PROBE: Duration = Duration::from_secs(1);

/// [The retry
/// guidance](https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token#retry-guidance).
const PAUSES: [Duration; 3] = [Duration::from_millis(500), Duration::from_secs(1), Duration::from_secs(2)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_of_an_endpoint_is_not_shown_and_its_url_is_one_of_http() {
        let identity = |url| ManagedIdentity::new(url, "2019-08-01", None, ("x-identity-header", "canary"));
        let text = format!("{:?}", identity("http://127.0.0.1:42356/msi/token").unwrap());
        assert!(!text.contains("canary"), "{text}");
        for url in ["ftp://127.0.0.1/", "file:///token", "127.0.0.1:42356/msi/token", ""] {
            assert!(identity(url).is_none(), "{url}");
        }
    }
}
