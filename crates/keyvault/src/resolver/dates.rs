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

    /// Returns the dates of the certificate that the secret has, and of its issuers, if it has one that costs little to
    /// read. Takes about a millisecond. A container with many iterations takes up to a tenth of a second, and longer
    /// with SHA-512.
    #[cfg(feature = "certificates")]
    pub(super) fn of_certificate(secret: &Secret) -> Self {
        crate::certificate::Certificate::read_cheaply(secret).map_or_else(Self::default, |certificate| Self {
            begins: Some(certificate.not_before()),
            expires: Some(certificate.chain_expires()),
        })
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
