//! The dates of a secret.

use std::time::SystemTime;

use crate::secret::{Secret, SecretProperties};

/// When a secret begins to be valid, and when it expires.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Dates {
    pub(crate) begins: Option<SystemTime>,
    pub(crate) expires: Option<SystemTime>,
}

impl Dates {
    /// Returns the dates that the vault has.
    pub(crate) fn of(properties: &SecretProperties) -> Self {
        Self { begins: properties.not_before(), expires: properties.expires() }
    }

    /// Returns the dates of the certificate that the secret has, if it has one. Takes about a millisecond.
    #[cfg(feature = "certificates")]
    pub(super) fn of_certificate(secret: &Secret) -> Self {
        match crate::certificate::Certificate::from_secret(secret) {
            Ok(certificate) => Self { begins: Some(certificate.not_before()), expires: Some(certificate.expires()) },
            Err(_) => Self::default(),
        }
    }

    #[cfg(not(feature = "certificates"))]
    pub(super) fn of_certificate(_: &Secret) -> Self {
        Self::default()
    }

    /// Returns when both apply.
    pub(super) fn and(self, other: Self) -> Self {
        let expires = self.expires.into_iter().chain(other.expires).min();
        Self { begins: self.begins.max(other.begins), expires }
    }
}
