//! Tokens, which the emulator's own endpoints issue and its vaults check.
//!
//! See [authentication, requests and
//! responses](https://learn.microsoft.com/azure/key-vault/general/authentication-requests-and-responses).

use std::collections::HashMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use serde::Deserialize;
use serde_json::json;

use crate::protocol::{ErrorResponse, MISSING_TOKEN};
use crate::random;

/// The audience of every vault in the public cloud.
pub(crate) const VAULT_AUDIENCE: &str = "https://vault.azure.net";

/// The lifetime of a token.
pub(crate) const LIFETIME: Duration = Duration::from_secs(3600);

/// The claims of a new token.
pub(crate) struct Claims<'a> {
    pub(crate) audience: &'a str,
    pub(crate) tenant: &'a str,
    pub(crate) client: &'a str,
}

/// The issued tokens.
#[derive(Default)]
pub(crate) struct TokenRegistry {
    /// The key that signs tokens, by which the next run recognizes them.
    key: String,
    issued: HashMap<String, IssuedToken>,
    /// The number of tokens at which expired ones are removed: twice the number left by the last removal.
    cleanup_at: usize,
    accept_any: bool,
}

struct IssuedToken {
    audience: String,
    tenant: String,
    expires: Duration,
    is_revoked: bool,
}

impl TokenRegistry {
    /// Creates an empty registry. With `accept_any` it accepts every bearer token.
    pub(crate) fn new(accept_any: bool, key: &str) -> Self {
        Self { accept_any, key: key.to_owned(), ..Self::default() }
    }

    /// Issues a token. It has the form of a JWT, because some clients parse it. Only this registry can check its
    /// signature.
    pub(crate) fn issue(&mut self, claims: &Claims<'_>, now: Duration) -> String {
        if self.issued.len() >= self.cleanup_at {
            // A recently expired token stays, so that its error differs from that of an unknown token.
            self.issued.retain(|_, issued| issued.expires + LIFETIME > now);
            self.cleanup_at = (self.issued.len() * 2).max(1024);
        }
        let expires = now + LIFETIME;
        let header = json!({ "typ": "JWT", "alg": "RS256", "kid": "emulator" });
        let payload = json!({
            "aud": claims.audience,
            "iss": issuer(claims.tenant),
            "iat": now.as_secs(),
            "nbf": now.as_secs(),
            "exp": expires.as_secs(),
            "appid": claims.client,
            "oid": claims.client,
            "sub": claims.client,
            "tid": claims.tenant,
            "ver": "1.0",
            "uti": random::hex(),
        });
        let [header, payload] = [header, payload].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        let signed = format!("{header}.{payload}");
        let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(hmac::sign(&self.hmac_key(), signed.as_bytes())));
        let issued = IssuedToken {
            audience: claims.audience.to_owned(),
            tenant: claims.tenant.to_owned(),
            expires,
            is_revoked: false,
        };
        self.issued.insert(token.clone(), issued);
        token
    }

    /// Revokes every token issued so far.
    pub(crate) fn revoke(&mut self) {
        for issued in self.issued.values_mut() {
            issued.is_revoked = true;
        }
    }

    /// Checks an `Authorization` header against the audience and tenant of a vault.
    pub(crate) fn check(
        &mut self,
        authorization: Option<&str>,
        audience: &str,
        tenant: &str,
        now: Duration,
    ) -> Result<(), ErrorResponse> {
        let expected = audience.trim_end_matches('/');
        let is_audience = |found: &str| found == expected || found == VAULT_AUDIENCE;
        self.validate(authorization, is_audience, tenant, now).map_err(|error| {
            ErrorResponse::unauthorized(match error {
                TokenError::Missing => MISSING_TOKEN.to_owned(),
                TokenError::Audience(found) => {
                    format!("AKV10022: Invalid audience. Expected {expected}, found: {found}.")
                }
                TokenError::Tenant(found) => {
                    let (tenant, found) = (issuer(tenant), issuer(&found));
                    format!("AKV10032: Invalid issuer. Expected one of {tenant}, found {found}.")
                }
                TokenError::Expired => "[TokenExpired] Error validating token: 'S2S12086'.".to_owned(),
            })
        })
    }

    /// Checks an `Authorization` header against the audiences and the tenant of a service. `is_audience` receives an
    /// audience without a trailing slash.
    pub(crate) fn validate(
        &mut self,
        authorization: Option<&str>,
        is_audience: impl Fn(&str) -> bool,
        tenant: &str,
        now: Duration,
    ) -> Result<(), TokenError> {
        let token = authorization.and_then(bearer).ok_or(TokenError::Missing)?;
        if self.accept_any {
            return Ok(());
        }
        if !self.issued.contains_key(token) {
            let verified = self.verify(token).ok_or(TokenError::Missing)?;
            self.issued.insert(token.to_owned(), verified);
        }
        let issued = self.issued.get(token).ok_or(TokenError::Missing)?;
        if !is_audience(issued.audience.trim_end_matches('/')) {
            return Err(TokenError::Audience(issued.audience.clone()));
        }
        if issued.tenant != tenant {
            return Err(TokenError::Tenant(issued.tenant.clone()));
        }
        if issued.is_revoked || issued.expires <= now {
            return Err(TokenError::Expired);
        }
        Ok(())
    }

    /// Verifies a token that an earlier run issued with the same key. `None` for any other token.
    fn verify(&self, token: &str) -> Option<IssuedToken> {
        let (signed, signature) = token.rsplit_once('.')?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        hmac::verify(&self.hmac_key(), signed.as_bytes(), &signature).ok()?;
        let payload = URL_SAFE_NO_PAD.decode(signed.split_once('.')?.1).ok()?;
        let payload: TokenPayload = serde_json::from_slice(&payload).ok()?;
        let expires = Duration::from_secs(payload.exp);
        Some(IssuedToken { audience: payload.aud, tenant: payload.tid, expires, is_revoked: false })
    }

    fn hmac_key(&self) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, self.key.as_bytes())
    }
}

/// The reason why a token is not valid.
#[derive(Debug)]
pub(crate) enum TokenError {
    /// There is no token, or another authority issued it.
    Missing,
    /// The token is for another audience.
    Audience(String),
    /// The token is of another tenant.
    Tenant(String),
    /// The token is expired or revoked.
    Expired,
}

/// The claims of an issued token that a vault checks.
#[derive(Deserialize)]
struct TokenPayload {
    aud: String,
    tid: String,
    exp: u64,
}

fn issuer(tenant: &str) -> String {
    format!("https://sts.windows.net/{tenant}/")
}

/// Returns the token of a header. The scheme is case-insensitive.
fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    let token = token.trim();
    let is_known = ["bearer", "pop"].iter().any(|known| scheme.eq_ignore_ascii_case(known));
    (is_known && !token.is_empty()).then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1_800_000_000);

    fn message(tokens: &mut TokenRegistry, header: Option<&str>, now: Duration) -> String {
        tokens.check(header, VAULT_AUDIENCE, "t", now).map_or_else(|error| error.message, |()| "valid".to_owned())
    }

    #[test]
    fn only_an_issued_unexpired_token_for_the_vault_is_valid() {
        let mut tokens = TokenRegistry::new(false, "key");
        let mut issue =
            |audience, tenant| format!("Bearer {}", tokens.issue(&Claims { audience, tenant, client: "c" }, NOW));
        let plain = issue(VAULT_AUDIENCE, "t");
        let slash = issue("https://vault.azure.net/", "t");
        let graph = issue("https://management.azure.com/", "t");
        let foreign = issue(VAULT_AUDIENCE, "other");
        let lower = plain.replacen("Bearer", "bearer", 1);
        for (header, now, expected) in [
            (None, NOW, "AKV10000"),
            (Some("Bearer "), NOW, "AKV10000"),
            (Some("Basic abc"), NOW, "AKV10000"),
            (Some("Bearer abc.def.ghi"), NOW, "AKV10000"),
            (Some(plain.as_str()), NOW, "valid"),
            (Some(lower.as_str()), NOW, "valid"),
            (Some(slash.as_str()), NOW, "valid"),
            (
                Some(graph.as_str()),
                NOW,
                "AKV10022: Invalid audience. Expected https://vault.azure.net, found: https://management.azure.com/.",
            ),
            (Some(foreign.as_str()), NOW, "AKV10032"),
            (Some(plain.as_str()), NOW + LIFETIME, "[TokenExpired]"),
        ] {
            let message = message(&mut tokens, header, now);
            assert!(message.starts_with(expected), "{expected}: {message}");
        }

        tokens.revoke();
        assert!(message(&mut tokens, Some(&plain), NOW).starts_with("[TokenExpired]"));
        let fresh = tokens.issue(&Claims { audience: VAULT_AUDIENCE, tenant: "t", client: "c" }, NOW);
        assert_eq!(message(&mut tokens, Some(&format!("Bearer {fresh}")), NOW), "valid");
    }

    #[test]
    fn a_token_is_valid_in_the_next_run_with_the_same_key() {
        let claims = Claims { audience: VAULT_AUDIENCE, tenant: "t", client: "c" };
        let header = format!("Bearer {}", TokenRegistry::new(false, "key").issue(&claims, NOW));
        for (key, now, expected) in
            [("key", NOW, "valid"), ("key", NOW + LIFETIME, "[TokenExpired]"), ("another", NOW, "AKV10000")]
        {
            let message = message(&mut TokenRegistry::new(false, key), Some(&header), now);
            assert!(message.starts_with(expected), "{expected}: {message}");
        }
    }

    #[test]
    fn a_registry_that_accepts_any_token_still_requires_one() {
        let mut tokens = TokenRegistry::new(true, "key");
        assert_eq!(message(&mut tokens, Some("Bearer fake"), NOW), "valid");
        assert!(message(&mut tokens, None, NOW).starts_with("AKV10000"));
    }
}
