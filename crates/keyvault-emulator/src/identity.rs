//! Where tokens come from: Entra's token endpoint, and the managed identity endpoints of App Service and of a
//! virtual machine.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::auth::{Claims, LIFETIME};
use crate::random;
use crate::route::{Operation, segments};
use crate::service::{Service, State, query, respond};

/// Who the emulator's one tenant and one application are.
#[derive(Clone, Deserialize, Serialize)]
pub(crate) struct Identity {
    pub(crate) tenant_id: String,
    pub(crate) client_id: String,
    pub(crate) client_secret: String,
    /// What App Service wants to see in a header.
    pub(crate) header: String,
    /// What tokens are signed with.
    pub(crate) token_key: String,
}

impl Identity {
    /// Makes an identity that nobody can guess.
    pub(crate) fn random() -> Self {
        Self {
            tenant_id: random::uuid(),
            client_id: random::uuid(),
            client_secret: random::hex(),
            header: random::hex(),
            token_key: random::hex(),
        }
    }
}

/// An endpoint that a path names.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Endpoint {
    /// [Client credentials](https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow).
    Entra { tenant: String },
    /// [App Service](https://learn.microsoft.com/azure/app-service/overview-managed-identity#rest-endpoint-reference).
    AppService,
    /// [Virtual machine](https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token).
    VirtualMachine,
    /// The OpenID configuration of a tenant.
    OpenId { tenant: String },
    /// The keys of a tenant: none, for nobody need check a signature here.
    Keys,
    /// The list of authorities that belong together.
    Instances,
    /// What the Azure CLI asks the resource manager for when it logs in: there are no subscriptions.
    Subscriptions,
}

impl Endpoint {
    /// Finds the endpoint of a path; `None` for a path of the vault.
    pub(crate) fn parse(path: &str) -> Option<Self> {
        let segments = segments(path);
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        Some(match *segments {
            ["msi", "token"] => Self::AppService,
            ["metadata", "identity", "oauth2", "token"] => Self::VirtualMachine,
            ["common", "discovery", "instance"] => Self::Instances,
            ["subscriptions" | "tenants"] => Self::Subscriptions,
            [tenant, "oauth2", "v2.0", "token"] | [tenant, "oauth2", "token"] => {
                Self::Entra { tenant: tenant.to_owned() }
            }
            [tenant, "v2.0", ".well-known", "openid-configuration"]
            | [tenant, ".well-known", "openid-configuration"] => Self::OpenId { tenant: tenant.to_owned() },
            [_, "discovery", "v2.0", "keys"] => Self::Keys,
            _ => return None,
        })
    }

    /// Says what a request to it counts as.
    pub(crate) fn operation(&self) -> Operation {
        match self {
            Self::Entra { .. } | Self::AppService | Self::VirtualMachine => Operation::Token,
            Self::OpenId { .. } | Self::Keys | Self::Instances | Self::Subscriptions => Operation::Discovery,
        }
    }

    /// Answers a request. `base` is this server as the client spells it.
    pub(crate) fn answer(
        &self,
        service: &Service,
        state: &mut State,
        request: &Request<Bytes>,
        base: &str,
    ) -> Response<Bytes> {
        let (wanted, answer) = match self {
            Self::Entra { tenant } => (Method::POST, entra(service, state, request.body(), tenant)),
            Self::AppService => (Method::GET, app_service(service, state, request)),
            Self::VirtualMachine => (Method::GET, virtual_machine(service, state, request)),
            Self::OpenId { tenant } => (Method::GET, Ok(open_id(base, tenant))),
            Self::Keys => (Method::GET, Ok(json!({ "keys": [] }))),
            Self::Instances => (Method::GET, Ok(instances(base))),
            Self::Subscriptions => (Method::GET, Ok(json!({ "value": [] }))),
        };
        let (status, body) = if *request.method() != wanted {
            (405, json!({ "error": "invalid_request", "error_description": format!("Use {wanted}.") }))
        } else {
            answer.map_or_else(|(status, body)| (status, body), |body| (200, body))
        };
        respond(status, "application/json; charset=utf-8", body.to_string())
    }
}

/// A refusal: a status and its body.
type Refusal = (u16, Value);

fn entra(service: &Service, state: &mut State, body: &Bytes, tenant: &str) -> Result<Value, Refusal> {
    let form: Vec<(String, String)> = form_urlencoded::parse(body).into_owned().collect();
    let field = |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());

    if field("grant_type") != Some("client_credentials") {
        return Err(aadsts(400, "unsupported_grant_type", 70003, "The app requested an unsupported grant type."));
    }
    // Older clients ask the endpoint of version 1, for a resource.
    let Some(scope) = field("scope").or(field("resource")) else {
        let message = "The request body must contain the following parameter: 'scope'.";
        return Err(aadsts(400, "invalid_request", 900144, message));
    };
    let client = field("client_id").unwrap_or_default();
    if client != service.identity.client_id {
        let message = format!("Application with identifier '{client}' was not found in the directory '{tenant}'.");
        return Err(aadsts(400, "unauthorized_client", 700_016, &message));
    }
    // An assertion stands for a federated credential; the emulator trusts whoever signed it.
    let has_assertion = field("client_assertion").is_some_and(|assertion| !assertion.is_empty());
    if field("client_secret") != Some(&service.identity.client_secret) && !has_assertion {
        let message = format!(
            "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, \
             not the client secret ID, for a secret added to app '{client}'."
        );
        return Err(aadsts(401, "invalid_client", 7_000_215, &message));
    }

    let audience = scope.split(' ').next().unwrap_or_default();
    let audience = audience.strip_suffix("/.default").unwrap_or(audience);
    // The two names that stand for "the tenant the application lives in".
    let tenant = if matches!(tenant, "common" | "organizations") { &service.identity.tenant_id } else { tenant };
    let claims = Claims { audience, tenant, client: &service.identity.client_id };
    let now = service.now();
    Ok(token_answer(state.tokens.issue(&claims, now), field("resource"), now))
}

/// Writes a token as the endpoint of version 1 does, which is asked for a resource, or as that of version 2.
fn token_answer(token: String, resource: Option<&str>, now: Duration) -> Value {
    let lifetime = LIFETIME.as_secs() - 1;
    match resource {
        Some(resource) => json!({
            "token_type": "Bearer",
            "expires_in": lifetime.to_string(),
            "ext_expires_in": lifetime.to_string(),
            "expires_on": (now.as_secs() + lifetime).to_string(),
            "not_before": now.as_secs().to_string(),
            "resource": resource,
            "access_token": token,
        }),
        None => json!({
            "token_type": "Bearer",
            "expires_in": lifetime,
            "ext_expires_in": lifetime,
            "access_token": token,
        }),
    }
}

fn app_service(service: &Service, state: &mut State, request: &Request<Bytes>) -> Result<Value, Refusal> {
    let header = request.headers().get("x-identity-header").map(http::HeaderValue::as_bytes);
    if header != Some(service.identity.header.as_bytes()) {
        let message = "The header X-IDENTITY-HEADER is missing or wrong.";
        return Err((401, json!({ "statusCode": 401, "message": message })));
    }
    managed_identity(service, state, request).map_err(|message| (400, json!({ "statusCode": 400, "message": message })))
}

fn virtual_machine(service: &Service, state: &mut State, request: &Request<Bytes>) -> Result<Value, Refusal> {
    let refuse = |message: &str| (400, json!({ "error": "invalid_request", "error_description": message }));
    let header = request.headers().get("metadata").and_then(|value| value.to_str().ok());
    if !header.is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        return Err(refuse("Required metadata header not specified"));
    }
    managed_identity(service, state, request).map_err(refuse)
}

/// Issues a token to the one identity there is; numbers are strings, as both endpoints write them.
fn managed_identity(service: &Service, state: &mut State, request: &Request<Bytes>) -> Result<Value, &'static str> {
    let query = query(request.uri());
    let field = |name: &str| query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let resource = field("resource").filter(|resource| !resource.is_empty()).ok_or("The resource is missing.")?;
    if field("api-version").is_none() {
        return Err("The api-version is missing.");
    }
    if field("client_id").is_some_and(|client| client != service.identity.client_id) {
        return Err("Identity not found");
    }
    let claims =
        Claims { audience: resource, tenant: &service.identity.tenant_id, client: &service.identity.client_id };
    let now = service.now();
    let token = state.tokens.issue(&claims, now);
    Ok(json!({
        "access_token": token,
        "client_id": service.identity.client_id,
        "expires_in": LIFETIME.as_secs().to_string(),
        "expires_on": (now + LIFETIME).as_secs().to_string(),
        "not_before": now.as_secs().to_string(),
        "resource": resource,
        "token_type": "Bearer",
    }))
}

fn open_id(base: &str, tenant: &str) -> Value {
    json!({
        "issuer": format!("{base}/{tenant}/v2.0"),
        "authorization_endpoint": format!("{base}/{tenant}/oauth2/v2.0/authorize"),
        "token_endpoint": format!("{base}/{tenant}/oauth2/v2.0/token"),
        "jwks_uri": format!("{base}/{tenant}/discovery/v2.0/keys"),
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"],
        "response_types_supported": ["code"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
    })
}

fn instances(base: &str) -> Value {
    let host = base.split_once("://").map_or(base, |(_, host)| host);
    json!({
        "tenant_discovery_endpoint": format!("{base}/common/v2.0/.well-known/openid-configuration"),
        "api-version": "1.1",
        "metadata": [{ "preferred_network": host, "preferred_cache": host, "aliases": [host] }],
    })
}

/// Writes an error as Entra does.
///
/// See [error codes](https://learn.microsoft.com/entra/identity-platform/reference-error-codes).
fn aadsts(status: u16, error: &str, code: u32, message: &str) -> Refusal {
    let (trace, correlation) = (random::uuid(), random::uuid());
    let description = format!("AADSTS{code}: {message} Trace ID: {trace} Correlation ID: {correlation}");
    let body = json!({
        "error": error,
        "error_description": description,
        "error_codes": [code],
        "trace_id": trace,
        "correlation_id": correlation,
    });
    (status, body)
}
