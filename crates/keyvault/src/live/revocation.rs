//! Secrets that a vault takes away from settings in use.

use crate::error::{Error, ErrorKind};
use crate::secret::SecretId;

/// The consequence when a secret in use is deleted or disabled, or may not be read any more.
///
/// A refusal by the vault's network rules is never a revocation, and neither is any failure of a store of settings.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Revocation {
    /// The last good settings stay, and health stays green as long as they are young enough. A changed role assignment
    /// causes the same answer as a revoked secret.
    #[default]
    Keep,
    /// Health turns red at once, and every watcher receives a [`Notice::Revoked`](super::Notice::Revoked), until a
    /// refresh succeeds again. The last settings can still be read, so that the application can shut down in order.
    Revoke,
}

/// Returns whether the vault took away one of the secrets in use. A refusal by network rules takes nothing away, and
/// neither does a store of settings, which has no secrets.
pub(super) fn takes_away(error: &Error, is_used: impl Fn(&SecretId) -> bool) -> bool {
    error.failures().iter().any(|failure| {
        let is_refusal = matches!(failure.kind(), ErrorKind::Denied | ErrorKind::NotFound);
        let is_of_network = matches!(failure.inner_code(), Some("ForbiddenByFirewall" | "ForbiddenByConnection"));
        // A denied list names no secret and concerns all of them.
        is_refusal && !is_of_network && !failure.is_of_store() && failure.secret().is_none_or(&is_used)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::SecretName;

    #[test]
    fn only_refusals_of_secrets_in_use_take_away() {
        let id = |name: &str| SecretId::parse(&format!("https://contoso.vault.azure.net/secrets/{name}")).unwrap();
        let firewall = crate::error::ServiceAnswer {
            http_status: 403,
            code: Some("Forbidden".into()),
            inner_code: Some("ForbiddenByFirewall".into()),
            request_id: None,
        };
        let denied = || Error::new(ErrorKind::Denied, "access denied");
        let store = SecretId::new(id("used").vault().clone(), SecretName::of_store("App Configuration", 1));
        for (error, expected) in [
            (denied().about(&id("used")), true),
            (Error::new(ErrorKind::NotFound, "secret not found").about(&id("used")), true),
            (denied(), true),
            (denied().about(&id("unused")), false),
            (denied().about(&id("used")).with_answer(firewall), false),
            (denied().about(&store), false),
            (Error::new(ErrorKind::NotFound, "snapshot not found").about(&store), false),
            (Error::new(ErrorKind::Unavailable, "down").about(&id("used")), false),
            (Error::new(ErrorKind::InvalidSettings, "not valid"), false),
        ] {
            let is_used = |used: &SecretId| *used == id("used") || *used == store;
            assert_eq!(takes_away(&error, is_used), expected, "{error}");
        }
    }
}
