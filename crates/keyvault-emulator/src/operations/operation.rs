//! The kinds of requests.

use serde::Deserialize;

/// The operation of a request, as counters, log, faults and denials distinguish them.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq)]
#[non_exhaustive]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// Gets one secret: the latest version or a given one.
    Get,
    /// Lists the secrets of the vault, one page.
    List,
    /// Lists the versions of a secret, one page.
    ListVersions,
    /// Sets a new version.
    Set,
    /// Updates the attributes, content type or tags of a version.
    Update,
    /// Deletes a secret with all its versions.
    Delete,
    /// Backs up all versions of a secret.
    Backup,
    /// Restores a secret from its backup.
    Restore,
    /// Lists the deleted secrets, one page.
    ListDeleted,
    /// Gets one deleted secret.
    GetDeleted,
    /// Recovers a deleted secret.
    Recover,
    /// Removes a deleted secret permanently.
    Purge,
    /// Requests a token, from Entra or from a managed identity endpoint.
    Token,
    /// Reads a discovery document, which names the token endpoints.
    Discovery,
    /// Any other request, such as one with an unsupported method.
    Other,
}

impl Operation {
    /// Returns the name that the counters and the control endpoint use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
            Self::ListVersions => "list_versions",
            Self::Set => "set",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Backup => "backup",
            Self::Restore => "restore",
            Self::ListDeleted => "list_deleted",
            Self::GetDeleted => "get_deleted",
            Self::Recover => "recover",
            Self::Purge => "purge",
            Self::Token => "token",
            Self::Discovery => "discovery",
            Self::Other => "other",
        }
    }

    /// Returns whether a vault serves this operation, rather than a token endpoint.
    pub fn is_vault(self) -> bool {
        !matches!(self, Self::Token | Self::Discovery)
    }

    /// Returns whether the operation changes a vault.
    pub(crate) fn is_change(self) -> bool {
        use Operation::{Delete, Purge, Recover, Restore, Set, Update};
        matches!(self, Set | Update | Delete | Recover | Purge | Restore)
    }

    /// Returns whether the response is a page of a list.
    pub fn is_list(self) -> bool {
        matches!(self, Self::List | Self::ListVersions | Self::ListDeleted)
    }
}
