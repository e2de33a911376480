//! What becomes of settings whose secrets the vault takes away.

use crate::error::{Error, ErrorKind};
use crate::secret::SecretId;

/// What it means that the vault says no: a secret that is in use was deleted, disabled, or may not be read any more.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Revocation {
    /// The last good settings stand, and health is green as long as they are young enough: a role that was just changed
    /// or a firewall says no as well.
    #[default]
    Keep,
    /// Health is red at once and every watcher is told by a [`Notice::Revoked`](super::Notice::Revoked), until a refresh
    /// succeeds again. The last settings can still be read, so that the application can end its work in order.
    Revoke,
}

/// Tells whether the vault took away one of the secrets in use. What a network's rules refuse was not taken away.
pub(super) fn takes_away(error: &Error, is_used: impl Fn(&SecretId) -> bool) -> bool {
    error.failures().iter().any(|failure| {
        let is_refusal = matches!(failure.kind(), ErrorKind::Denied | ErrorKind::NotFound);
        let is_of_network = matches!(failure.inner_code(), Some("ForbiddenByFirewall" | "ForbiddenByConnection"));
        // A list that is denied is about no single secret, and about all of them.
        is_refusal && !is_of_network && failure.secret().is_none_or(&is_used)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_vault_says_of_secrets_in_use_takes_away() {
        let id = |name: &str| SecretId::parse(&format!("https://contoso.vault.azure.net/secrets/{name}")).unwrap();
        let firewall = crate::error::ServiceAnswer {
            http_status: 403,
            code: Some("Forbidden".into()),
            inner_code: Some("ForbiddenByFirewall".into()),
            request_id: None,
        };
        let denied = || Error::new(ErrorKind::Denied, "access denied");
        for (error, expected) in [
            (denied().about(&id("used")), true),
            (Error::new(ErrorKind::NotFound, "secret not found").about(&id("used")), true),
            (denied(), true),
            (denied().about(&id("unused")), false),
            (denied().about(&id("used")).with_answer(firewall), false),
            (Error::new(ErrorKind::Unavailable, "down").about(&id("used")), false),
            (Error::new(ErrorKind::InvalidSettings, "not valid"), false),
        ] {
            assert_eq!(takes_away(&error, |used| *used == id("used")), expected, "{error}");
        }
    }
}
