//! The identity that Azure gives to a machine.

use std::sync::Arc;
use std::time::Duration;

use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_core::time::OffsetDateTime;
use reqwest::header::{HeaderName, HeaderValue};
use serde::Deserialize;
use tokio::time::{sleep, timeout};
use url::Url;
use zeroize::Zeroizing;

use super::step::Outcome;
use super::variables::{CLIENT, Variables};
use super::wrapped;
use crate::client::tls;
use crate::error::{Error, ErrorKind, Result};
use crate::report::ReferenceStatus;

/// The endpoint that gives tokens to whoever runs on this machine.
///
/// Asked by ourselves, for the credential of `azure_identity` reads the variables of the process by itself and waits for
/// minutes where there is no endpoint.
#[derive(Debug)]
struct ManagedIdentity {
    http: reqwest::Client,
    url: Url,
    header: (HeaderName, HeaderValue),
}

pub(super) async fn attempt(variables: &Variables, scope: &str) -> Outcome {
    let does_not_apply = |reason: &str| Outcome::DoesNotApply(reason.to_owned());
    let set = |name| variables.get(name).is_some();
    // https://learn.microsoft.com/azure/app-service/overview-managed-identity#rest-endpoint-reference
    if let (Some(endpoint), Some(header)) = (variables.get("IDENTITY_ENDPOINT"), variables.get("IDENTITY_HEADER")) {
        if set("IDENTITY_SERVER_THUMBPRINT") {
            return does_not_apply("the identity of Service Fabric is not supported");
        }
        let identity = HeaderValue::from_str(header).ok().and_then(|mut header| {
            header.set_sensitive(true);
            let name = HeaderName::from_static("x-identity-header");
            ManagedIdentity::new(endpoint, "2019-08-01", variables.get(CLIENT), (name, header))
        });
        return match identity {
            None => Outcome::Fails(failure(ErrorKind::Invalid, "IDENTITY_ENDPOINT or IDENTITY_HEADER is malformed")),
            Some(identity) => match identity.token(scope).await {
                Ok(token) => Outcome::Serves(Arc::new(identity), token),
                Err(error) => Outcome::Fails(error),
            },
        };
    }
    if set("IDENTITY_ENDPOINT") && set("IMDS_ENDPOINT") {
        return does_not_apply("the identity of Azure Arc is not supported");
    }
    if set("MSI_ENDPOINT") {
        return does_not_apply(
            "the identity that MSI_ENDPOINT stands for, of Cloud Shell or Azure ML, is not supported",
        );
    }
    of_virtual_machine(variables, scope).await
}

/// [The metadata service](https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token#get-a-token-using-http).
async fn of_virtual_machine(variables: &Variables, scope: &str) -> Outcome {
    let host = variables.get("AZURE_POD_IDENTITY_AUTHORITY_HOST").unwrap_or("http://169.254.169.254");
    let endpoint = format!("{}/metadata/identity/oauth2/token", host.trim_end_matches('/'));
    let header = (HeaderName::from_static("metadata"), HeaderValue::from_static("true"));
    let Some(identity) = ManagedIdentity::new(&endpoint, "2018-02-01", variables.get(CLIENT), header) else {
        return Outcome::Fails(failure(ErrorKind::Invalid, "AZURE_POD_IDENTITY_AUTHORITY_HOST is malformed"));
    };
    // Without its header a request cannot be mistaken for more than a knock: Azure answers 400, other clouds 401 or 404.
    let knock = identity.http.get(identity.url.clone()).send();
    match timeout(LONGEST_KNOCK, knock).await {
        Ok(Ok(answer)) if answer.status() == 400 => {}
        Ok(Ok(_)) => return Outcome::DoesNotApply("the metadata service of this machine is not Azure's".to_owned()),
        _ => return Outcome::DoesNotApply("no metadata service answers within a second".to_owned()),
    }
    match identity.token(scope).await {
        Ok(token) => Outcome::Serves(Arc::new(identity), token),
        Err(error) if error.kind() == ErrorKind::Denied => {
            Outcome::DoesNotApply("the machine has no such identity".to_owned())
        }
        Err(error) => Outcome::Fails(error),
    }
}

impl ManagedIdentity {
    fn new(endpoint: &str, api_version: &str, client: Option<&str>, header: (HeaderName, HeaderValue)) -> Option<Self> {
        let mut url = Url::parse(endpoint).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
        url.query_pairs_mut().append_pair("api-version", api_version);
        if let Some(client) = client {
            url.query_pairs_mut().append_pair("client_id", client);
        }
        let http = reqwest::Client::builder()
            // A metadata service is on the machine: who asks it through a proxy gives its token to the proxy.
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .tls_backend_preconfigured(tls::config_for_tokens().ok()?)
            .build()
            .ok()?;
        Some(Self { http, url, header })
    }

    /// The endpoint keeps tokens for us, and is busy now and then.
    async fn token(&self, scope: &str) -> Result<AccessToken> {
        for pause in PAUSES {
            match self.ask(scope).await {
                Err(error) if error.is_transient() => sleep(pause).await,
                settled => return settled,
            }
        }
        self.ask(scope).await
    }

    async fn ask(&self, scope: &str) -> Result<AccessToken> {
        let unreachable = |_| failure(ErrorKind::Unavailable, "managed identity endpoint could not be reached");
        let mut url = self.url.clone();
        url.query_pairs_mut().append_pair("resource", scope.strip_suffix("/.default").unwrap_or(scope));
        let (name, value) = self.header.clone();
        let mut answer = self.http.get(url).header(name, value).send().await.map_err(unreachable)?;
        let status = answer.status().as_u16();
        match status {
            200 => {}
            404 | 408 | 410 | 429 | 500..=599 => {
                return Err(failure(ErrorKind::Unavailable, "managed identity endpoint failed")
                    .caused_by(format!("it answered {status}")));
            }
            _ => {
                return Err(failure(ErrorKind::Denied, "no managed identity of this kind is assigned")
                    .caused_by(format!("its endpoint answered {status}")));
            }
        }
        let mut body = Zeroizing::new(Vec::with_capacity(LARGEST_ANSWER));
        while let Some(chunk) = answer.chunk().await.map_err(unreachable)? {
            if body.len() + chunk.len() > LARGEST_ANSWER {
                return Err(failure(ErrorKind::Unavailable, "managed identity endpoint answered with too much"));
            }
            body.extend_from_slice(&chunk);
        }
        let unreadable = || failure(ErrorKind::Unavailable, "managed identity endpoint answered with no token");
        let issued: Issued = serde_json::from_slice(&body).map_err(|_| unreadable())?;
        let expires_on = issued.expires_on().ok_or_else(unreadable)?;
        Ok(AccessToken::new(issued.access_token, expires_on))
    }
}

#[async_trait::async_trait]
impl TokenCredential for ManagedIdentity {
    async fn get_token(&self, scopes: &[&str], _: Option<TokenRequestOptions<'_>>) -> azure_core::Result<AccessToken> {
        self.token(scopes.first().copied().unwrap_or_default()).await.map_err(wrapped)
    }
}

/// What both endpoints answer; times are numbers in text, or numbers.
#[derive(Deserialize)]
struct Issued {
    access_token: String,
    expires_on: Option<serde_json::Value>,
    expires_in: Option<serde_json::Value>,
}

impl Issued {
    fn expires_on(&self) -> Option<OffsetDateTime> {
        let seconds = |value: &Option<serde_json::Value>| {
            let value = value.as_ref()?;
            value.as_i64().or_else(|| value.as_str()?.trim().parse().ok())
        };
        let after = || OffsetDateTime::now_utc().unix_timestamp().checked_add(seconds(&self.expires_in)?);
        OffsetDateTime::from_unix_timestamp(seconds(&self.expires_on).or_else(after)?).ok()
    }
}

fn failure(kind: ErrorKind, clause: &'static str) -> Error {
    Error::new(kind, clause).with_status(ReferenceStatus::MsiNotEnabled)
}

const LONGEST_KNOCK: Duration = Duration::from_secs(1);

/// [Guidance](https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token#retry-guidance).
const PAUSES: [Duration; 3] = [Duration::from_millis(500), Duration::from_secs(1), Duration::from_secs(2)];

const LARGEST_ANSWER: usize = 64 << 10;
