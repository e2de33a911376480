//! What can be asked of a vault, and what each request may cost, risk and need.

use azure_core::http::Method;

/// An operation of the [secrets REST API](https://learn.microsoft.com/rest/api/keyvault/secrets/operation-groups).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Verb {
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

/// What may follow when nobody knows whether a request was carried out.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Repeat {
    /// It changes nothing, or changes it to the same once more.
    Always,
    /// It takes something away: a repeat that finds nothing may be the echo of a success.
    UntilNotFound,
    /// It makes something each time: a repeat could make it twice.
    Never,
}

impl Verb {
    /// Tells what logs call the operation.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Set => "set",
            Self::Update => "update",
            Self::List => "list",
            Self::ListVersions => "list_versions",
            Self::Delete => "delete",
            Self::GetDeleted => "get_deleted",
            Self::ListDeleted => "list_deleted",
            Self::Recover => "recover",
            Self::Purge => "purge",
            Self::Backup => "backup",
            Self::Restore => "restore",
        }
    }

    /// Tells what the Azure SDKs call the operation in their OpenTelemetry spans.
    pub(super) fn api_name(self) -> &'static str {
        match self {
            Self::Get => "KeyVault.getSecret",
            Self::Set => "KeyVault.setSecret",
            Self::Update => "KeyVault.updateSecret",
            Self::List => "KeyVault.getSecrets",
            Self::ListVersions => "KeyVault.getSecretVersions",
            Self::Delete => "KeyVault.deleteSecret",
            Self::GetDeleted => "KeyVault.getDeletedSecret",
            Self::ListDeleted => "KeyVault.getDeletedSecrets",
            Self::Recover => "KeyVault.recoverDeletedSecret",
            Self::Purge => "KeyVault.purgeDeletedSecret",
            Self::Backup => "KeyVault.backupSecret",
            Self::Restore => "KeyVault.restoreSecret",
        }
    }

    pub(super) fn method(self) -> Method {
        match self {
            Self::Get | Self::List | Self::ListVersions | Self::GetDeleted | Self::ListDeleted => Method::Get,
            Self::Set => Method::Put,
            Self::Update => Method::Patch,
            Self::Delete | Self::Purge => Method::Delete,
            Self::Recover | Self::Backup | Self::Restore => Method::Post,
        }
    }

    pub(super) fn repeat(self) -> Repeat {
        match self {
            Self::Set | Self::Restore => Repeat::Never,
            Self::Delete | Self::Recover | Self::Purge => Repeat::UntilNotFound,
            _ => Repeat::Always,
        }
    }

    /// Tells whether an answer is worth all the time there is: it cannot be asked for again, or is long.
    pub(super) fn is_patient(self) -> bool {
        self.repeat() == Repeat::Never || self == Self::Backup
    }

    /// Tells how large an answer may be, in bytes.
    pub(super) fn largest_answer(self) -> usize {
        match self {
            // 500 versions of 25,600 characters, in JSON, encrypted, in base64.
            Self::Backup => 64 << 20,
            // Enough for a list of 25 secrets with every tag as long as it may be.
            _ => 1 << 20,
        }
    }

    /// Says which role an identity needs for this.
    ///
    /// [The roles](https://learn.microsoft.com/azure/key-vault/general/rbac-guide#azure-built-in-roles-for-key-vault-data-plane-operations).
    pub(super) fn role_advice(self) -> &'static str {
        match self.method() {
            Method::Get => {
                "grant the identity the role Key Vault Secrets User on the vault; a new role takes minutes to apply"
            }
            _ => {
                "grant the identity the role Key Vault Secrets Officer on the vault; a new role takes minutes to apply"
            }
        }
    }

    /// Says which permission of an access policy an identity needs for this.
    pub(super) fn policy_advice(self) -> &'static str {
        macro_rules! permission {
            ($name:literal) => {
                concat!("give the identity the secret permission ", $name, " in the vault's access policy")
            };
        }
        match self {
            // What a program that loads its settings needs is said in one go.
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
