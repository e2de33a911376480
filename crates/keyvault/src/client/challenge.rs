//! The challenge of a 401: the scope of the token that the vault accepts.

use url::Url;

use crate::error::{Error, ErrorKind, Result};
use crate::report::ReferenceStatus;
use crate::secret::{Cloud, Vault};

/// Returns the scope of the tokens that the vaults of `cloud` accept.
pub(crate) fn cloud_scope(cloud: Cloud) -> String {
    format!("https://{}/.default", cloud.dns_suffix())
}

/// Returns the scope that a challenge asks for. `None` if it asks for none.
///
/// A hostile server could ask for a token to another service, so the resource must be that of the cloud, or the host of
/// the origin that the program named. The tenant of the challenge is ignored; the credential knows its own.
///
/// [The challenge](https://learn.microsoft.com/azure/key-vault/general/authentication-requests-and-responses).
pub(super) fn scope(header: &str, vault: &Vault, cloud: Cloud) -> Result<Option<String>> {
    let scope = parameter(header, "scope").map(|scope| scope.strip_suffix("/.default").unwrap_or(scope));
    let resources = [parameter(header, "resource"), scope];
    let mut requested = None;
    for resource in resources.into_iter().flatten() {
        requested = Some(allowed(resource, vault, cloud).ok_or_else(refusal)?);
    }
    Ok(requested)
}

/// Returns whether a challenge demands claims that the token lacks: continuous access evaluation found a change since
/// the token was issued.
///
/// [The claims challenge](https://learn.microsoft.com/entra/identity-platform/claims-challenge).
pub(super) fn demands_claims(header: &str) -> bool {
    let is_insufficient = |error: &str| error.eq_ignore_ascii_case("insufficient_claims");
    parameter(header, "error").is_some_and(is_insufficient) && parameter(header, "claims").is_some()
}

fn allowed(resource: &str, vault: &Vault, cloud: Cloud) -> Option<String> {
    let scope = cloud_scope(cloud);
    let resource = resource.trim_end_matches('/');
    if format!("{resource}/.default").eq_ignore_ascii_case(&scope) {
        return Some(scope);
    }
    let named = vault.cloud().is_none();
    let host = Url::parse(resource).ok().filter(|url| {
        url.scheme() == "https" && url.username().is_empty() && url.password().is_none() && url.path() == "/"
    })?;
    let origin = vault.url().ok()?;
    let same = host.host() == origin.host() && (host.port().is_none() || host.port() == origin.port());
    (named && same).then(|| format!("{resource}/.default"))
}

fn refusal() -> Error {
    Error::new(ErrorKind::Denied, "vault asked for a token to another service")
        .with_status(ReferenceStatus::UnauthorizedClient)
}

fn parameter<'h>(header: &'h str, name: &str) -> Option<&'h str> {
    let mut parameters = bearer_parameters(header).into_iter();
    parameters.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// Parses the parameters of the `Bearer` challenge in a `WWW-Authenticate` header
/// ([RFC 9110](https://www.rfc-editor.org/rfc/rfc9110.html#section-11.6.1)), quoted or not.
fn bearer_parameters(header: &str) -> Vec<(&str, &str)> {
    let Some(bearer) = header.to_ascii_lowercase().find("bearer ") else {
        return Vec::new();
    };
    let mut rest = &header[bearer + "bearer ".len()..];
    let mut parameters = Vec::new();
    while let Some((key, after)) = rest.split_once('=') {
        let (value, after) = match after.trim_start().strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => after.split_once([',', ' ']).unwrap_or((after, "")),
        };
        let key = key.trim_matches([',', ' ', '\t']);
        if key.contains(' ') {
            // Another scheme starts here.
            break;
        }
        parameters.push((key, value));
        rest = after;
    }
    parameters
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_resource_of_the_cloud_or_of_a_named_origin_is_accepted() {
        let azure = "https://contoso.vault.azure.net";
        let local = "https://127.0.0.1:8443";
        let cloud = Some("https://vault.azure.net/.default");
        for (vault, header, expected) in [
            (
                azure,
                r#"Bearer authorization="https://login.microsoftonline.com/t", resource="https://vault.azure.net""#,
                Ok(cloud),
            ),
            (azure, r#"Bearer resource="https://vault.azure.net/""#, Ok(cloud)),
            (azure, r#"bearer authorization=https://l/t,resource=https://vault.azure.net"#, Ok(cloud)),
            (azure, r#"Bearer authorization="https://l/t" scope="https://vault.azure.net/.default""#, Ok(cloud)),
            (azure, r#"PoP nonce="1", Bearer resource="https://vault.azure.net""#, Ok(cloud)),
            (azure, r#"Bearer authorization="https://l/t""#, Ok(None)),
            (azure, "Basic realm=x", Ok(None)),
            (azure, "", Ok(None)),
            (azure, "Bearer ", Ok(None)),
            (local, r#"Bearer resource="https://vault.azure.net""#, Ok(cloud)),
            (local, r#"Bearer resource="https://127.0.0.1:8443""#, Ok(Some("https://127.0.0.1:8443/.default"))),
            (local, r#"Bearer resource="https://127.0.0.1""#, Ok(Some("https://127.0.0.1/.default"))),
            (local, r#"Bearer resource="https://127.0.0.1:9""#, Err(())),
            (local, r#"Bearer resource="http://127.0.0.1:8443""#, Err(())),
            (local, r#"Bearer resource="https://user@127.0.0.1:8443""#, Err(())),
            (local, r#"Bearer resource="https://127.0.0.1:8443/path""#, Err(())),
            (local, r#"Bearer resource="https://vault.azure.cn""#, Err(())),
            (local, r#"Bearer resource="https://management.azure.com""#, Err(())),
            (azure, r#"Bearer resource="https://management.azure.com""#, Err(())),
            (azure, r#"Bearer resource="https://contoso.vault.azure.net""#, Err(())),
            (azure, r#"Bearer resource="https://vault.azure.net.evil.example""#, Err(())),
            (
                azure,
                r#"Bearer resource="https://vault.azure.net", scope="https://graph.microsoft.com/.default""#,
                Err(()),
            ),
            (azure, r#"Bearer resource="http://vault.azure.net""#, Err(())),
            (azure, r#"Bearer resource="vault.azure.net""#, Err(())),
            (azure, r#"Bearer resource="""#, Err(())),
        ] {
            let found = scope(header, &Vault::parse(vault).unwrap(), Cloud::Public).map_err(|_| ());
            let expected = expected.map(|scope| scope.map(str::to_owned));
            assert_eq!(found, expected, "{vault}: {header}");
        }
    }

    #[test]
    fn a_demand_for_claims_differs_from_a_plain_challenge() {
        for (header, demands) in [
            (r#"Bearer realm="", error="insufficient_claims", claims="eyJ4Ijp7fX0=""#, true),
            (
                r#"Bearer authorization="https://l/t", resource="https://vault.azure.net", Error=insufficient_claims, claims="e30""#,
                true,
            ),
            (r#"Bearer error="insufficient_claims""#, false),
            (r#"Bearer error="invalid_token", claims="e30=""#, false),
            (r#"Bearer authorization="https://l/t", resource="https://vault.azure.net""#, false),
            ("", false),
        ] {
            assert_eq!(demands_claims(header), demands, "{header}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_header_panics(header in ".{0,80}") {
            let vault = Vault::parse("https://contoso.vault.azure.net").unwrap();
            let _ = scope(&format!("Bearer {header}"), &vault, Cloud::Public);
            let _ = scope(&header, &vault, Cloud::Public);
            let _ = demands_claims(&format!("Bearer {header}"));
        }
    }
}
