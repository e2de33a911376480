//! The operations of the REST API, and what each one costs, risks and needs.

use azure_core::http::Method;

use super::service_error::service_error;
use crate::error::Error;
use crate::http::{self, Idempotency, Response};

/// An operation of the [secrets REST API](https://learn.microsoft.com/rest/api/keyvault/secrets/operation-groups).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Operation {
    Get,
    Set,
    Update,
    List,
    ListVersions,
    Delete,
    GetDeleted,
    ListDeleted,
    Recover,
    Purge,
    Backup,
    Restore,
}

impl http::Operation for Operation {
    fn name(&self) -> &'static str {
        self.names().0
    }

    fn sdk_name(&self) -> &'static str {
        self.names().1
    }

    fn method(&self) -> Method {
        match self {
            Self::Get | Self::List | Self::ListVersions | Self::GetDeleted | Self::ListDeleted => Method::Get,
            Self::Set => Method::Put,
            Self::Update => Method::Patch,
            Self::Delete | Self::Purge => Method::Delete,
            Self::Recover | Self::Backup | Self::Restore => Method::Post,
        }
    }

    fn idempotency(&self) -> Idempotency {
        match self {
            Self::Set | Self::Restore => Idempotency::NotIdempotent,
            Self::Delete | Self::Recover | Self::Purge => Idempotency::NotFoundOnRepeat,
            _ => Idempotency::Idempotent,
        }
    }

    fn has_one_long_attempt(&self) -> bool {
        self.idempotency() == Idempotency::NotIdempotent || *self == Self::Backup
    }

    fn max_response_size(&self) -> usize {
        match self {
            // 500 versions of 25,600 characters, as JSON, encrypted, in base64.
            Self::Backup => 64 << 20,
            // Fits a list of 25 secrets whose tags all have the maximal length.
            _ => 1 << 20,
        }
    }

    fn error(&self, response: &Response) -> Error {
        service_error(response, *self)
    }
}

impl Operation {
    /// Returns the name in logs, and the name that the Azure SDKs use in OpenTelemetry spans.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Get => ("get", "KeyVault.getSecret"),
            Self::Set => ("set", "KeyVault.setSecret"),
            Self::Update => ("update", "KeyVault.updateSecret"),
            Self::List => ("list", "KeyVault.getSecrets"),
            Self::ListVersions => ("list_versions", "KeyVault.getSecretVersions"),
            Self::Delete => ("delete", "KeyVault.deleteSecret"),
            Self::GetDeleted => ("get_deleted", "KeyVault.getDeletedSecret"),
            Self::ListDeleted => ("list_deleted", "KeyVault.getDeletedSecrets"),
            Self::Recover => ("recover", "KeyVault.recoverDeletedSecret"),
            Self::Purge => ("purge", "KeyVault.purgeDeletedSecret"),
            Self::Backup => ("backup", "KeyVault.backupSecret"),
            Self::Restore => ("restore", "KeyVault.restoreSecret"),
        }
    }

    /// Returns the advice to grant the role that the operation needs.
    ///
    /// [Roles](https://learn.microsoft.com/azure/key-vault/general/rbac-guide#azure-built-in-roles-for-key-vault-data-plane-operations).
    pub(super) fn role_advice(self) -> &'static str {
        match http::Operation::method(&self) {
            Method::Get => {
                "grant the identity the role Key Vault Secrets User on the vault; a new role takes minutes to apply"
            }
            _ => {
                "grant the identity the role Key Vault Secrets Officer on the vault; a new role takes minutes to apply"
            }
        }
    }

    /// Returns the advice to grant the permission that the operation needs in an access policy.
    pub(super) fn policy_advice(self) -> &'static str {
        macro_rules! permission {
            ($name:literal) => {
                concat!("give the identity the secret permission ", $name, " in the vault's access policy")
            };
        }
        match self {
            // Names both permissions that a program needs to load its settings.
            Self::Get => {
                "give the identity the secret permissions Get and, to load by name, List in the vault's access policy"
            }
            Self::GetDeleted => permission!("Get"),
            Self::List | Self::ListVersions | Self::ListDeleted => permission!("List"),
            Self::Set | Self::Update => permission!("Set"),
            Self::Delete => permission!("Delete"),
            Self::Recover => permission!("Recover"),
            Self::Purge => permission!("Purge"),
            Self::Backup => permission!("Backup"),
            Self::Restore => permission!("Restore"),
        }
    }
}
