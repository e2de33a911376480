//! How a vault differs from the stores of other services.

use tracing::{Span, field};

use super::challenge;
use crate::error::{Error, ErrorKind, Result};
use crate::http::{Operation, Service, Subject};
use crate::secret::{Cloud, NEAR_MISS, Vault};

/// The service behind one vault.
#[derive(Debug)]
pub(super) struct VaultService {
    pub(super) vault: Vault,
    /// The cloud whose tokens the vault accepts.
    pub(super) cloud: Cloud,
}

impl Service for VaultService {
    fn noun(&self) -> &'static str {
        "vault"
    }

    fn span(&self, operation: &dyn Operation) -> Span {
        tracing::info_span!(
            "keyvault",
            vault = %self.vault,
            operation = operation.name(),
            status = field::Empty,
            attempts = field::Empty,
            duration = field::Empty,
            request_id = field::Empty,
        )
    }

    fn log(&self, subject: Option<&Subject>) {
        let secret = match subject {
            Some(Subject::Secret(id)) => Some(field::display(id.name())),
            _ => None,
        };
        tracing::debug!(secret, "asked the vault");
    }

    fn scope(&self, challenge: &str) -> Result<Option<String>> {
        challenge::scope(challenge, &self.vault, self.cloud)
    }

    fn explain(&self, error: Error) -> Error {
        let is_misspelt = error.kind() == ErrorKind::Unavailable && self.vault.is_near_miss();
        if is_misspelt { error.with_help(NEAR_MISS) } else { error }
    }
}
