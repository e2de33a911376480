//! The managed identity endpoints of App Service and of a virtual machine.

use bytes::Bytes;
use http::Request;
use serde_json::{Value, json};

use super::token_issuer::{IdentityError, TokenIssuer};
use super::tokens::LIFETIME;
use crate::protocol::uri::query;

/// Issues a token to a program in App Service.
pub(super) fn app_service(issuer: TokenIssuer<'_>, request: &Request<Bytes>) -> Result<Value, IdentityError> {
    let header = request.headers().get("x-identity-header").map(http::HeaderValue::as_bytes);
    if header != Some(issuer.registration.header.as_bytes()) {
        let message = "The header X-IDENTITY-HEADER is missing or wrong.";
        return Err((401, json!({ "statusCode": 401, "message": message })));
    }
    token(issuer, request).map_err(|message| (400, json!({ "statusCode": 400, "message": message })))
}

/// Issues a token to a program on a virtual machine.
pub(super) fn virtual_machine(issuer: TokenIssuer<'_>, request: &Request<Bytes>) -> Result<Value, IdentityError> {
    let error = |message: &str| (400, json!({ "error": "invalid_request", "error_description": message }));
    let header = request.headers().get("metadata").and_then(|value| value.to_str().ok());
    if !header.is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        return Err(error("Required metadata header not specified"));
    }
    token(issuer, request).map_err(error)
}

/// Issues a token to the one identity. Numbers are strings, as in the responses of both endpoints.
fn token(mut issuer: TokenIssuer<'_>, request: &Request<Bytes>) -> Result<Value, &'static str> {
    let query = query(request.uri());
    let field = |name: &str| query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let resource = field("resource").filter(|resource| !resource.is_empty()).ok_or("The resource is missing.")?;
    if field("api-version").is_none() {
        return Err("The api-version is missing.");
    }
    let registration = issuer.registration;
    if field("client_id").is_some_and(|client| client != registration.client_id) {
        return Err("Identity not found");
    }
    let token = issuer.issue(resource, &registration.tenant_id);
    let now = issuer.now;
    Ok(json!({
        "access_token": token,
        "client_id": registration.client_id,
        "expires_in": LIFETIME.as_secs().to_string(),
        "expires_on": (now + LIFETIME).as_secs().to_string(),
        "not_before": now.as_secs().to_string(),
        "resource": resource,
        "token_type": "Bearer",
    }))
}
