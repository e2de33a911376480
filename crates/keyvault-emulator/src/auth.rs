//! Tokens: issued by the emulator's own endpoints, and checked by its vaults.
//!
//! See [authentication, requests and responses](https://learn.microsoft.com/azure/key-vault/general/authentication-requests-and-responses).

use std::collections::HashMap;
use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::Deserialize;
use serde_json::json;

use crate::error::{MISSING_TOKEN, WireError};
use crate::random;

/// The audience of every vault in the public cloud.
pub(crate) const VAULT_AUDIENCE: &str = "https://vault.azure.net";

/// How long a token is good.
pub(crate) const LIFETIME: Duration = Duration::from_secs(3600);

/// Who a token is for and from: the claims that decide.
pub(crate) struct Claims<'a> {
    pub(crate) audience: &'a str,
    pub(crate) tenant: &'a str,
    pub(crate) client: &'a str,
}

/// The tokens issued so far.
#[derive(Default)]
pub(crate) struct Tokens {
    /// What a token is signed with, so that the next run knows it for one of ours.
    key: String,
    issued: HashMap<String, Issued>,
    /// The number of tokens at which the old ones are thrown away: twice what was left the last time.
    crowded_at: usize,
    accept_any: bool,
}

struct Issued {
    audience: String,
    tenant: String,
    expires: Duration,
    is_revoked: bool,
}

impl Tokens {
    /// Makes a register that takes any token at all where `accept_any`.
    pub(crate) fn new(accept_any: bool, key: &str) -> Self {
        Self { accept_any, key: key.to_owned(), ..Self::default() }
    }

    /// Issues a token. It has the shape of a JWT, since some clients look inside; the signature is for us alone.
    pub(crate) fn issue(&mut self, claims: &Claims<'_>, now: Duration) -> String {
        if self.issued.len() >= self.crowded_at {
            // One that has expired lately is still known, to be told apart from one that never was good.
            self.issued.retain(|_, issued| issued.expires + LIFETIME > now);
            self.crowded_at = (self.issued.len() * 2).max(1024);
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
        let issued = Issued {
            audience: claims.audience.to_owned(),
            tenant: claims.tenant.to_owned(),
            expires,
            is_revoked: false,
        };
        self.issued.insert(token.clone(), issued);
        token
    }

    /// Revokes every token issued until now.
    pub(crate) fn revoke(&mut self) {
        for issued in self.issued.values_mut() {
            issued.is_revoked = true;
        }
    }

    /// Checks an `Authorization` header against the audience and the tenant of the vault.
    pub(crate) fn check(
        &mut self,
        authorization: Option<&str>,
        audience: &str,
        tenant: &str,
        now: Duration,
    ) -> Result<(), WireError> {
        let missing = || WireError::unauthorized(MISSING_TOKEN);
        let token = authorization.and_then(bearer).ok_or_else(missing)?;
        if self.accept_any {
            return Ok(());
        }
        if !self.issued.contains_key(token) {
            let earlier = self.earlier(token).ok_or_else(missing)?;
            self.issued.insert(token.to_owned(), earlier);
        }
        let issued = self.issued.get(token).ok_or_else(missing)?;
        let found = issued.audience.trim_end_matches('/');
        if found != audience.trim_end_matches('/') && found != VAULT_AUDIENCE {
            return Err(WireError::unauthorized(format!(
                "AKV10022: Invalid audience. Expected {}, found: {}.",
                audience.trim_end_matches('/'),
                issued.audience
            )));
        }
        if issued.tenant != tenant {
            return Err(WireError::unauthorized(format!(
                "AKV10032: Invalid issuer. Expected one of {}, found {}.",
                issuer(tenant),
                issuer(&issued.tenant)
            )));
        }
        if issued.is_revoked || issued.expires <= now {
            return Err(WireError::unauthorized("[TokenExpired] Error validating token: 'S2S12086'."));
        }
        Ok(())
    }
}

impl Tokens {
    /// Reads a token that an earlier run issued; `None` for one that is none of ours.
    fn earlier(&self, token: &str) -> Option<Issued> {
        let (signed, signature) = token.rsplit_once('.')?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        hmac::verify(&self.hmac_key(), signed.as_bytes(), &signature).ok()?;
        let payload = URL_SAFE_NO_PAD.decode(signed.split_once('.')?.1).ok()?;
        let payload: Payload = serde_json::from_slice(&payload).ok()?;
        let expires = Duration::from_secs(payload.exp);
        Some(Issued { audience: payload.aud, tenant: payload.tid, expires, is_revoked: false })
    }

    fn hmac_key(&self) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, self.key.as_bytes())
    }
}

/// The claims that decide, as a token carries them.
#[derive(Deserialize)]
struct Payload {
    aud: String,
    tid: String,
    exp: u64,
}

/// Writes the challenge that a 401 carries.
pub(crate) fn challenge(authority: &str, tenant: &str, resource: &str) -> String {
    format!("Bearer authorization=\"{authority}/{tenant}\", resource=\"{resource}\"")
}

/// Writes the challenge that asks for a token issued from now on.
///
/// See [claims challenges](https://learn.microsoft.com/entra/identity-platform/claims-challenge).
pub(crate) fn claims_challenge(authority: &str, tenant: &str, now: Duration) -> String {
    let claims = json!({ "access_token": { "nbf": { "essential": true, "value": now.as_secs().to_string() } } });
    let claims = STANDARD.encode(claims.to_string());
    format!(
        "Bearer realm=\"\", authorization_uri=\"{authority}/{tenant}/oauth2/authorize\", error=\"insufficient_claims\", \
         claims=\"{claims}\""
    )
}

fn issuer(tenant: &str) -> String {
    format!("https://sts.windows.net/{tenant}/")
}

/// Takes the token out of a header; the scheme is compared without regard to case.
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

    fn message(tokens: &mut Tokens, header: Option<&str>, now: Duration) -> String {
        tokens.check(header, VAULT_AUDIENCE, "t", now).map_or_else(|error| error.message, |()| "good".to_owned())
    }

    #[test]
    fn only_a_token_of_ours_for_the_vault_and_in_its_time_is_good() {
        let mut tokens = Tokens::new(false, "key");
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
            (Some(plain.as_str()), NOW, "good"),
            (Some(lower.as_str()), NOW, "good"),
            (Some(slash.as_str()), NOW, "good"),
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
        assert_eq!(message(&mut tokens, Some(&format!("Bearer {fresh}")), NOW), "good");
    }

    #[test]
    fn a_token_outlives_the_run_that_issued_it_where_the_key_does() {
        let claims = Claims { audience: VAULT_AUDIENCE, tenant: "t", client: "c" };
        let header = format!("Bearer {}", Tokens::new(false, "key").issue(&claims, NOW));
        for (key, now, expected) in
            [("key", NOW, "good"), ("key", NOW + LIFETIME, "[TokenExpired]"), ("another", NOW, "AKV10000")]
        {
            let message = message(&mut Tokens::new(false, key), Some(&header), now);
            assert!(message.starts_with(expected), "{expected}: {message}");
        }
    }

    #[test]
    fn a_register_told_so_takes_any_token_but_not_none() {
        let mut tokens = Tokens::new(true, "key");
        assert_eq!(message(&mut tokens, Some("Bearer fake"), NOW), "good");
        assert!(message(&mut tokens, None, NOW).starts_with("AKV10000"));
    }
}
