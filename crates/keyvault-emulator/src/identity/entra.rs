//! Entra's token endpoint.

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};

use super::token_issuer::{IdentityError, TokenIssuer};
use super::tokens::LIFETIME;
use crate::random;

/// Issues a token for client credentials.
pub(super) fn token(mut issuer: TokenIssuer<'_>, body: &Bytes, tenant: &str) -> Result<Value, IdentityError> {
    let form: Vec<(String, String)> = form_urlencoded::parse(body).into_owned().collect();
    let field = |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());

    if field("grant_type") != Some("client_credentials") {
        return Err(aadsts(400, "unsupported_grant_type", 70003, "The app requested an unsupported grant type."));
    }
    // Older clients use version 1 of the endpoint, which takes a resource.
    let Some(scope) = field("scope").or(field("resource")) else {
        let message = "The request body must contain the following parameter: 'scope'.";
        return Err(aadsts(400, "invalid_request", 900144, message));
    };
    let registration = issuer.registration;
    let client = field("client_id").unwrap_or_default();
    if client != registration.client_id {
        let message = format!("Application with identifier '{client}' was not found in the directory '{tenant}'.");
        return Err(aadsts(400, "unauthorized_client", 700_016, &message));
    }
    // An assertion represents a federated credential. The emulator trusts every issuer of assertions.
    let has_assertion = field("client_assertion").is_some_and(|assertion| !assertion.is_empty());
    if field("client_secret") != Some(&registration.client_secret) && !has_assertion {
        let message = format!(
            "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, \
             not the client secret ID, for a secret added to app '{client}'."
        );
        return Err(aadsts(401, "invalid_client", 7_000_215, &message));
    }

    let audience = scope.split(' ').next().unwrap_or_default();
    let audience = audience.strip_suffix("/.default").unwrap_or(audience);
    // These two names mean the tenant of the application.
    let tenant = if matches!(tenant, "common" | "organizations") { &registration.tenant_id } else { tenant };
    Ok(token_body(issuer.issue(audience, tenant), field("resource"), issuer.now))
}

/// Returns the body of a successful response, in the form of version 1 if the request names a resource, else of version
/// 2.
fn token_body(token: String, resource: Option<&str>, now: Duration) -> Value {
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

/// Creates an error in Entra's form.
///
/// See [error codes](https://learn.microsoft.com/entra/identity-platform/reference-error-codes).
fn aadsts(status: u16, error: &str, code: u32, message: &str) -> IdentityError {
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
