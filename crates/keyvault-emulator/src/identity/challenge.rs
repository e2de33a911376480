//! The challenges in the header `WWW-Authenticate` of a 401.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

/// Returns the challenge for a missing or invalid token.
pub(crate) fn challenge(authority: &str, tenant: &str, resource: &str) -> String {
    format!("Bearer authorization=\"{authority}/{tenant}\", resource=\"{resource}\"")
}

/// Returns the challenge for a token issued no earlier than `now`.
///
/// See [claims challenges](https://learn.microsoft.com/entra/identity-platform/claims-challenge).
pub(crate) fn claims_challenge(authority: &str, tenant: &str, now: Duration) -> String {
    let claims = json!({ "access_token": { "nbf": { "essential": true, "value": now.as_secs().to_string() } } });
    let claims = STANDARD.encode(claims.to_string());
    format!(
        "Bearer realm=\"\", authorization_uri=\"{authority}/{tenant}/oauth2/authorize\", \
         error=\"insufficient_claims\", claims=\"{claims}\""
    )
}
